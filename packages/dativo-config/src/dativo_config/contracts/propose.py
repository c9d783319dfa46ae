"""A first contract for data that has none: what a source says of its columns, in the standard form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dativo_config.contracts.flat import WRITTEN_VERSION
from dativo_config.contracts.types import default_type, logical_type
from dativo_config.contracts.yaml_text import dump
from dativo_config.models.contract import JsonValue, PhysicalType


@dataclass(frozen=True, slots=True)
class ProposedColumn:
    """One column, or a field, element, key or value inside one.

    Attributes:
        parts: the fields of a struct; the element of a list; key and value of a map; else empty.
        date_format: the pattern its text is written in, where it is not ISO 8601.
    """

    name: str
    type: PhysicalType
    required: bool = False
    primary_key: bool = False
    description: str = ""
    date_format: str = ""
    parts: tuple[ProposedColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposedObject:
    """One table."""

    name: str
    columns: tuple[ProposedColumn, ...]
    table: str = ""
    description: str = ""


def propose(name: str, objects: Sequence[ProposedObject], *, owner: str = "", comment: str = "") -> str:
    """The YAML text of a contract for `objects`, ready to be edited.

    Args:
        name: the contract's id and name.
        owner: the team that answers for the data; empty: the contract names none.
        comment: lines that stand above the contract.
    """
    contract: dict[str, JsonValue] = {
        "apiVersion": WRITTEN_VERSION,
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": "1.0.0",
        "status": "draft",
    }
    if owner:
        contract["team"] = {"name": owner}
    contract["schema"] = [_object(item) for item in objects]
    header = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return header + dump(contract)


def _object(item: ProposedObject) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"name": item.name}
    if item.table and item.table != item.name:
        found["physicalName"] = item.table
    if item.description:
        found["description"] = item.description
    positions = {column.name: place + 1 for place, column in enumerate(c for c in item.columns if c.primary_key)}
    found["properties"] = [_property(column, positions.get(column.name, 0)) for column in item.columns]
    return found


def _property(column: ProposedColumn, key_position: int) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"name": column.name, **_typed(column)}
    if column.description:
        found["description"] = column.description
    if column.required:
        found["required"] = True
    if key_position:
        found.update({"primaryKey": True, "primaryKeyPosition": key_position})
    return found


def _typed(column: ProposedColumn) -> dict[str, JsonValue]:
    logical = logical_type(column.type)
    found: dict[str, JsonValue] = {"logicalType": "string" if logical == "binary" else logical}
    if default_type(logical) != column.type or logical == "binary":
        found["physicalType"] = str(column.type)
    if column.date_format:
        found["logicalTypeOptions"] = {"format": column.date_format}
    match column.type.name:
        case "struct":
            found["properties"] = [_property(part, 0) for part in column.parts]
        case "list":
            found["items"] = _typed(column.parts[0])
        case "map":
            found["map"] = {"key": _typed(column.parts[0]), "value": _typed(column.parts[1])}
        case _:
            pass
    return found
