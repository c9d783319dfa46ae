"""What `dativo` alone, its help and its version do, and what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dativo_cli.main import COMMANDS, dativo

DATIVO = str(Path(sys.executable).with_name("dativo"))
HEAVY = ("pyarrow", "pyiceberg", "pydantic", "duckdb", "rich", "asyncio", "yaml", "httpx", "dativo_config.models")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    program = f"""
import sys
from dativo_cli.main import main
assert main([{flag!r}]) == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_no_command_prints_the_help_and_exits_with_2() -> None:
    done = subprocess.run([DATIVO], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Usage: dativo" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["run", "--confg", "x"], "--config"),
        (["run"], "--config FILE or --job-dir DIR"),
        (["run", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_usage_error_exits_with_2_and_says_what_is_meant(arguments: list[str], told: str) -> None:
    done = subprocess.run([DATIVO, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_the_packages() -> None:
    done = subprocess.run([DATIVO, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "dativo 1.1.0\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_of_a_command_what_its_own_help_says(name: str) -> None:
    context = dativo.make_context("dativo", [name])
    command = dativo.get_command(context, name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name].summary
