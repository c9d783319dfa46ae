"""Rows that are loaded a second time are all rejected, within the memory limit, however many they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.project import Project

ROWS = 300_000
LIMIT_MEBIBYTES = 400
REPOSITORY = Path(__file__).resolve().parents[2]
# In a process of its own: a child's peak begins with its parent's, and that of tests is large.
MEASURE = """
import json, sys
from pathlib import Path
from tools.bench.measure import measure

folder, expected, *command = sys.argv[1:]
taken = measure(command, folder=Path(folder), expected=int(expected))
print(json.dumps([taken.rss >> 20, taken.stdout]))
"""


@pytest.mark.parametrize(("mode", "exit_code"), [("warn", 1), ("strict", 2)])
def test_a_table_loaded_again_stays_within_the_memory_limit(project: Project, mode: str, exit_code: int) -> None:
    extra = f"schema_validation_mode: {mode}\ntarget: {{mode: append, append_full: true}}\n"
    job = project.job(extra=extra)
    project.many_orders("day1.csv", 0, ROWS)
    told = ""
    for expected in (0, exit_code):
        environment = project.environment({"DATIVO_MEMORY_LIMIT": f"{LIMIT_MEBIBYTES}m", "PYTHONPATH": str(REPOSITORY)})
        command = project.command("run", "--json", "--config", job)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(project.root), str(expected), *command],
            env=environment, capture_output=True, check=True,
        )  # fmt: skip
        peak, told = json.loads(done.stdout)
        assert peak < LIMIT_MEBIBYTES
    for number in range(3):
        assert f'already holds a row with the key {{\\"id\\":{number}}}' in told
    assert 'key {\\"id\\":3}' not in told
