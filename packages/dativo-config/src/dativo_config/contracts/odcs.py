"""A document in the standard form -> the contract, with everything checked that the standard leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import TypeAlias, cast

from dativo_config.contracts.columns import read_properties
from dativo_config.contracts.keys import read_order, refuse_same_ids, refuse_twins
from dativo_config.contracts.notes import Notes, Path
from dativo_config.contracts.rules import Place, name_apart, read_rules
from dativo_config.contracts.table_properties import table_properties
from dativo_config.models.contract import Contract, JsonValue, Property, Rule, SchemaObject

Value: TypeAlias = Mapping[str, JsonValue]

RESERVED_SUFFIX = "__rejected"


def read_standard(value: Value, file: FilePath, notes: Notes) -> Contract:
    """The contract that `value` says, once it keeps the standard's own schema. Notes what else is wrong with it."""
    items = cast("Sequence[Value]", value.get("schema") or [])
    if not items:
        notes.add(("schema",), "the contract describes no object", hint="schema: [{name: ..., properties: [...]}]")
    objects = tuple(_object(item, ("schema", index), notes) for index, item in enumerate(items))
    refuse_twins([item.name for item in objects], ("schema",), "object", notes)
    description = cast("Value", value.get("description") or {})
    return Contract(
        path=file,
        id=cast("str", value["id"]),
        name=_text(value, "name") or cast("str", value["id"]),
        version=cast("str", value["version"]),
        objects=objects,
        status=_text(value, "status") or "active",
        domain=_text(value, "domain"),
        data_product=_text(value, "dataProduct"),
        description=_text(description, "purpose"),
        owner=_owner(value.get("team")),
        tags=_tags(value),
        table_properties=table_properties(value, objects, _owner(value.get("team"))),
    )


def _object(item: Value, path: Path, notes: Notes) -> SchemaObject:
    name = cast("str", item["name"])
    table = _text(item, "physicalName") or name
    _check_table(table, (*path, "physicalName" if item.get("physicalName") else "name"), notes)
    written = cast("Sequence[Value]", item.get("properties") or [])
    at = (*path, "properties")
    if not written:
        notes.add(at, "the object has no properties", hint="list its columns")
    properties = read_properties(written, at, notes)
    refuse_twins([column.name for column in properties], at, "property", notes)
    refuse_twins([column.column for column in properties], at, "column", notes)
    refuse_same_ids([column.id for column in properties], at, notes)
    return SchemaObject(
        name=name,
        table=table,
        properties=properties,
        description=_text(item, "description"),
        primary_key=read_order(written, properties, at, "primaryKey", notes),
        partition_columns=read_order(written, properties, at, "partitioned", notes),
        sort_order=_sort_order(item, path, notes),
        rules=_rules(item, written, properties, path, notes),
        tags=_tags(item),
    )


def _check_table(table: str, path: Path, notes: Notes) -> None:
    if table.lower().endswith(RESERVED_SUFFIX):
        notes.add(path, f"names that end in `{RESERVED_SUFFIX}` are reserved for what a contract rejects")
    elif not table.strip() or table.startswith(".") or any(c in "/\\" or not c.isprintable() for c in table):
        notes.add(path, "is no name for a table", hint="letters, digits and `_`")


def _rules(
    item: Value, written: Sequence[Value], properties: Sequence[Property], path: Path, notes: Notes
) -> tuple[Rule, ...]:
    columns = {column.name: column.column for column in properties}
    rules = read_rules(
        cast("Sequence[Value]", item.get("quality") or []), Place((*path, "quality"), "", columns), notes
    )
    for index, (column, text) in enumerate(zip(properties, written, strict=True)):
        place = Place((*path, "properties", index, "quality"), column.column, columns)
        rules += read_rules(cast("Sequence[Value]", text.get("quality") or []), place, notes)
    return name_apart(rules)


def _sort_order(item: Value, path: Path, notes: Notes) -> tuple[str, ...]:
    """The custom property `sortOrder`: a list, or a text with commas between the terms."""
    for index, custom in enumerate(cast("Sequence[Value]", item.get("customProperties") or [])):
        if custom["property"] != "sortOrder":
            continue
        value = custom["value"]
        if isinstance(value, str):
            return (value.strip(),) if "(" in value else tuple(part.strip() for part in value.split(","))
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(cast("list[str]", value))
        notes.add((*path, "customProperties", index, "value"), "expected a list like [created desc, id]")
    return ()


def _owner(team: JsonValue) -> str:
    """Whom to turn to: the team, else the member whose role is owner, else the first one."""
    if isinstance(team, dict) and team.get("name"):
        return cast("str", team["name"])
    members = cast("list[Value]", team.get("members") or [] if isinstance(team, dict) else team or [])
    if not members:
        return ""
    first = next((member for member in members if _text(member, "role").lower() == "owner"), members[0])
    return _text(first, "name") or _text(first, "username")


def _tags(item: Value) -> tuple[str, ...]:
    return tuple(cast("list[str]", item.get("tags") or []))


def _text(item: Value, key: str) -> str:
    return cast("str", item.get(key) or "")
