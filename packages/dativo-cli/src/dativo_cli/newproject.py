"""Writes new projects, and new jobs into projects. Nothing that exists is ever overwritten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click
from dativo_config.project import open_project
from dativo_config.tenancy import check_id
from dativo_engine.connectors import specs

from dativo_cli.proposal import propose_contract
from dativo_cli.schemas import write_schemas
from dativo_cli.sources import connector_of, object_of, open_connector

SCHEMAS = ".dativo/schemas"
RENAMED = {"gitignore": ".gitignore"}
# What a project has before its first job.
BARE = frozenset({"README.md", ".gitignore"})
JOB = """\
# yaml-language-server: $schema=../../{schemas}/job.schema.json
tenant_id: {tenant}
source_connector: {connector}
source:
  files:
    - path: {path}
      object: {name}
  incremental: {{strategy: file_modified_time}}
asset_path: {contract}
target_connector: iceberg
target:
  mode: append
"""
CONTRACT_HEADER = "# yaml-language-server: $schema=../../../{schemas}/contract.schema.json\n"


def make_project(folder: Path) -> list[Path]:
    """Write the example project; answers its files.

    Raises:
        click.UsageError: a file of it exists already.
    """
    written = _write(folder, dict(_template()))
    return [*written, *write_schemas(folder / SCHEMAS, specs())]


def add_job(folder: Path, location: str, *, name: str | None, tenant_id: str | None) -> list[Path]:
    """Write a job that loads a file or URL, and the contract proposed from it; the job is the first file answered.

    Raises:
        click.UsageError: a file of that name exists, the names are none, or the tenant is not to be told.
        DativoError: the file can't be read.
    """
    tenant = tenant_id or _tenant_of(folder, location)
    name = name or object_of(location)
    for option, value in (("--tenant-id", tenant), ("--name", name)):
        if wrong := check_id(value):
            message = f"'{value}' {wrong}"
            raise click.BadParameter(message, param_hint=option)
    connector = connector_of(location)
    path, copied = _place(folder, location, tenant)
    source = open_connector(connector, [location], [], project=folder)
    contract = f"assets/{name}/v1.0/{name}.yaml"
    job = JOB.format(
        schemas=SCHEMAS,
        tenant=tenant,
        connector=connector,
        path=_quoted(path),
        name=name,
        contract=contract,
    )
    texts = {
        f"jobs/{tenant}/{name}_to_iceberg.yaml": job,
        contract: CONTRACT_HEADER.format(schemas=SCHEMAS) + propose_contract(source.discover(), name),
    }
    if not (folder / "jobs").is_dir():
        texts |= {file: text.replace("jobs/demo", f"jobs/{tenant}") for file, text in _template() if file in BARE}
    written = _write(folder, texts)
    if copied:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(location, target)
        written.append(target)
    if not (folder / SCHEMAS).exists():
        written += write_schemas(folder / SCHEMAS, specs())
    return written


def _place(folder: Path, location: str, tenant: str) -> tuple[str, bool]:
    """How the job names the file, and whether it must be copied: a job reads no file outside its project."""
    if "://" in location:
        return location, False
    file = Path(location).absolute()
    root = folder.absolute()
    if file.is_relative_to(root):
        return file.relative_to(root).as_posix(), False
    if not file.is_file():
        message = f"{location}: no such file"
        raise click.BadParameter(message, param_hint="--from")
    path = f"data/{tenant}/{file.name}"
    if (folder / path).exists():
        message = f"{folder / path} exists; it is not overwritten"
        raise click.UsageError(message)
    return path, True


def _quoted(path: str) -> str:
    """A path as a YAML string in which nothing is taken for a variable."""
    return json.dumps(path.replace("${", "$${"), ensure_ascii=False)


def _tenant_of(folder: Path, location: str) -> str:
    """Whose job it is: of the tenant in whose folder the file lies, else of the only one, else of demo.

    Raises:
        click.UsageError: the project has several.
    """
    tenants = open_project(folder, environment={}).tenants
    file = Path(location).absolute()
    if "://" not in location and file.is_relative_to(folder.absolute()):
        place = file.relative_to(folder.absolute()).parts
        if len(place) > 2 and place[0] in ("data", "jobs") and place[1] in tenants:
            return place[1]
    if len(tenants) > 1:
        message = f"say whose job it is with --tenant-id; the project has {', '.join(sorted(tenants))}"
        raise click.UsageError(message)
    return next(iter(tenants), "demo")


def _write(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    existing = [str(folder / file) for file in texts if (folder / file).exists()]
    if existing:
        message = f"{', '.join(existing)} exists; nothing is overwritten, and nothing was written"
        raise click.UsageError(message)
    written: list[Path] = []
    for file, text in texts.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
        written.append(path)
    return written


def _template() -> Iterator[tuple[str, str]]:
    """The example project's files, by their paths in it."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            else:
                yield prefix + RENAMED.get(entry.name, entry.name), entry.read_text(encoding="utf-8")

    yield from walk(files("dativo_cli") / "templates" / "project", "")
