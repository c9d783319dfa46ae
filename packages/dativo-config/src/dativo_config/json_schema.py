"""JSON Schemas of the files, by which editors complete and check them while they are written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from dativo_config.contracts.flat import flat_schema
from dativo_config.contracts.standard import standard_schema
from dativo_config.models.connector import ConnectorSpec, Recipe
from dativo_config.models.job import Job
from dativo_config.models.runner import RunnerFile

Schema: TypeAlias = dict[str, Any]  # a JSON Schema document: its keywords have their own shapes

DRAFT = "https://json-schema.org/draft/2020-12/schema"
STANDARD_DRAFT = "https://json-schema.org/draft/2019-09/schema"  # of the Open Data Contract Standard

_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{", "description": "The value of a variable, or a secret."}


def schemas(connectors: Mapping[str, ConnectorSpec]) -> dict[str, Schema]:
    """The schema of each kind of file, by the name of the schema's own file."""
    return {
        "job.schema.json": _job(connectors),
        "recipe.schema.json": _of(Recipe, "A dativo connector recipe"),
        "contract.schema.json": _contract(),
        "runner.schema.json": _of(RunnerFile, "A dativo runner file"),
    }


def _of(model: type[BaseModel], title: str) -> Schema:
    schema = model.model_json_schema(by_alias=True)
    schema.pop("description", None)
    definitions = {name: _taking_variables(part) for name, part in schema.pop("$defs", {}).items()}
    return {
        "$schema": DRAFT,
        **_taking_variables(schema),
        "title": title,
        "$defs": definitions | {"Variable": _VARIABLE},
    }


def _taking_variables(node: Any) -> Any:  # noqa: ANN401 - any node of a JSON document
    """A part of a schema in which a number, a boolean or a choice may also be `${VAR}`."""
    if isinstance(node, list):
        return [_taking_variables(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "enum" in node or "pattern" in node or node.get("type") in ("integer", "number", "boolean"):
        told = {key: node[key] for key in ("title", "description", "default") if key in node}
        bare = {key: value for key, value in node.items() if key not in told}
        return {**told, "anyOf": [bare, {"$ref": "#/$defs/Variable"}]}
    # `properties` maps names to schemas; a property may itself be called `type` or `pattern`.
    return {
        key: {name: _taking_variables(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else value
        if key == "default"
        else _taking_variables(value)
        for key, value in node.items()
    }


def _job(connectors: Mapping[str, ConnectorSpec]) -> Schema:
    """The job's own schema, and under each connector's name what that connector takes."""
    schema = _of(Job, "A dativo job")
    sources = {name: spec for name, spec in sorted(connectors.items()) if "source" in spec.roles}
    schema["allOf"] = [_for_connector(spec, schema["$defs"]) for spec in sources.values()]
    named = schema["properties"]["source_connector"]
    known = [{"const": name, "description": spec.summary} for name, spec in sources.items()]
    named["anyOf"] = [*known, {"$ref": "#/$defs/Variable"}, {"type": "null"}]
    return schema


def _for_connector(spec: ConnectorSpec, definitions: Schema) -> Schema:
    parts = {"options": spec.options, "credentials": spec.credentials, "connection": spec.connection}
    taken: Schema = {}
    for part, model in parts.items():
        # Empty: the connector takes none.
        taken[part] = {"maxProperties": 0} if model is None else _defined(f"{spec.name}.{part}", model, definitions)
    return {
        "if": {"required": ["source_connector"], "properties": {"source_connector": {"const": spec.name}}},
        "then": {"properties": {"source": {"properties": taken}}},
    }


def _defined(name: str, model: type[BaseModel], definitions: Schema) -> Schema:
    """Put a model among the definitions, under names of its own; a reference to it."""
    schema = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{name}.{{model}}")
    for inner, part in schema.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = _taking_variables(part)
    definitions[name] = _taking_variables(schema)
    return {"$ref": f"#/$defs/{name}"}


def _contract() -> Schema:
    """The standard's schema for contracts of its form, and ours for the flat form."""
    standard, flat = copy.deepcopy(standard_schema()), copy.deepcopy(flat_schema())
    definitions = standard.pop("$defs")
    standard.pop("$schema")
    definitions["Standard"] = standard
    for name, part in flat.pop("$defs").items():
        definitions[name] = part
    definitions["Flat"] = flat
    wrapped = {"properties": {"asset": {"$ref": "#/$defs/Flat"}, "$schema": {}}, "additionalProperties": False}
    return {
        "$schema": STANDARD_DRAFT,
        "title": "A dativo data contract: ODCS v3, or the older flat form",
        "if": {"required": ["asset"]},
        "then": wrapped,
        "else": {"if": _is_flat(), "then": {"$ref": "#/$defs/Flat"}, "else": {"$ref": "#/$defs/Standard"}},
        "$defs": definitions,
    }


def _is_flat() -> Schema:
    """As `contracts.flat.is_flat` decides."""
    first_column = {"schema": {"type": "array", "items": [{"required": ["type"]}], "minItems": 1}}
    first_object = {"schema": {"type": "array", "items": [{"required": ["properties"]}], "minItems": 1}}
    keys = ("source_type", "object", "target", "data_quality", "compliance", "change_management", "finops")
    return {
        "not": {"properties": first_object, "required": ["schema"]},
        "anyOf": [
            {"properties": first_column, "required": ["schema"]},
            {"properties": {"team": {"type": "object", "required": ["owner"]}}, "required": ["team"]},
            *({"required": [key]} for key in keys),
        ],
    }
