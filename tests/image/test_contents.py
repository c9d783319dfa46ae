"""What is in the image: as much as it says, and nothing that should not leave the machine it was built on."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.image.container import FOLDERS
from tests.image.planted import PLANTED
from tools.image.build import DOCKERFILE, base_image
from tools.image.engine import Engine
from tools.image.sizes import parts

OURS = {"dativo-cli", "dativo-config", "dativo-dagster", "dativo-engine"}
MOST_BYTES = 500_000_000
MOST_BYTES_OF_OURS = 10_000_000
LIBRARIES = (
    "pyarrow.parquet pyarrow.csv pyarrow.json pyarrow.fs pyarrow.dataset pyarrow.compute pyarrow.acero duckdb numpy "
    "uvloop zstandard pyroaring pyiceberg_core psycopg psycopg2 cryptography.fernet grpc dagster dagster_webserver "
    "dagster_postgres botocore.session jsonschema_rs pydantic sqlalchemy httpx msgspec watchfiles "
    "pyiceberg.catalog.sql pyiceberg.catalog.rest"
)
CACHES = ("/.cache", "/var/lib/apt/lists/", ".whl", "/pip.conf", "/uv.toml")
TOOLS = {"uv", "uvx", "gcc", "cc", "ld", "strip"}
INSTALLED = """
import json, sysconfig
from importlib.metadata import distributions
found = distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps([(item.metadata["Name"], item.version) for item in found]))
"""


def test_the_file_it_is_built_from_has_nothing_that_a_linter_warns_of() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def python(engine: Engine, image: str, program: str) -> str:
    """What a program prints in the image's Python."""
    command = ["podman", "run", "--rm", "--no-healthcheck", "--network=none", "--entrypoint=python", image, "-c"]
    return engine.must([*command, program])


def canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def of_others(packages: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Packages with their versions, without our own; one that is there twice stands here twice."""
    return sorted((name, version) for name, version in packages if name not in OURS)


@pytest.fixture(scope="module")
def saved(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image in a folder: its manifest, with the layers as archives and the image's settings beside it."""
    file = tmp_path_factory.mktemp("saved") / "image.tar"
    engine.must(["podman", "save", "--quiet", f"--output={file}", image])
    with tarfile.open(file) as archive:
        archive.extractall(file.parent, filter="data")
    file.unlink()
    return file.parent / "manifest.json"


@pytest.fixture(scope="module")
def layers(engine: Engine, saved: Path) -> list[Path]:
    """The layers that the image adds to its base."""
    manifest = json.loads(saved.read_text())
    of_base = int(engine.must(["podman", "image", "inspect", "--format={{len .RootFS.Layers}}", base_image(engine)]))
    return [saved.parent / name for name in manifest[0]["Layers"][of_base:]]


def test_every_library_that_is_left_can_be_imported(engine: Engine, image: str) -> None:
    python(engine, image, f"import {', '.join(LIBRARIES.split())}")


def test_the_list_of_materials_is_what_is_installed(engine: Engine, image: str) -> None:
    told = json.loads(python(engine, image, "print(open('/opt/dativo/sbom.cdx.json').read())"))
    listed = [(canonical(item["name"]), item.get("version")) for item in told["components"]]
    installed = [(canonical(name), version) for name, version in json.loads(python(engine, image, INSTALLED))]
    assert {name for name, _ in installed} >= OURS
    assert of_others(listed) == of_others(installed)


def test_the_part_that_brings_a_package_is_known_of_each(engine: Engine, image: str) -> None:
    installed = {canonical(name) for name, _ in json.loads(python(engine, image, INSTALLED))}
    assert {package for part in parts(engine, image) for package in part.packages} == installed


def test_it_adds_at_most_500_mb_to_its_base(engine: Engine, image: str) -> None:
    added = engine.size(image) - engine.size(base_image(engine))
    assert added <= MOST_BYTES, f"{added / 1e6:.0f} MB"


def test_what_a_change_of_our_code_makes_anew_is_a_small_layer_with_nothing_else_in_it(layers: list[Path]) -> None:
    ours: list[Path] = []
    for layer in layers:
        with tarfile.open(layer) as archive:
            files = [member.name for member in archive.getmembers() if not member.isdir()]
        if any("/site-packages/dativo_" in name for name in files):
            ours.append(layer)
            others = [name for name in files if "dativo" not in name.removeprefix("./").removeprefix("opt/dativo/")]
            assert [name for name in others if not name.endswith("/sbom.cdx.json")] == []
    (layer,) = ours
    assert layer.stat().st_size < MOST_BYTES_OF_OURS


def test_no_layer_holds_a_cache_a_compiler_or_a_file_of_the_project(layers: list[Path]) -> None:
    names: list[str] = []
    for layer in layers:
        with tarfile.open(layer) as archive:
            names += [f"/{name.removeprefix('./')}" for name in archive.getnames()]
    assert any(name.endswith("/bin/dativo") for name in names)
    left = [name for name in names if any(part in name for part in CACHES) or name.rsplit("/", 1)[-1] in TOOLS]
    assert left == []
    volumes = tuple(f"/app/{folder}/" for folder in FOLDERS)
    assert [name for name in names if name.startswith(volumes)] == []


def test_no_secret_that_lay_about_where_it_was_built_is_in_a_layer_or_in_what_is_told_of_it(saved: Path) -> None:
    found = {file.name for file in saved.parent.rglob("*") if file.is_file() and holds(file, PLANTED.encode())}
    assert found == set()


def holds(file: Path, text: bytes) -> bool:
    """Whether a file has a text in it; a layer is an archive without compression."""
    with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(text) >= 0
