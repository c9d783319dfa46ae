"""The JSON Schemas take what the loader takes, and mark what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from config_project import API_JOB, CONNECTORS, JOB
from contract_texts import FULL, properties
from dativo_config.document import parse_document
from dativo_config.json_schema import schemas

PROJECT = Path(__file__).parents[3]
SCHEMAS = schemas(CONNECTORS)


def valid(schema: str, text: str) -> bool:
    document, problems = parse_document(Path("file.yaml"), text)
    assert document is not None
    assert not problems
    return jsonschema_rs.validator_for(SCHEMAS[f"{schema}.schema.json"]).is_valid(document.value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema_of_its_draft(name: str) -> None:
    jsonschema_rs.meta.validate(SCHEMAS[name])


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("job", "jobs/demo/weather_to_iceberg.yaml"),
        ("contract", "assets/weather/v1.0/weather.yaml"),
        ("runner", "configs/runner.yaml"),
    ],
)
def test_the_example_project_keeps_them(schema: str, file: str) -> None:
    assert valid(schema, (PROJECT / file).read_text())


@pytest.mark.parametrize(
    ("line", "becomes", "holds"),
    [
        ("", "", True),
        ("skip_rows: 1", 'skip_rows: "${ROWS}"', True),
        ("redaction: true", 'redaction: "${REDACT:-true}"', True),
        ("mode: append", 'mode: "${MODE}"', True),
        ("skip_rows: 1", "skip_rows: many", False),
        ("delimiter:", "delimter:", False),
        ("tenant_id:", "tenantid:", False),
        ("mode: append", "mode: apend", False),
        ("source_connector: csv", "source_connector: cvs", False),
        ("redaction: true", "redaction: maybe", False),
        ("strategy:", "strateg:", False),
    ],
)
def test_a_job_is_checked_with_the_options_of_its_connector(line: str, becomes: str, holds: bool) -> None:
    assert line in JOB
    assert valid("job", JOB.replace(line, becomes, 1)) is holds


def test_a_job_of_another_connector_is_checked_by_what_that_one_takes() -> None:
    assert valid("job", API_JOB)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (FULL, True),
        (FULL.replace("dataProduct", "dataproduct"), False),
        (properties("{name: a, physicalType: int}"), True),
        (properties("{name: a, logicalType: string, quality: [{rule: nullCheck}]}"), True),
        (properties("{name: a, logicalType: int}"), False),
        ("name: a\nversion: 1\nschema: [{name: a, type: string}]\nteam: {owner: x}\n", True),
        ("asset: {name: a, version: 1, schema: [{name: a, type: string}], team: {owner: x}}\n", True),
        ("name: a\nversion: 1\nschema: [{name: a, type: string}]\nteam: {ownr: x}\n", False),
        ("asset: {name: a, version: 1, schema: [{name: a, typ: string}], team: {owner: x}}\n", False),
        ("asset: {name: a, version: 1, schema: [{name: a, type: string}], team: {owner: x}}\nx: 1\n", False),
    ],
)
def test_contracts_of_both_forms_are_checked(text: str, holds: bool) -> None:
    assert valid("contract", text) is holds


RUNNER: dict[str, Any] = {"runner": {"mode": "oneshot", "orchestrator": {"type": "dagster", "schedules": []}}}


def test_runner_and_recipe_are_checked() -> None:
    assert valid("runner", yaml.safe_dump(RUNNER))
    assert not valid("runner", yaml.safe_dump({"runner": {**RUNNER["runner"], "mod": "oneshot"}}))
    assert valid("recipe", "name: a\ntype: csv\n")
    assert not valid("recipe", "name: a\ntyp: csv\n")
