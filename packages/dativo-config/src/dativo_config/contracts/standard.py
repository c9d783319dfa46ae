"""The Open Data Contract Standard's own JSON Schema, and whether a document keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from dativo_config.contracts.complaints import Complaint, complaints
from dativo_config.models.contract import JsonValue

LATEST = "v3.2.0"

OLDER_METRICS: Mapping[str, str] = {
    "nullCheck": "nullValues",
    "duplicateCount": "duplicateValues",
    "validValues": "invalidValues",
    "countCheck": "rowCount",
    **{name: name for name in ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")},
}
"""What `rule` of ODCS 3.0 names -> the metric of today."""

COMPARISONS: tuple[str, ...] = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)


def standard_complaints(value: dict[str, JsonValue]) -> list[Complaint]:
    """Where a document breaks the standard, one complaint per mistake."""
    return complaints(_validator().iter_errors(value), standard_schema())


@cache
def standard_schema() -> dict[str, Any]:
    """The schema that the package `open-data-contract-standard` ships, with three corrections.

    - Any 3.x.y is taken as `apiVersion`, and no 2.x, which has another structure.
    - Its conditions on `logicalType` also hold where there is none, so that every property without one would need a
      `map` and a vector's `dimensions`; here they ask for `logicalType`.
    - `rule`, the name of `metric` in 3.0, is taken as 3.0 wrote it.
    """
    schema: dict[str, Any] = json.loads(_shipped_schema().read_text(encoding="utf-8"))
    version = schema["properties"]["apiVersion"]
    version.pop("enum")
    version["pattern"] = r"^v3\.[0-9]+\.[0-9]+$"
    version["x-form"] = f"a version of the standard from v3.0.0 on, like {LATEST}"
    for condition in schema["$defs"]["SchemaBaseProperty"]["allOf"]:
        if "if" in condition:
            condition["if"] = {"required": ["logicalType"], **condition["if"]}
    _take_older_rules(schema["$defs"])
    return schema


def _shipped_schema() -> Path:
    # Found without being imported: the package's pydantic models cost a quarter of a second.
    package = find_spec("open_data_contract_standard")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("open-data-contract-standard is missing; pip install dativo-config")
    return Path(package.origin).with_name("schema.json")


def _take_older_rules(definitions: dict[str, Any]) -> None:
    older = {"required": ["rule"], "not": {"required": ["metric"]}}
    conditions: list[dict[str, Any]] = definitions["DataQuality"]["allOf"]
    library = next(item for item in conditions if item["then"] == {"$ref": "#/$defs/DataQualityLibrary"})
    library["if"] = {"allOf": [library["if"], {"not": older}]}
    conditions.append({"if": older, "then": {"$ref": "#/$defs/DataQualityRule"}})
    definitions["DataQualityRule"] = {
        "type": "object",
        "properties": {
            "rule": {"type": "string", "enum": list(OLDER_METRICS)},
            "arguments": {"type": "object"},
            "validValues": {"type": "array"},
            **{name: {"type": "array" if name.endswith("Between") else "number"} for name in COMPARISONS},
        },
    }


@cache
def _validator() -> jsonschema_rs.Draft201909Validator:
    return jsonschema_rs.Draft201909Validator(standard_schema(), validate_formats=False)
