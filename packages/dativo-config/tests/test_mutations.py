"""Malformed files by the hundred: each is told with its file and line, and none ends in a traceback.

The mutators know which line they spoilt; nothing here asks the loader. Their mutants are wrong by construction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from config_project import FILES, ProjectFolder
from dativo_config.problems import render

ENTRY = re.compile(r"^(?P<indent> *)(?P<dash>- )?(?P<key>[A-Za-z_]+): (?P<value>[^\[{].*)$")
# Where a mutation of the value leaves a valid file, because any text is one.
ANY_TEXT = {"name", "description", "id", "email", "classification", "path", "config"}


@dataclass(frozen=True)
class Mutant:
    """A spoilt text and the line, from 1, that its problem must name."""

    text: str
    line: int


Mutator = Callable[[list[str]], Iterator[Mutant]]


def entries(lines: list[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for index, line in enumerate(lines):
        if found := ENTRY.match(line):
            yield index, found


def spoilt(lines: list[str], index: int, line: str) -> Mutant:
    return Mutant("\n".join([*lines[:index], line, *lines[index + 1 :]]) + "\n", index + 1)


def inserted(lines: list[str], index: int, line: str) -> Mutant:
    return Mutant("\n".join([*lines[:index], line, *lines[index:]]) + "\n", index + 1)


def head(found: re.Match[str]) -> str:
    return f"{found['indent']}{found['dash'] or ''}{found['key']}: "


def unknown_key(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        indent = found["indent"] + ("  " if found["dash"] else "")
        yield inserted(lines, index + 1, f"{indent}surely_unknown: 1")


def misspelt_key(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        key = found["key"][:-1] + found["key"][-1] * 2
        yield spoilt(lines, index, lines[index].replace(found["key"], key, 1))


def repeated_key(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        indent = found["indent"] + ("  " if found["dash"] else "")
        yield inserted(lines, index + 1, f"{indent}{found['key']}: {found['value']}")


def tab(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        if found["indent"]:
            yield spoilt(lines, index, "\t" + lines[index].lstrip())


def too_deep(lines: list[str]) -> Iterator[Mutant]:
    """One space too many in front of a key that follows another key of its block."""
    for index, found in entries(lines):
        before = ENTRY.match(lines[index - 1]) if index else None
        if before and not before["dash"] and not found["dash"] and before["indent"] == found["indent"]:
            yield spoilt(lines, index, " " + lines[index])


def list_for_a_value(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "[[1], [2]]")


def map_for_a_value(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "{surely: {unknown: 1}}")


def open_quote(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + '"never closed')


def open_bracket(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "[never, closed")


def open_brace(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "{never: closed")


def no_colon(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        if not found["dash"]:
            yield spoilt(lines, index, lines[index].replace(": ", " ", 1))


def reserved_character(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "@value")


def unset_variable(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "${SURELY_NOT_SET}")


def missing_alias(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "*nowhere")


def python_tag(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        yield spoilt(lines, index, head(found) + "!!python/object/apply:os.system [exit 1]")


def second_document(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        if index and not found["indent"]:
            yield inserted(lines, index, "---")


def control_character(lines: list[str]) -> Iterator[Mutant]:
    for index, _ in entries(lines):
        yield spoilt(lines, index, lines[index] + "\x01")


def merge_key(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        if not found["dash"]:
            yield inserted(lines, index, found["indent"] + "<<: {}")


def number_key(lines: list[str]) -> Iterator[Mutant]:
    for index, found in entries(lines):
        if not found["dash"]:
            yield inserted(lines, index, found["indent"] + "17: 1")


MUTATORS: tuple[Mutator, ...] = (
    unknown_key, misspelt_key, repeated_key, tab, too_deep, list_for_a_value, map_for_a_value, open_quote,
    open_bracket, open_brace, no_colon, reserved_character, unset_variable, missing_alias, python_tag,
    second_document, control_character, merge_key, number_key,
)  # fmt: skip
NOT_INTERPOLATED = {"assets/shop/orders.yaml"}

# file, text, what it becomes; the line is where the text stands.
MEANINGS = (
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: Acme"),
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: other"),
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: ../acme"),
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: a__b"),
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: global"),
    ("jobs/acme/orders.yaml", "tenant_id: acme", "tenant_id: 7"),
    ("jobs/acme/orders.yaml", "source_connector: csv", "source_connector: cvs"),
    ("jobs/acme/orders.yaml", "strategy: file_modified_time", "strategy: file_modified"),
    ("jobs/acme/orders.yaml", "path: jobs/acme/data/orders.csv", "path: ../../etc/passwd"),
    ("jobs/acme/orders.yaml", "path: jobs/acme/data/orders.csv", "path: /etc/passwd"),
    ("jobs/acme/orders.yaml", "path: jobs/acme/data/orders.csv", "path: secrets/acme/key"),
    ("jobs/acme/orders.yaml", "path: jobs/acme/data/orders.csv", "path: state/acme/catalog.db"),
    ("jobs/acme/orders.yaml", "path: jobs/acme/data/orders.csv", "pathh: jobs/acme/data/orders.csv"),
    ("jobs/acme/orders.yaml", "object: orders", "object: order"),
    ("jobs/acme/orders.yaml", 'delimiter: ";"', 'delimiter: ";;"'),
    ("jobs/acme/orders.yaml", "skip_rows: 1", "skip_rows: one"),
    ("jobs/acme/orders.yaml", "skip_rows: 1", "skip_rows: -1"),
    ("jobs/acme/orders.yaml", "skip_rows: 1", "header: no"),
    ("jobs/acme/orders.yaml", "asset_path: assets/shop/orders.yaml", "asset_path: assets/shop/order.yaml"),
    ("jobs/acme/orders.yaml", "asset_path: assets/shop/orders.yaml", "asset_path: ../orders.yaml"),
    ("jobs/acme/orders.yaml", "target_connector: iceberg", "target_connector: icberg"),
    ("jobs/acme/orders.yaml", "mode: append", "mode: apend"),
    ("jobs/acme/customers.yaml", "mode: append", "mode: merge"),
    ("jobs/acme/orders.yaml", "mode: append", "mode: replace"),
    ("jobs/acme/orders.yaml", "mode: append", "branch: main\n  mode: append"),
    ("jobs/acme/orders.yaml", "mode: append", "namespace: other\n  mode: append"),
    ("jobs/acme/orders.yaml", "mode: append", "table: orders__rejected\n  mode: append"),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["day(created)"]'),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["day(amount)"]'),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["days(created_at)"]'),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["bucket(id)"]'),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["hour(created_at"]'),
    ("jobs/acme/orders.yaml", '["day(created_at)"]', '["day(created_at)", "day(created_at)"]'),
    ("jobs/acme/orders.yaml", "parquet_target_size_mb: 160", "parquet_target_size_mb: 0"),
    ("jobs/acme/orders.yaml", "schema_validation_mode: warn", "schema_validation_mode: relaxed"),
    ("jobs/acme/orders.yaml", "timeout_seconds: 600", "timeout_seconds: 10m"),
    ("jobs/acme/orders.yaml", "redaction: true", "redaction: yes"),
    ("jobs/acme/orders.yaml", "level: INFO", "level: info"),
    ("jobs/acme/orders.yaml", "max_retries: 3", "max_retries: -3"),
    ("jobs/acme/customers.yaml", "cursor_field: updated_at", "cursor_field: updatedat"),
    ("jobs/acme/customers.yaml", "cursor_field: updated_at", "cursor_field: vip"),
    ("jobs/acme/customers.yaml", "cursor_field: updated_at", "lookback_days: 3"),
    ("jobs/acme/customers.yaml", "objects: [customers]", "objects: [clients]"),
    ("jobs/acme/customers.yaml", "api_key:", "apikey:"),
    ("jobs/acme/customers.yaml", "connectors/shop.yaml", "connectors/shops.yaml"),
    ("jobs/acme/customers.yaml", "${secret:shop_key}", "${secrets:shop_key}"),
    ("connectors/shop.yaml", "type: shop", "type: shopp"),
    ("connectors/shop.yaml", "roles: [source]", "roles: [sauce]"),
    ("connectors/shop.yaml", "requests_per_second: 5", "requests_per_second: 0"),
    ("connectors/shop.yaml", "page_size: 50", "page_size: many"),
    ("assets/shop/orders.yaml", "kind: DataContract", "kind: Contract"),
    ("assets/shop/orders.yaml", "logicalType: timestamp", "logicalType: timestmp"),
    ("assets/shop/orders.yaml", "physicalType: decimal(12, 2)", "physicalType: decimal(12, 20)"),
    ("assets/shop/orders.yaml", "maxLength: 200", "maxLength: -1"),
    ("assets/shop/orders.yaml", "name: email", "name: amount"),
    ("assets/shop/orders.yaml", "metric: rowCount", "metric: rowsCount"),
    ("configs/runner.yaml", "mode: orchestrated", "mode: orchestra"),
    ("configs/runner.yaml", "type: dagster", "type: airflow"),
    ("configs/runner.yaml", 'cron: "0 * * * *"', 'cron: "0 * * * * *"'),
    ("configs/runner.yaml", 'cron: "0 * * * *"', 'cron: "@daily"'),
    ("configs/runner.yaml", 'cron: "0 * * * *"', 'cron: "61 * * * *"'),
    ("configs/runner.yaml", "timezone: UTC", "timezone: Middle/Earth"),
    ("configs/runner.yaml", "config: jobs/acme/orders.yaml", "config: jobs/acme/order.yaml"),
    ("configs/runner.yaml", "config: jobs/acme/orders.yaml", "config: /etc/passwd"),
    ("configs/runner.yaml", "name: customers_often", "name: orders_hourly"),
    ("configs/runner.yaml", "interval_seconds: 300", "interval_seconds: 0"),
    ("configs/runner.yaml", "concurrency_per_tenant: 1", "concurrency_per_tenant: 0"),
)  # fmt: skip


def mutants(mutator: Mutator, name: str, text: str) -> list[Mutant]:
    if mutator is unset_variable and name in NOT_INTERPOLATED:
        return []
    return list(mutator(text.splitlines()))


FILE_NAMES = ("jobs/acme/orders.yaml", "connectors/shop.yaml", "assets/shop/orders.yaml", "configs/runner.yaml")


@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_a_malformed_file_is_told_at_its_line(project: ProjectFolder, mutator: Mutator, name: str):
    missed: list[str] = []
    for mutant in mutants(mutator, name, FILES[name]):
        path = project.write(name, mutant.text)
        problems = project.examine_all().problems
        lines = sorted({problem.position.line for problem in problems if problem.position.file == path})
        if mutant.line not in lines:
            missed.append(f"line {mutant.line}, told {lines}:\n{mutant.text}")
    assert not missed, f"{len(missed)} missed, the first: {missed[0]}"


@pytest.mark.parametrize(("name", "old", "new"), MEANINGS)
def test_a_file_that_means_something_wrong_is_told_at_its_line(project: ProjectFolder, name: str, old: str, new: str):
    line = project.change(name, old, new)

    problems = project.examine_all().problems

    assert line in {problem.position.line for problem in problems if problem.position.file == project.root / name}


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_no_problem_of_a_malformed_file_shows_a_secret_in_it(project: ProjectFolder, mutator: Mutator):
    name = "jobs/acme/customers.yaml"
    shop = "target:\n  mode: append\n  properties:\n    api_token: hunter2-token\n"
    text = FILES[name].replace('"${secret:shop_key}"', "hunter2-key").replace("target:\n  mode: append\n", shop)
    for mutant in mutator(text.splitlines()):
        project.write(name, mutant.text)
        shown = "\n".join(render(problem) for problem in project.examine(name).problems)
        assert "hunter2" not in shown


def test_the_mutators_make_at_least_300_files():
    made = sum(len(mutants(mutator, name, FILES[name])) for mutator in MUTATORS for name in FILE_NAMES)

    assert made + len(MEANINGS) >= 300


def test_the_project_they_spoil_has_no_problem(project: ProjectFolder):
    loaded = project.examine_all()

    assert not loaded.problems
    assert [job.name for job in loaded.jobs] == ["customers", "orders"]
