"""A source that no job names yet: opened from a connector's name and what to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
from dativo_config.load import LoadSettings, load_credentials, load_recipe
from dativo_config.models.connector import ConnectorSpec
from dativo_config.problems import closest
from dativo_engine.connectors import open_source, specs
from dativo_engine.interfaces import Source, SourceSettings, StreamSettings
from pydantic import BaseModel, ValidationError

COMPRESSIONS = frozenset({".gz", ".zst", ".bz2"})


def connector_of(location: str) -> str:
    """Which connector reads a file, by the end of its name.

    Raises:
        click.BadParameter: none that dativo knows.
    """
    suffixes = [suffix for suffix in _name_of(location).suffixes if suffix not in COMPRESSIONS]
    known = {suffix: spec.name for spec in specs().values() for suffix in spec.suffixes}
    if not suffixes or suffixes[-1].lower() not in known:
        message = f"{location}: can't tell what kind of file it is; its name should end in {', '.join(known)}"
        raise click.BadParameter(message)
    return known[suffixes[-1].lower()]


def object_of(location: str) -> str:
    """A name for the rows of a file, fit for a job, an object and a table: `Orders 2024.csv.gz` -> `orders_2024`."""
    stem = _name_of(location).name.split(".")[0]
    words = re.findall(r"[a-z0-9]+", stem.lower())
    return "_".join(words)[:40] or "rows"


def open_connector(name: str, inputs: Sequence[str], options: Sequence[str], *, project: Path) -> Source:
    """The source behind a connector, with the connector's defaults, or that of a recipe.

    Args:
        name: the connector's name, or a recipe file.
        inputs: paths, globs, folders or URLs; for an API and for a recipe the objects.
        options: `name=value`, of the connector's own options.

    Raises:
        click.BadParameter: no such connector or option, or nothing to read was named, or nobody to ask as.
        ConfigError: the recipe holds problems.
    """
    known = specs()
    if name.endswith((".yaml", ".yml")):
        return _open_recipe(Path(name), inputs, options, project=project)
    if name not in known:
        message = f"no connector '{name}'; {closest(name, known) or 'there are ' + ', '.join(sorted(known))}"
        raise click.BadParameter(message, param_hint="--connector")
    spec = known[name]
    if spec.inputs == "files" and not inputs:
        message = f"say which files: dativo discover --connector {name} FILE..."
        raise click.BadParameter(message, param_hint="INPUTS")
    return open_source(
        SourceSettings(
            connector=name,
            tenant_id="discover",
            job_name="discover",
            project=project,
            streams=_streams(spec, inputs),
            options=_options(spec, options),
            credentials=_credentials(spec, project),
        )
    )


def _open_recipe(path: Path, objects: Sequence[str], options: Sequence[str], *, project: Path) -> Source:
    """The source that a recipe describes.

    Raises:
        ConfigError: the recipe holds problems.
        click.BadParameter: no object was named, or options beside those of the recipe.
    """
    if options:
        message = f"write them into {path}"
        raise click.BadParameter(message, param_hint="--option")
    recipe = load_recipe(path, specs(), settings=LoadSettings(project=project))
    if not objects:
        message = f"say which objects: dativo discover --connector {path} OBJECT..."
        raise click.BadParameter(message, param_hint="INPUTS")
    return open_source(
        SourceSettings(
            connector=recipe.spec.name,
            tenant_id="discover",
            job_name="discover",
            project=project,
            streams=tuple(StreamSettings(name) for name in objects),
            options=recipe.options,
            connection=recipe.connection,
            credentials=recipe.credentials,
            rate_limits=recipe.rate_limits,
        )
    )


def _streams(spec: ConnectorSpec, inputs: Sequence[str]) -> tuple[StreamSettings, ...]:
    """What is looked into: one set of files, or objects. None: whatever the account has."""
    if spec.inputs == "files":
        located = tuple(item if "://" in item else str(Path(item).absolute()) for item in inputs)
        return (StreamSettings(name=object_of(inputs[0]), inputs=located),)
    if not inputs and spec.objects:
        message = f"say which objects: dativo discover --connector {spec.name} OBJECT..."
        raise click.BadParameter(message, param_hint="INPUTS")
    return tuple(StreamSettings(name) for name in inputs)


def _credentials(spec: ConnectorSpec, project: Path) -> BaseModel | None:
    """Those that the connector's variables hold. Files need none as a rule."""
    if spec.inputs == "files":
        return None
    found = load_credentials(spec, specs(), settings=LoadSettings(project=project))
    if found is None and spec.environment:
        names = " or ".join(spec.environment)
        message = (
            f"{spec.name} wants credentials: set {names} in a project of one tenant, or ask through a job, --config"
        )
        raise click.BadParameter(message, param_hint="--connector")
    return found


def _options(spec: ConnectorSpec, options: Sequence[str]) -> BaseModel | None:
    values = dict(_pair(option) for option in options)
    if spec.options is None:
        if values:
            message = f"{spec.name} takes no options"
            raise click.BadParameter(message, param_hint="--option")
        return None
    try:
        return spec.options.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            message = f"{name} is needed; write a recipe, and give its file: --connector connectors/NAME.yaml"
            raise click.BadParameter(message, param_hint="--connector") from error
        hint = closest(name, spec.options.model_fields) or f"`dativo connectors {spec.name}` lists what there is"
        message = f"{name}: {first['msg']}; {hint}"
        raise click.BadParameter(message, param_hint="--option") from error


def _pair(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not separator:
        message = f"{option}: write it as name=value"
        raise click.BadParameter(message, param_hint="--option")
    return name, value


def _name_of(location: str) -> Path:
    return Path(urlsplit(location).path if "://" in location else location)
