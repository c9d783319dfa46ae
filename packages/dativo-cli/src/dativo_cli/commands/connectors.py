"""`dativo connectors`: what sources there are, and what each takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click
from dativo_config.modelpaths import inner_blocks
from dativo_config.models.connector import ConnectorSpec
from dativo_config.problems import closest
from dativo_engine.connectors import specs
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dativo_cli.options import debug_option, example, json_option
from dativo_cli.screen import STRONG, Json, Screen

BLOCKS = ("options", "connection", "credentials")


@click.command(epilog=example("dativo connectors", "dativo connectors csv"))
@click.argument("name", required=False)
@json_option
@debug_option
@click.pass_obj
def connectors(screen: Screen, *, name: str | None, as_json: bool) -> None:
    """List connectors and their options.

    --json: a list of name, summary, roles, category, inputs, objects, incremental_strategies, allowed_in_cloud, extra,
    and options, connection and credentials, each a list of name, type, default, required, description.
    """
    known = specs()
    if name is not None and name not in known:
        hint = closest(name, known) or f"there are {', '.join(sorted(known))}"
        message = f"no connector '{name}'; {hint}"
        raise click.BadParameter(message, param_hint="NAME")
    chosen = [known[name]] if name is not None else [known[item] for item in sorted(known)]
    if as_json:
        screen.json([_as_json(spec) for spec in chosen])
    elif name is not None:
        _show(screen, chosen[0])
    else:
        rows = [
            (spec.name, ", ".join(spec.incremental_strategies) or "full reads only", spec.summary) for spec in chosen
        ]
        screen.table(["connector", "incremental", "reads"], rows)
        screen.note("`dativo connectors NAME` lists the options of one")


def _show(screen: Screen, spec: ConnectorSpec) -> None:
    screen.line(f"{spec.name}: {spec.summary}", STRONG)
    screen.facts(
        [
            ("inputs", f"source.{spec.inputs}" if spec.inputs else "none"),
            *([("objects", ", ".join(spec.objects))] if spec.objects else []),
            ("incremental", ", ".join(spec.incremental_strategies) or "full reads only"),
            *((strategy, note) for strategy, note in spec.incremental_notes.items()),
            ("--mode cloud", "allowed" if spec.allowed_in_cloud else "refused"),
            ("driver", f"pip install 'dativo-engine[{spec.extra}]'" if spec.extra else "included"),
        ]
    )
    for block in BLOCKS:
        model: type[BaseModel] | None = getattr(spec, block)
        if model is not None:
            place = f"source.{block}"
            for where, inner in ((place, model), *inner_blocks(model, place)):
                _show_block(screen, where, inner)


def _show_block(screen: Screen, place: str, model: type[BaseModel]) -> None:
    options = list(_options(model))
    if options:
        screen.line()
        screen.line(place, STRONG)
        rows = [(item["name"], item["type"], _default(item), item["description"]) for item in options]
        screen.table(["name", "type", "default", "meaning"], rows)


def _default(option: dict[str, Json]) -> str:
    """As a job would write it."""
    value = option["default"]
    if value is None:
        return "required" if option["required"] else ""
    return value if isinstance(value, str) else json.dumps(value)


def _as_json(spec: ConnectorSpec) -> Json:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "roles": list(spec.roles),
        "category": spec.category,
        "inputs": spec.inputs,
        "objects": list(spec.objects),
        "incremental_strategies": list(spec.incremental_strategies),
        "allowed_in_cloud": spec.allowed_in_cloud,
        "extra": spec.extra,
        **{block: list(_options(getattr(spec, block))) for block in BLOCKS},
    }


def _options(model: type[BaseModel] | None) -> Iterator[dict[str, Json]]:
    """The fields of a connector's model as its users see them, types as JSON Schema names them."""
    if model is None:
        return
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        shown = field.alias or name
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        yield {
            "name": shown,
            "type": _type(properties[shown]),
            "default": None if default is PydanticUndefined else default,
            "required": field.is_required(),
            "description": field.description or "",
        }


def _type(schema: Mapping[str, object]) -> str:
    """The type of an option in a word or two, from its JSON Schema."""
    match schema:
        case {"anyOf": list(choices)}:
            told = " | ".join(_type(choice) for choice in choices if choice.get("type") != "null")
        case {"enum": list(values)}:
            told = " | ".join(str(value) for value in values)
        case {"const": value}:
            told = str(value)
        case {"type": "array", "items": dict(items)}:
            told = f"list of {_type(items)}"
        case {"writeOnly": True}:
            told = "secret"
        case _:
            told = str(schema.get("type", "object"))
    return told
