"""What a contract says about its table as a whole, as properties that the table carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from dativo_config.models.contract import JsonValue, SchemaObject

Value: TypeAlias = Mapping[str, JsonValue]

_ASSET = ("id", "name", "version", "status", "domain", "dataProduct", "tenant", "tags")
_OWN_PREFIX = frozenset({"classification", "finops", "governance"})
_GOVERNANCE = {"compliance": "", "change_management": "change_management."}


def table_properties(value: Value, objects: Sequence[SchemaObject], owner: str) -> dict[str, str]:
    """The properties of every table of a contract in the standard form.

    - `asset.*`: id, name, version, status, domain, dataProduct, tenant, tags, and custom properties.
    - `governance.*`: owner, service levels, and the custom properties `compliance` and `change_management`.
    - `finops.*`: the custom property `finops`.
    - `classification.<column>`, in contracts of several objects `classification.<object>.<column>`.
    """
    found: dict[str, str] = {}
    for key in _ASSET:
        found.update(flatten(f"asset.{key}", value.get(key)))
    if owner:
        found["governance.owner"] = owner
    for level in cast("Sequence[Value]", value.get("slaProperties") or []):
        element = f".{level['element']}" if level.get("element") else ""
        shown = f"{_text(level['value'])} {level.get('unit') or ''}".strip()
        found[f"governance.sla.{level['property']}{element}"] = shown
    for custom in cast("Sequence[Value]", value.get("customProperties") or []):
        found.update(flatten(_custom_name(cast("str", custom["property"])), custom["value"]))
    found.update(_classifications(objects))
    return found


def _custom_name(name: str) -> str:
    if name in _GOVERNANCE:
        return f"governance.{_GOVERNANCE[name]}".removesuffix(".")
    return name if name.split(".", maxsplit=1)[0] in _OWN_PREFIX else f"asset.{name}"


def _classifications(objects: Sequence[SchemaObject]) -> Iterator[tuple[str, str]]:
    for item in objects:
        prefix = "classification." if len(objects) == 1 else f"classification.{item.name}."
        for column in item.properties:
            if column.classification:
                yield f"{prefix}{column.column}", column.classification


def flatten(name: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    """A value as table properties: maps become dotted names, lists of plain values one text."""
    if value is None or value == []:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(f"{name}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        for index, item in enumerate(value):
            yield from flatten(f"{name}.{index}", item)
    else:
        yield name, ", ".join(_text(item) for item in value) if isinstance(value, list) else _text(value)


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
