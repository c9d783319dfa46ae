"""The part of docs/CONFIG_REFERENCE.md about contracts in the standard form: which of its many fields a run heeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dativo_config.contracts.limits import OPTIONS
from dativo_config.contracts.rules import ARGUMENTS, SEVERITIES
from dativo_config.contracts.standard import COMPARISONS, OLDER_METRICS, standard_schema

# Block -> its name among the schema's definitions (empty: the document itself), and what a field does.
HEEDED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "": (
        "",
        {
            "apiVersion": "v3.0.0 or later.",
            "kind": "DataContract.",
            "id": "Stands in table properties as `asset.id`.",
            "name": "The same; default: the id.",
            "version": "Stands in each stamp, and as `asset.version`.",
            "status": "Table property `asset.status`.",
            "tenant": "Whose contract it is: jobs of others are refused. Table property `asset.tenant`.",
            "domain": "Table property `asset.domain`.",
            "dataProduct": "Table property `asset.dataProduct`.",
            "tags": "Table property `asset.tags`.",
            "description": "`purpose` is what the contract is for.",
            "team": "The owner: its name, else the member whose role is owner. Table property `governance.owner`.",
            "slaProperties": "Table properties `governance.sla.*`.",
            "customProperties": "Table properties `asset.*`; `compliance` and `change_management` under "
            "`governance.*`, `finops` under `finops.*`.",
            "schema": "The tables.",
        },
    ),
    "schema[]": (
        "SchemaObject",
        {
            "name": "How a job's streams find it.",
            "physicalName": "The table's name; default: the name.",
            "description": "The table's comment.",
            "properties": "The columns.",
            "quality": "Rules over all rows of a run.",
            "customProperties": "`sortOrder`: how rows are ordered in files, `[created desc, id]`.",
            "tags": "Words to find it by.",
        },
    ),
    "schema[].properties[]": (
        "SchemaProperty",
        {
            "name": "The column's name in the source.",
            "physicalName": "Its name in the table; default: the name.",
            "id": "By which a renamed column is recognised.",
            "logicalType": "What kind of value; `vector` is refused.",
            "physicalType": "How it is stored, like `decimal(12, 2)`; default: by the logical type.",
            "logicalTypeOptions": "Bounds on each value: below.",
            "required": "Rows without a value are rejected.",
            "unique": "Rows with a value that an earlier row of the same run has are rejected. "
            "What holds for the whole table is the primary key.",
            "primaryKey": "One of the columns that identify a row.",
            "primaryKeyPosition": "Its place among them.",
            "partitioned": "The table is partitioned by it.",
            "partitionKeyPosition": "Its place among those.",
            "classification": "Table property `classification.<column>`; values are masked in messages.",
            "enum": "The only values allowed.",
            "description": "The column's comment.",
            "quality": "Rules over the column.",
            "properties": "The fields of an `object`.",
            "items": "The elements of an `array`.",
            "map": "Key and value of a `map`.",
            "tags": "Words to find it by.",
        },
    ),
}


def contract() -> Iterator[str]:
    """The lines of the part."""
    yield "## Contract, standard form: `assets/**/<name>.yaml`\n"
    yield "Every field of the standard is taken and judged by its own schema. A run heeds these; the others are for"
    yield "people and other tools.\n"
    for place, (definition, fields) in HEEDED.items():
        _check(definition, fields)
        if place:
            yield f"### `{place}`\n"
        yield "| field | meaning |\n|---|---|"
        yield from (f"| `{name}` | {meaning} |" for name, meaning in fields.items())
        yield ""
    yield "### `schema[].properties[].logicalTypeOptions`\n"
    yield "| logicalType | options |\n|---|---|"
    yield from (f"| `{kind}` | {_listed(options) or 'none'} |" for kind, options in OPTIONS.items())
    yield ""
    yield "### `quality[]`\n"
    yield "| field | meaning |\n|---|---|"
    metrics = (f"`{name}`" + (f" (with {_listed(ARGUMENTS[name])})" if ARGUMENTS[name] else "") for name in ARGUMENTS)
    yield f"| `metric` | {', '.join(metrics)}. |"
    older = [name for name, today in OLDER_METRICS.items() if name != today]
    yield f"| `rule` | Its name in 3.0: {_listed(older)}, and those of today. |"
    yield "| `type` | `library` (default), `sql`, or `text`, which is for people only; `custom` is refused. |"
    yield "| `query` | Of `sql`: one value; `${object}` is the run's accepted rows, `${column}` the column. |"
    yield f"| {_listed(COMPARISONS)} | What the value must be; default: 0. |"
    yield "| `unit` | `rows` or `percent`. |"
    yield f"| `severity` | {_listed(SEVERITIES)}; a warning or an info fails nothing. |"
    yield "| `name`, `id`, `description` | How results and messages call it. |"
    yield ""


def _listed(names: Iterator[str] | Mapping[str, object] | tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _check(definition: str, fields: Mapping[str, str]) -> None:
    """Raise where the page would name a field that the standard has not got."""
    schema = standard_schema()
    node = schema["$defs"][definition] if definition else schema
    known = set(_keys(schema, node))
    unknown = [name for name in fields if name not in known]
    if unknown:
        message = f"{definition or 'the document'} has no {', '.join(unknown)}"
        raise ValueError(message)


def _keys(schema: Mapping[str, object], node: object) -> Iterator[str]:
    """The keys that a part of a JSON Schema can hold, wherever in it they are named."""
    if isinstance(node, dict):
        for key, inner in node.items():  # pyright: ignore[reportUnknownVariableType] - a JSON Schema has its own shapes
            if key == "properties" and isinstance(inner, dict):
                yield from inner
            elif key == "$ref" and isinstance(inner, str):
                found: object = schema
                for step in inner.split("/")[1:]:
                    found = found[step]  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]
                yield from _keys(schema, found)
            elif key in ("allOf", "anyOf", "oneOf", "if", "then", "else"):
                yield from _keys(schema, inner)
    elif isinstance(node, list):
        for inner in node:  # pyright: ignore[reportUnknownVariableType]
            yield from _keys(schema, inner)
