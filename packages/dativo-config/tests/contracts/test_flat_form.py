"""The flat form: what it says, how it is told of mistakes, and how it becomes the standard form."""

from __future__ import annotations

import pytest
from contract_texts import FULL, document, read_clean, told
from dativo_config.contracts import convert
from dativo_config.contracts.standard import standard_complaints
from dativo_config.problems import ConfigError

FLAT = """\
$schema: x.json
apiVersion: v3.0.2
kind: DataContract
name: stripe_customers
version: 1.0
object: customers
source_type: stripe
domain: payments
dataProduct: billing
tenant: acme
description: Who pays.
tags: [core]
target: {file_format: parquet, partitioning: [created], mode: strict}
schema:
  - {name: id, type: string, required: true}
  - {name: created, type: timestamp}
  - {name: email, type: "varchar(20)", classification: PII}
  - {name: balance, type: "numeric(10, 2)"}
  - {name: metadata, type: object}
  - {name: code, type: string, description: "1e5"}
data_quality:
  expectations:
    - {column: email, metric: nullValues, mustBeLessThan: 5, unit: percent}
    - {metric: rowCount, mustBeGreaterThan: 0}
team: {owner: data@acme.example}
compliance: {retention_days: 90, regulations: [GDPR]}
change_management: {policy: non-breaking}
finops: {cost_center: C1}
"""


def test_a_flat_contract_is_read_as_one_of_the_standard() -> None:
    contract = read_clean(FLAT)
    (customers,) = contract.objects
    assert (contract.id, contract.version, contract.owner) == ("stripe_customers", "1.0", "data@acme.example")
    assert (customers.name, customers.table, customers.partition_columns) == ("customers", "customers", ("created",))
    stored = {column.name: str(column.physical_type) for column in customers.properties}
    assert stored == {
        "id": "string",
        "created": "timestamptz",
        "email": "string",
        "balance": "decimal(10, 2)",
        "metadata": "string",
        "code": "string",
    }
    assert [(rule.name, rule.column) for rule in customers.rules] == [("rowCount", ""), ("email_nullValues", "email")]
    assert contract.table_properties["governance.retention_days"] == "90"
    assert contract.table_properties["governance.change_management.policy"] == "non-breaking"
    assert contract.table_properties["classification.email"] == "PII"
    assert contract.table_properties["asset.source_type"] == "stripe"


def test_a_flat_contract_may_stand_under_asset() -> None:
    wrapped = "asset:\n" + "".join(f"  {line}\n" for line in FLAT.splitlines())
    assert read_clean(wrapped) == read_clean(FLAT)


def test_the_converted_contract_keeps_the_standard_and_says_the_same() -> None:
    text = convert(document(FLAT))
    assert standard_complaints(document(text).value) == []
    assert read_clean(text) == read_clean(FLAT)


def test_a_contract_of_the_standard_form_converts_to_itself() -> None:
    assert convert(document(FULL)) == FULL


def test_a_contract_with_problems_is_not_converted() -> None:
    with pytest.raises(ConfigError):
        convert(document(FLAT.replace("team: {owner: data@acme.example}\n", "")))


@pytest.mark.parametrize(
    ("part", "becomes", "line", "path", "message"),
    [
        ("team: {owner: data@acme.example}\n", "", 1, "", "`team` is missing"),
        ("owner: data", "ownr: data", 25, "team.ownr", "unknown key"),
        ("name: created", "nam: created", 16, "schema[1].nam", "unknown key"),
        ("type: timestamp", "type: timestmp", 16, "schema[1].type", "no type that is known"),
        ("type: timestamp", "type: 3", 16, "schema[1].type", "expected text, found 3"),
        ("name: code", "name: Id", 20, "schema[5].name", "differ only in case"),
        ("[created]", "[ingest_date]", 13, "target.partitioning[0]", "no column 'ingest_date'"),
        ("mode: strict", "mode: relaxed", 13, "target.mode", "is the job's to set"),
        ("parquet", "csv", 13, "target.file_format", "found 'csv'"),
        ("metric: nullValues", "metric: nulValues", 23, "data_quality.expectations[0].metric", "found 'nulValues'"),
        ("column: email", "column: mail", 23, "data_quality.expectations[0].column", "no column 'mail'"),
        ("object: customers", "object: x__rejected", 6, "object", "reserved"),
        ("finops:", "finop:", 28, "finop", "unknown key"),
    ],
)
def test_a_mistake_is_told_where_it_stands_in_the_flat_file(
    part: str, becomes: str, line: int, path: str, message: str
) -> None:
    ((at, where, said),) = told(FLAT.replace(part, becomes, 1))
    assert (at, where) == (line, path)
    assert message in said


def test_mistakes_under_asset_are_told_with_their_whole_path() -> None:
    wrapped = "asset:\n" + "".join(f"  {line}\n" for line in FLAT.replace("type: timestamp", "type: x").splitlines())
    assert [(line, path) for line, path, _ in told(wrapped)] == [(17, "asset.schema[1].type")]
    assert told(wrapped + "x: 1\n")[0][:2] == (30, "x")
