"""`properties` -> columns, and the fields inside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from dativo_config.contracts.keys import refuse_same_ids
from dativo_config.contracts.limits import read_limits
from dativo_config.contracts.notes import Notes, Path
from dativo_config.contracts.types import ColumnType, TypeProblemError, column_type
from dativo_config.models.contract import JsonValue, LogicalType, PhysicalType, Property

Value: TypeAlias = Mapping[str, JsonValue]

_TEXT = ColumnType("string", PhysicalType("string"))
_NESTED_PARTS = {"object": "properties", "array": "items", "map": "map"}


def read_properties(items: Sequence[Value], path: Path, notes: Notes) -> tuple[Property, ...]:
    """One list of properties. A property whose type is wrong is noted and read as text."""
    return tuple(_property(item, (*path, index), notes) for index, item in enumerate(items))


def _property(item: Value, path: Path, notes: Notes, *, name: str = "", nested: bool = False) -> Property:
    found = _type(item, path, notes)
    options = {} if item.get("logicalType") == "vector" else cast("Value", item.get("logicalTypeOptions") or {})
    name = cast("str", item.get("name") or name)
    if nested:
        _refuse_table_matters(item, path, notes)
    return Property(
        name=name,
        column=cast("str", item.get("physicalName") or name),
        logical_type=found.logical,
        physical_type=found.stored,
        id=cast("str", item.get("id") or ""),
        required=item.get("required") is True,
        unique=item.get("unique") is True,
        description=cast("str", item.get("description") or ""),
        classification=cast("str", item.get("classification") or ""),
        limits=read_limits(options, found.logical, (*path, "logicalTypeOptions"), notes),
        valid_values=tuple(value["value"] for value in cast("Sequence[Value]", item.get("enum") or [])),
        properties=_fields(item, found, path, notes),
        items=_element(item, found, path, notes),
        key=_key(item, found, path, notes),
        tags=tuple(cast("list[str]", item.get("tags") or [])),
    )


def _type(item: Value, path: Path, notes: Notes) -> ColumnType:
    if item.get("logicalType") == "vector":
        hint = "use `logicalType: array` with `items: {logicalType: number, physicalType: float}`"
        notes.add((*path, "logicalType"), "vectors are not available in this version", hint=hint)
        return _TEXT
    logical = cast("LogicalType | None", item.get("logicalType"))
    physical = cast("str", item.get("physicalType") or "")
    options = cast("Value", item.get("logicalTypeOptions") or {})
    try:
        found = column_type(logical, physical, options)
    except TypeProblemError as error:
        notes.add((*path, *([error.option] if error.option else [])), error.message, hint=error.hint)
        return ColumnType(logical, _TEXT.stored) if logical else _TEXT
    part = _NESTED_PARTS.get(found.logical)
    if part and not item.get(part):
        message = f"logicalType {found.logical} needs `{part}`"
        notes.add(path, message, hint="say what is inside, or keep it as text with `physicalType: json`")
    return found


def _fields(item: Value, found: ColumnType, path: Path, notes: Notes) -> tuple[Property, ...]:
    if found.logical != "object":
        return ()
    fields = cast("Sequence[Value]", item.get("properties") or [])
    at = (*path, "properties")
    members = tuple(_property(field, (*at, index), notes, nested=True) for index, field in enumerate(fields))
    refuse_same_ids([member.id for member in members], at, notes)
    return members


def _element(item: Value, found: ColumnType, path: Path, notes: Notes) -> Property | None:
    match found.logical:
        case "array" if isinstance(item.get("items"), dict):
            return _property(cast("Value", item["items"]), (*path, "items"), notes, name="element", nested=True)
        case "map" if isinstance(item.get("map"), dict):
            value = cast("Value", cast("Value", item["map"])["value"])
            return _property(value, (*path, "map", "value"), notes, name="value", nested=True)
        case _:
            return None


def _key(item: Value, found: ColumnType, path: Path, notes: Notes) -> Property | None:
    if found.logical != "map" or not isinstance(item.get("map"), dict):
        return None
    key = cast("Value", cast("Value", item["map"])["key"])
    return _property(key, (*path, "map", "key"), notes, name="key", nested=True)


def _refuse_table_matters(item: Value, path: Path, notes: Notes) -> None:
    for key in ("primaryKey", "partitioned", "unique"):
        if item.get(key) is True:
            notes.add((*path, key), "is for columns, not for what is inside them")
    if item.get("quality"):
        hint = "write it as `type: sql` in the object's own `quality`"
        notes.add((*path, "quality"), "rules are for columns, not for what is inside them", hint=hint, key=True)
