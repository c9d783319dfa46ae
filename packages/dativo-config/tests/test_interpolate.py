from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from config_project import ProjectFolder, told
from dativo_config.document import parse_document
from dativo_config.interpolate import Environment, interpolate, resolve_secrets
from dativo_config.models.contract import JsonValue
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

API = "jobs/acme/customers.yaml"


def interpolated(text: str, **variables: str) -> JsonValue:
    found, _ = parse_document(Path("f.yaml"), text)
    assert found is not None
    result, problems = interpolate(found, Environment(variables))
    assert not problems
    return result.document.value["a"]


def refused(text: str, environment: Environment) -> str:
    found, _ = parse_document(Path("f.yaml"), text)
    assert found is not None
    _, problems = interpolate(found, environment)
    assert len(problems) == 1
    return f"{problems[0].position}: {problems[0].message}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${HOST}", "db.example"),
        ("a: 'tcp://${HOST}:${PORT}/x'", "tcp://db.example:5432/x"),
        ("a: ${MISSING:-fallback}", "fallback"),
        ("a: ${EMPTY:-fallback}", "fallback"),
        ("a: ${EMPTY}", ""),
        ("a: $${HOST}", "${HOST}"),
        ("a: '${HOST}$${HOST}'", "db.example${HOST}"),
        ("a: '${secret:key}'", "${secret:key}"),
        ("a: $HOST costs 5$", "$HOST costs 5$"),
        ("a: ['${HOST}', {b: '${PORT}'}]", ["db.example", {"b": "5432"}]),
    ],
)
def test_variables_are_put_into_texts(text: str, value: JsonValue):
    assert interpolated(text, HOST="db.example", PORT="5432", EMPTY="") == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_value_changes_the_structure_or_makes_a_reference(value: str):
    """Whatever a variable holds, the file's author alone decides what is a map and what is a secret."""
    found = interpolated("a: 'x${VALUE}y'", VALUE=value)

    assert isinstance(found, str)
    assert found.replace("${dollar}", "$") == f"x{value}y"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b: 1\na: ${MISSING}", "f.yaml:2:4: the variable MISSING is not set"),
        ("a: ${BAD}", "f.yaml:1:4: the value of the variable BAD is not UTF-8 text"),
        ("a: ${1X}", "f.yaml:1:4: `${1X}` that is no variable and no secret"),
        ("a: ${secret:../other/key}", "f.yaml:1:4: `${secret:../other/key}` that is no variable"),
        ("a: ${secret:}", "f.yaml:1:4: `${secret:}` that is no variable"),
        ("a: '${'", "f.yaml:1:4: `${` that is no variable"),
        ("a: ${DATIVO_SECRET__OTHER__KEY}", "belongs to the service"),
        ("a: ${DATIVO_DAGSTER_POSTGRES_URL}", "belongs to the service"),
        ("a: ${DATIVO_SECRET_MANAGER_CONFIG}", "belongs to the service"),
        ("a: ${VAULT_TOKEN:-x}", "belongs to the service"),
        ("a: ${AWS_SECRET_ACCESS_KEY}", "would be shared by the tenants"),
        ("a: ${SHOP_API_KEY}", "would be shared by the tenants"),
    ],
)
def test_what_can_not_be_put_in_is_told_at_its_line(text: str, says: str):
    variables = {"BAD": "\udce9", "AWS_SECRET_ACCESS_KEY": "x", "SHOP_API_KEY": "x"}

    assert says in refused(text, Environment(variables, one_tenant=False, vendor=frozenset({"SHOP_API_KEY"})))


def test_a_vendors_variable_is_that_of_a_projects_only_tenant():
    assert interpolated("a: ${AWS_SECRET_ACCESS_KEY}", AWS_SECRET_ACCESS_KEY="key") == "key"


def test_a_number_and_a_boolean_may_come_from_a_variable(project: ProjectFolder):
    project.change("jobs/acme/orders.yaml", "timeout_seconds: 600", 'timeout_seconds: "${TIMEOUT}"')
    project.change("jobs/acme/orders.yaml", "skip_rows: 1", "skip_rows: ${SKIP}\n    header: ${HEADER}")
    project.variables.update(TIMEOUT="90", SKIP="2", HEADER="false")

    job = project.examine().jobs[0]

    assert job.timeout_seconds == 90
    assert job.options is not None
    assert job.options.model_dump() == {"delimiter": ";", "skip_rows": 2, "header": False, "null_values": ()}


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted(project: ProjectFolder):
    project.change("jobs/acme/orders.yaml", 'delimiter: ";"', 'delimiter: "${DELIMITER}"')
    project.variables["DELIMITER"] = "7"

    options = project.examine().jobs[0].options

    assert options is not None
    assert options.model_dump()["delimiter"] == "7"


def test_a_variables_value_is_never_told(project: ProjectFolder):
    project.change("jobs/acme/orders.yaml", "level: INFO", "level: ${LEVEL}")
    project.change("jobs/acme/orders.yaml", "timeout_seconds: 600", "timeout_seconds: ${LEVEL}")
    project.change("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: ${LEVEL}")
    project.change("jobs/acme/orders.yaml", "object: orders", "object: ${LEVEL}")
    project.change("jobs/acme/orders.yaml", "day(created_at)", "${LEVEL}")
    project.variables["LEVEL"] = "hunter2hunter2"

    problems = project.examine().problems

    assert len(problems) >= 2
    assert "hunter2" not in repr(problems)


@dataclass
class Vault:
    """Secrets of a test."""

    values: dict[str, str]

    def get(self, name: str) -> SecretStr:
        return SecretStr(self.values[name])

    def has(self, name: str) -> bool:
        return name in self.values

    def names(self) -> frozenset[str]:
        return frozenset(self.values)


def test_secrets_are_put_in_last_and_told_for_redaction(project: ProjectFolder):
    job = project.examine(API).jobs[0]

    resolved, values = resolve_secrets(job, Vault({"shop_key": "s3cret ${secret:other}"}))

    assert resolved.credentials is not None
    assert resolved.credentials.model_dump()["api_key"].get_secret_value() == "s3cret ${secret:other}"
    assert values == {"s3cret ${secret:other}"}
    assert job.credentials is not None
    assert job.credentials.model_dump()["api_key"].get_secret_value() == "${secret:shop_key}"


def test_what_stands_in_a_secrets_field_is_a_secret_wherever_it_came_from(project: ProjectFolder):
    project.change(API, '"${secret:shop_key}"', '"pre-${KEY}-${secret:part}"')
    project.variables["KEY"] = "${secret:forged}$"

    _, values = resolve_secrets(project.examine(API).jobs[0], Vault({"part": "xyz"}))

    assert values == {"pre-${secret:forged}$-xyz", "xyz"}


def test_a_vendors_variable_fills_the_credentials_of_a_projects_only_tenant(project: ProjectFolder):
    project.change(API, '  credentials:\n    api_key: "${secret:shop_key}"\n', "")
    project.variables["SHOP_API_KEY"] = "from the variable"
    alone = project.examine(API)
    project.write("jobs/globex/.keep", "")
    among_others = project.examine(API)

    assert alone.jobs[0].credentials is not None
    assert alone.jobs[0].credentials.model_dump()["api_key"].get_secret_value() == "from the variable"
    assert told(among_others) == ['customers.yaml:3: is required and missing; write api_key: "${secret:NAME}"']
