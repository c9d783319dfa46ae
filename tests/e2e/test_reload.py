"""Rows that are loaded a second time are all rejected, within the memory limit, however many they are."""

from __future__ import annotations

import pytest

from tests.e2e.project import Project
from tools.bench.measure import measure

ROWS = 300_000
LIMIT_MEBIBYTES = 400


@pytest.mark.parametrize(("mode", "exit_code"), [("warn", 1), ("strict", 2)])
def test_a_table_loaded_again_stays_within_the_memory_limit(project: Project, mode: str, exit_code: int) -> None:
    extra = f"schema_validation_mode: {mode}\ntarget: {{mode: append, append_full: true}}\n"
    job = project.job(extra=extra)
    project.many_orders("day1.csv", 0, ROWS)
    told = ""
    for expected in (0, exit_code):
        taken = measure(
            project.command("run", "--json", "--config", job),
            folder=project.root,
            environment=project.environment({"DATIVO_MEMORY_LIMIT": f"{LIMIT_MEBIBYTES}m"}),
            expected=expected,
        )
        assert taken.rss >> 20 < LIMIT_MEBIBYTES
        told = taken.stdout
    for number in range(3):
        assert f'already holds a row with the key {{\\"id\\":{number}}}' in told
    assert 'key {\\"id\\":3}' not in told
