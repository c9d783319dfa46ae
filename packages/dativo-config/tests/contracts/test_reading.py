"""What a contract in the standard form says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contract_texts import FULL, properties, read_clean

TESTS = Path(__file__).parents[1]


def test_a_contract_carries_all_that_its_file_says() -> None:
    contract = read_clean(FULL)
    assert (contract.id, contract.name, contract.version, contract.owner) == (
        "shop-orders",
        "Orders",
        "2.1.0",
        "shop-team",
    )
    (orders,) = contract.objects
    assert (orders.name, orders.table, orders.tags) == ("orders", "shop_orders", ("fact",))
    assert orders.primary_key == ("id", "line")
    assert orders.partition_columns == ("placed",)
    assert orders.sort_order == ("placed desc", "id")
    email = orders.property("email_address")
    assert email is not None
    assert (email.name, email.classification, email.limits.max_length) == ("email", "pii", 100)
    state = orders.property("state")
    assert state is not None
    assert state.valid_values == ("open", "shipped")


def test_nested_columns_carry_their_parts() -> None:
    (orders,) = read_clean(FULL).objects
    items, labels = orders.property("items"), orders.property("labels")
    assert items is not None
    assert items.items is not None
    assert [(field.name, field.required) for field in items.items.properties] == [("sku", True)]
    assert labels is not None
    assert labels.key is not None
    assert labels.items is not None
    assert (str(labels.key.physical_type), str(labels.items.physical_type)) == ("string", "long")


def test_rules_of_object_and_columns_have_names_of_their_own() -> None:
    (orders,) = read_clean(FULL).objects
    rules = {rule.name: rule for rule in orders.rules}
    assert list(rules) == [
        "some_rows",
        "duplicateValues",
        "sql",
        "email_address_nullValues",
        "email_address_nullValues_2",
    ]
    assert rules["duplicateValues"].columns == ("id", "email_address")
    assert rules["some_rows"].threshold == (1, 1000000)
    assert (rules["sql"].kind, rules["sql"].metric, rules["sql"].query[-8:]) == ("sql", "", "line < 0")
    first = rules["email_address_nullValues"]
    assert (first.comparison, first.unit, first.severity, first.column) == (
        "must_be_less_than",
        "percent",
        "warning",
        "email_address",
    )


def test_what_a_contract_says_of_its_table_becomes_table_properties() -> None:
    assert read_clean(FULL).table_properties == {
        "asset.id": "shop-orders",
        "asset.name": "Orders",
        "asset.version": "2.1.0",
        "asset.status": "active",
        "asset.domain": "sales",
        "asset.dataProduct": "shop",
        "asset.tenant": "acme",
        "asset.tags": "core, daily",
        "asset.origin": "erp",
        "governance.owner": "shop-team",
        "governance.sla.retention": "7 y",
        "governance.retention_days": "90",
        "governance.regulations": "GDPR, CCPA",
        "governance.steward": "bob",
        "finops.cost_center": "C1",
        "finops.shared": "true",
        "classification.email_address": "pii",
    }


def test_the_owner_is_found_in_a_list_of_members() -> None:
    members = "team: [{username: ann}, {username: bob, name: Bob, role: Owner}]\n"
    assert read_clean(properties("{name: a, logicalType: string}") + members).owner == "Bob"


def test_rules_are_taken_as_the_first_version_of_the_standard_spelt_them() -> None:
    contract = read_clean(
        properties(
            "{name: a, logicalType: string, quality: [{rule: nullCheck, type: library}]}",
            "{name: b, logicalType: string, quality: [{rule: validValues, validValues: [x, y]}]}",
            "{name: c, logicalType: string, quality: [{rule: duplicateCount, mustBeLessThan: 10, unit: rows}]}",
        ).replace("v3.1.0", "v3.0.0")
    )
    found = [(rule.metric, rule.comparison, rule.threshold, dict(rule.arguments)) for rule in contract.objects[0].rules]
    assert found == [
        ("nullValues", "must_be", (0,), {}),
        ("invalidValues", "must_be", (0,), {"validValues": ["x", "y"]}),
        ("duplicateValues", "must_be_less_than", (10,), {}),
    ]


def test_later_versions_of_the_standard_are_taken() -> None:
    assert read_clean(properties("{name: a, logicalType: string}").replace("v3.1.0", "v3.7.4")).id == "orders"


def test_the_example_contract_is_read() -> None:
    file = Path(__file__).parents[4] / "assets" / "weather" / "v1.0" / "weather.yaml"
    assert read_clean(file.read_text()).objects[0].primary_key == ("date",)


def test_reading_a_contract_imports_no_models_of_the_standard() -> None:
    program = "import sys; from contract_texts import FULL, read_clean; read_clean(FULL); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=TESTS, capture_output=True, text=True, check=True)
    assert "jsonschema_rs" in done.stdout  # the standard's schema is what a contract is read with
    assert "open_data_contract_standard" not in done.stdout
