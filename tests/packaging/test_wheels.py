"""Each package, built as a wheel and installed into a clean environment, works without the workspace around it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("dativo-config", "dativo-engine", "dativo-dagster", "dativo-cli")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with one of the packages and what it pulled in."""

    python: Path

    def run(self, code: str) -> str:
        """What a program prints in this environment, far from the repository."""
        command = [str(self.python), "-I", "-W", "error", "-c", code]
        return _run(command, cwd=self.python.parent).strip()

    def distributions(self) -> set[str]:
        """The names of everything that is installed."""
        code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
        return {re.sub(r"[-_.]+", "-", name).lower() for name in self.run(code).split()}


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv command, from the PATH or where `make` puts it."""
    return shutil.which("uv") or str(REPOSITORY / ".cache" / "uv" / "bin" / "uv")


@pytest.fixture(scope="session")
def wheels(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of every package."""
    folder = tmp_path_factory.mktemp("wheels")
    _run([uv, "build", "--quiet", "--wheel", "--all-packages", "--out-dir", str(folder)], cwd=REPOSITORY)
    return folder


@pytest.fixture(scope="session", params=PACKAGES)
def installed(
    request: pytest.FixtureRequest, uv: str, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Environment]:
    """One package in an environment of its own; its siblings come from the built wheels, the rest from PyPI."""
    package: str = request.param
    folder = tmp_path_factory.mktemp(package)
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], cwd=folder)
    environment = Environment(folder / "venv" / "bin" / "python")
    install = [uv, "pip", "install", "--quiet", "--python", str(environment.python)]
    _run([*install, "--find-links", str(wheels), package], cwd=folder)
    return package, environment


# Needs pytest, which the extra `testing` brings.
KIT = "dativo_engine.testing"


@pytest.mark.xdist_group("packaging")
def test_a_wheel_installs_alone_and_imports_every_module(installed: tuple[str, Environment]) -> None:
    package, environment = installed
    name = package.replace("-", "_")

    environment.run(
        f"import importlib, pkgutil, {name} as package\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        f"    if not module.name.startswith('{KIT}'):\n"
        "        importlib.import_module(module.name)"
    )


@pytest.mark.xdist_group("packaging")
@pytest.mark.parametrize("installed", ["dativo-engine"], indirect=True)
def test_the_conformance_kit_comes_with_its_extra(installed: tuple[str, Environment], wheels: Path, uv: str) -> None:
    _, environment = installed
    install = [uv, "pip", "install", "--quiet", "--python", str(environment.python), "--find-links", str(wheels)]
    _run([*install, "dativo-engine[testing]"], cwd=wheels)
    environment.run(f"import {KIT}")


@pytest.mark.xdist_group("packaging")
def test_nothing_pulls_in_pandas_only_one_dagster_and_config_no_arrow(installed: tuple[str, Environment]) -> None:
    package, environment = installed
    distributions = environment.distributions()

    assert "pandas" not in distributions
    assert ("dagster" in distributions) == (package == "dativo-dagster")
    if package == "dativo-config":
        assert not distributions & {"pyarrow", "pyiceberg", "duckdb", "click"}
    if package == "dativo-engine":
        assert "dativo-config" in distributions
        assert "dativo-cli" not in distributions


@pytest.mark.xdist_group("packaging")
@pytest.mark.parametrize("installed", ["dativo-cli"], indirect=True)
def test_the_command_of_the_cli_wheel_says_its_version(installed: tuple[str, Environment]) -> None:
    _, environment = installed

    assert "1.1.0" in _run([str(environment.python.with_name("dativo")), "--version"], cwd=environment.python.parent)


@pytest.mark.xdist_group("packaging")
def test_a_wheel_says_that_it_is_typed_and_how_it_is_licensed(installed: tuple[str, Environment]) -> None:
    package, environment = installed
    name = package.replace("-", "_")
    found = json.loads(
        environment.run(
            "import importlib.metadata as m, importlib.resources as r, json\n"
            f"about = m.metadata('{package}')\n"
            f"print(json.dumps([about['License-Expression'], r.files('{name}').joinpath('py.typed').is_file()]))"
        )
    )

    assert found == ["Apache-2.0", True]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_ask_for_ranges_of_each_other_and_pin_nothing(package: str) -> None:
    project = tomllib.loads((REPOSITORY / "packages" / package / "pyproject.toml").read_text())["project"]

    assert project["version"] == "1.1.0"
    for requirement in project["dependencies"]:
        assert "==" not in requirement
        assert " @ " not in requirement
        if requirement.startswith("dativo-"):
            assert requirement.endswith(">=1.1,<2")


def _run(command: list[str], *, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
