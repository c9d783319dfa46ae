"""Writes docs/CONFIG_REFERENCE.md from the models of files and connectors: fields with type, default and meaning."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from dativo_config.modelpaths import inner_blocks
from dativo_config.models.asset import FlatAsset
from dativo_config.models.connector import ConnectorSpec, Recipe
from dativo_config.models.job import Job
from dativo_config.models.runner import RunnerFile
from dativo_config.unavailable import refused_names
from dativo_engine.connectors import specs
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tools.config_contract import contract
from tools.config_variables import variables

PAGE = Path(__file__).parent.parent / "docs" / "CONFIG_REFERENCE.md"

HEAD = """# Configuration reference

Every field of every file. This page is made from the models that check the files, by
`python -m tools.config_reference`.

- Unknown keys are problems, never ignored. `dativo validate` tells every problem of every file at once.
- `${VAR}` and `${VAR:-default}` work in the values of job, recipe and runner files, also where a number or a boolean
  is expected; `${secret:NAME}` in recipes, under a job's `source` and `target.connection`, and in `runner.alerts`;
  `$${` is a literal `${`. Contracts are not interpolated.
- A *secret* is never shown: not in logs, problems or state.
- `dativo schema --out DIR` writes the same as JSON Schemas for editors.
- What `source.options`, `source.connection` and `source.credentials` take is the connector's: they are at the end.

A contract is a document of the [Open Data Contract Standard](https://bitol-io.github.io/open-data-contract-standard/),
v3.0.0 or later, or of the older flat form, which `dativo contract convert` turns into the standard.
"""

FILES: tuple[tuple[str, type[BaseModel], frozenset[str]], ...] = (
    ("Job: `jobs/<tenant>/<job>.yaml`", Job, refused_names("job")),
    ("Recipe: `connectors/<name>.yaml`", Recipe, refused_names("recipe")),
    ("Runner: `configs/runner.yaml`", RunnerFile, refused_names("runner")),
    ("Contract, flat form: `assets/**/<name>.yaml`", FlatAsset, frozenset()),
)

NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", SecretStr: "text, secret"}


def reference() -> str:
    """The text of the page."""
    lines = [HEAD]
    for title, model, refused in FILES:
        lines.append(f"## {title}\n")
        lines += sections(model, "", refused)
    lines += contract()
    lines += variables()
    for name, spec in sorted(specs().items()):
        if "source" in spec.roles:
            lines.append(f"## Connector: `{name}`\n")
            lines += connector(spec)
    return "\n".join(lines)


def connector(spec: ConnectorSpec) -> Iterator[str]:
    """What a connector takes, block by block."""
    yield f"{spec.summary}.\n"
    if spec.incremental_strategies:
        strategies = ", ".join(f"`{strategy}`" for strategy in spec.incremental_strategies)
        yield f"`source.incremental.strategy`: {strategies}.\n"
    blocks = {"options": spec.options, "connection": spec.connection, "credentials": spec.credentials}
    for block, model in blocks.items():
        if model is not None:
            place = f"source.{block}"
            for where, inner in ((place, model), *inner_blocks(model, place)):
                yield from table(inner, where)


def sections(model: type[BaseModel], place: str, refused: frozenset[str]) -> Iterator[str]:
    """A model's table, then those of the blocks inside it."""
    yield from table(model, place, refused)
    for name, field in model.model_fields.items():
        key = field.alias or name
        path = f"{place}.{key}" if place else key
        if path.replace("[]", ".*") not in refused:
            for inner, marker in models_in(field.annotation):
                yield from sections(inner, path + marker, refused)


def table(model: type[BaseModel], place: str, refused: frozenset[str] = frozenset()) -> Iterator[str]:
    """A block's heading and its fields."""
    if place:
        yield f"### `{place}`\n"
    yield (model.__doc__ or "").strip().split("\n")[0] + "\n"
    yield "| field | type | default | meaning |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        path = f"{place}.{key}" if place else key
        if path.replace("[]", ".*") in refused:
            yield f"| `{key}` | {shown_type(field)} | | *Not available in this version.* |"
        else:
            yield f"| `{key}` | {shown_type(field)} | {shown_default(field)} | {field.description} |"
    yield ""


def shown_type(field: FieldInfo) -> str:
    """A field's type, in the words of the pages."""
    return " or ".join(dict.fromkeys(type_names(field.annotation)))


def type_names(annotation: object) -> Iterator[str]:
    """The names of a type, one for each member of a union."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from type_names(arguments[0])
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            if argument is not type(None):
                yield from type_names(argument)
    elif origin is Literal:
        yield ", ".join(f"`{choice}`" for choice in arguments)
    elif origin is list:
        yield f"list of {' or '.join(type_names(arguments[0]))}"
    elif origin is dict or not isinstance(annotation, type):
        yield "map"
    else:
        yield NAMES.get(annotation, "map")


def shown_default(field: FieldInfo) -> str:
    """What holds where a file says nothing."""
    if field.is_required():
        return "**required**"
    if field.default is None or isinstance(field.default, BaseModel) or field.default in ([], {}, ""):
        return ""
    return f"`{json.dumps(field.default) if not isinstance(field.default, str) else field.default}`"


def models_in(annotation: object) -> Iterator[tuple[type[BaseModel], str]]:
    """The blocks in a type, with `[]` for those that stand in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    for argument in get_args(annotation):
        for inner, marker in models_in(argument):
            yield inner, "[]" + marker if get_origin(annotation) is list else marker


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"wrote {PAGE}")
