"""The flat form of a contract -> the standard form, which is the only one that is read on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast, get_args

import jsonschema_rs

from dativo_config.contracts.complaints import Complaint, complaints
from dativo_config.contracts.notes import Notes, Path
from dativo_config.contracts.types import TypeProblemError, column_type
from dativo_config.models.asset import FlatAsset
from dativo_config.models.contract import JsonValue, LogicalType

WRITTEN_VERSION = "v3.1.0"
"""The oldest version of the standard that has a team with a name."""

_ONLY_FLAT = frozenset(
    {"asset", "source_type", "object", "target", "data_quality", "compliance", "change_management", "finops"}
)
_OPEN_PARTS = ("compliance", "change_management", "finops", "source_type")
_WITHOUT_PARTS = {"object": "json", "array": "json", "map": "json"}


def is_flat(value: Mapping[str, JsonValue]) -> bool:
    """Whether a contract is written in the flat form."""
    schema = value.get("schema")
    first = schema[0] if isinstance(schema, list) and schema else None
    if isinstance(first, dict) and "properties" in first:
        return False
    columns = isinstance(first, dict) and "type" in first
    team = value.get("team")
    return columns or (isinstance(team, dict) and "owner" in team) or not _ONLY_FLAT.isdisjoint(value)


def flat_complaints(value: Mapping[str, JsonValue]) -> list[Complaint]:
    """Where a document breaks the flat form, one complaint per mistake."""
    if "asset" not in value:
        return complaints(_validator().iter_errors(value), flat_schema())
    others = [key for key in value if key not in ("asset", "$schema")]
    found = [Complaint((key,), "unknown key", "it belongs under `asset`", key=True) for key in others]
    inner = complaints(_validator().iter_errors(value["asset"]), flat_schema())
    return found + [replace(item, path=("asset", *item.path)) for item in inner]


@cache
def flat_schema() -> dict[str, Any]:
    """The JSON Schema of the flat form."""
    return FlatAsset.model_json_schema(by_alias=True)


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(flat_schema())


@dataclass(slots=True)
class Standard:
    """A contract in the standard form, and where its parts stand in the flat document (see `Notes.origins`)."""

    value: dict[str, JsonValue]
    origins: dict[Path, Path] = field(default_factory=dict[Path, Path])


def to_standard(value: Mapping[str, JsonValue], notes: Notes) -> Standard:
    """The standard form of a flat contract that keeps its schema. Notes what has no place in the standard form."""
    wrapped = "asset" in value
    asset = FlatAsset.model_validate(value["asset"] if wrapped else value)
    return _Conversion(asset, ("asset",) if wrapped else (), notes).standard()


@dataclass(frozen=True, slots=True)
class _Conversion:
    asset: FlatAsset
    base: Path
    notes: Notes
    origins: dict[Path, Path] = field(default_factory=dict[Path, Path])

    def standard(self) -> Standard:
        asset = self.asset
        named = "object" if asset.object else "name"
        self.origins.update({(): self.base, ("schema", 0): (*self.base, named)})
        self.origins["schema", 0, "name"] = (*self.base, named)
        self.origins["schema", 0, "properties"] = (*self.base, "schema")
        self.origins["team", "name"] = (*self.base, "team", "owner")
        self.origins["description", "purpose"] = (*self.base, "description")
        properties = [self._property(index) for index in range(len(asset.columns))]
        table: dict[str, JsonValue] = {"name": asset.object or asset.name, "properties": [*properties]}
        self._mark_partitions(properties)
        self._place_rules(table, properties)
        value: dict[str, JsonValue] = {
            "apiVersion": WRITTEN_VERSION,
            "kind": "DataContract",
            "id": asset.id or asset.name,
            "name": asset.name,
            "version": str(asset.version),
            "status": asset.status or "active",
            "domain": asset.domain,
            "dataProduct": asset.data_product,
            "tenant": asset.tenant,
            "tags": [*asset.tags] if asset.tags else None,
            "description": {"purpose": asset.description} if asset.description else None,
            "team": {"name": asset.team.owner},
            "schema": [table],
            "customProperties": self._custom_properties() or None,
        }
        return Standard({key: item for key, item in value.items() if item is not None}, self.origins)

    def _property(self, index: int) -> dict[str, JsonValue]:
        column = self.asset.columns[index]
        at, origin = ("schema", 0, "properties", index), (*self.base, "schema", index, "type")
        self.origins[*at, "logicalType"] = self.origins[*at, "physicalType"] = origin
        found: dict[str, JsonValue] = {"name": column.name, **self._type(column.type, origin)}
        if column.required:
            found["required"] = True
        noted = {"classification": column.classification, "description": column.description}
        return found | {key: text for key, text in noted.items() if text}

    def _type(self, written: str, origin: Path) -> dict[str, JsonValue]:
        if written in _WITHOUT_PARTS:  # the flat form can't say what is inside
            return {"logicalType": "string", "physicalType": "json"}
        if written in get_args(LogicalType) and written != "binary":
            return {"logicalType": written}
        try:
            found = column_type(None, written, {})
        except TypeProblemError as error:
            document = self.notes.document
            self.notes.problems.append(document.problem(origin, error.message, hint=error.hint))
            return {"logicalType": "string"}
        if found.logical in _WITHOUT_PARTS:
            return {"logicalType": "string", "physicalType": "json"}
        logical = "string" if found.logical == "binary" else found.logical
        return {"logicalType": logical, "physicalType": written}

    def _mark_partitions(self, properties: list[dict[str, JsonValue]]) -> None:
        target = self.asset.target
        if target is None:
            return
        at = (*self.base, "target")
        if target.mode in ("merge", "relaxed"):
            hint = "leave it out, and set `schema_validation_mode: warn` in the job to let good rows land"
            self._refuse((*at, "mode"), f"the validation mode {target.mode} is the job's to set now", hint)
        by_name = {str(item["name"]): item for item in properties}
        for index, name in enumerate(target.partitioning or []):
            if name in by_name:
                by_name[name].update({"partitioned": True, "partitionKeyPosition": index + 1})
            else:
                hint = (
                    "name a column of `schema` here, or a transform like day(created) in the job's target.partitioning"
                )
                self._refuse((*at, "partitioning", index), f"there is no column {name!r}", hint)

    def _place_rules(self, table: dict[str, JsonValue], properties: list[dict[str, JsonValue]]) -> None:
        """Each rule goes to its column, those without one to the table."""
        indexes = {column.name: index for index, column in enumerate(self.asset.columns)}
        for origin, written in self._rules():
            rule = dict(written)
            column = rule.pop("column", None)
            if column is None:
                holder, at = table, ("schema", 0)
            elif isinstance(column, str) and column in indexes:
                holder, at = properties[indexes[column]], ("schema", 0, "properties", indexes[column])
            else:
                self._refuse((*origin, "column"), f"there is no column {column!r}")
                continue
            rules = cast("list[JsonValue]", holder.setdefault("quality", []))
            self.origins[*at, "quality", len(rules)] = origin
            rules.append(rule)

    def _rules(self) -> list[tuple[Path, dict[str, JsonValue]]]:
        quality, at = self.asset.data_quality, (*self.base, "data_quality")
        if quality is None:
            return []
        if isinstance(quality, list):
            return [((*at, index), rule) for index, rule in enumerate(quality)]
        return [((*at, "rules", index), rule) for index, rule in enumerate(quality.rules)] + [
            ((*at, "expectations", index), rule) for index, rule in enumerate(quality.expectations)
        ]

    def _custom_properties(self) -> list[JsonValue]:
        found: list[JsonValue] = []
        for key in _OPEN_PARTS:
            value = cast("JsonValue", getattr(self.asset, key))
            if value:
                self.origins["customProperties", len(found), "value"] = (*self.base, key)
                found.append({"property": key, "value": value})
        return found

    def _refuse(self, path: Path, message: str, hint: str = "") -> None:
        self.notes.problems.append(self.notes.document.problem(path, message, hint=hint))
