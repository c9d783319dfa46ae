"""Runs that are at one table at once, with a run slot for each: every row once, nothing lost, by the fence alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.chaos.child import Child
from tests.chaos.scenes import contract, orders
from tests.chaos.stage import Tables

LONG = bool(os.environ.get("DATIVO_KILLS"))
PAIRS = 100 if LONG else 8
JOBS = 10
ROUNDS = 20 if LONG else 3
MOST_PAIRS = 50
ROWS = 40
# Both are what a run tells when another one committed between its look at the table and its own commit.
CONFLICTS = ("commit_retry", "replanning")
RUNNER = f"""\
runner:
  mode: oneshot
  orchestrator: {{type: dagster, schedules: [], concurrency_per_tenant: {JOBS}}}
"""
JOB = """\
tenant_id: acme
source_connector: csv
source:
  files: [{{path: "data/acme/{name}/*.csv", object: orders}}]
  incremental: {{strategy: file_modified_time}}
asset_path: assets/orders.yaml
target_connector: iceberg
target: {{mode: {mode}, table: orders}}
logging: {{level: DEBUG}}
"""
Note = Callable[[str, object], None]


class Crowd:
    """Jobs of one tenant that load one table, each from a folder of its own, and as many run slots as there are."""

    def __init__(self, root: Path, *, mode: str, jobs: Sequence[str], key: bool = True) -> None:
        self.root = root
        self.tables = Tables(root)
        self.jobs = jobs
        self.rows = 0
        self.told = Counter[str]()
        for folder in ("assets", "configs", "jobs/acme", "logs", *(f"data/acme/{name}" for name in jobs)):
            (root / folder).mkdir(parents=True)
        (root / "configs" / "runner.yaml").write_text(RUNNER)
        (root / "assets" / "orders.yaml").write_text(contract(key=key))
        for name in jobs:
            (root / "jobs" / "acme" / f"{name}.yaml").write_text(JOB.format(name=name, mode=mode))

    def arrive(self) -> None:
        """A file of new orders for each job."""
        for name in self.jobs:
            ids = range(self.rows, self.rows + ROWS)
            (self.root / "data" / "acme" / name / f"{self.rows}.csv").write_text(orders(ids))
            self.rows += ROWS

    def run_at_once(self, jobs: Sequence[str]) -> None:
        """Start them all, and wait for all."""
        children = [
            Child(self.root, ["run", "--config", f"jobs/acme/{name}.yaml"], log=self.root / "logs" / f"{number}-{name}")
            for number, name in enumerate(jobs)
        ]
        for child in children:
            assert child.finish() == 0, child.log.read_text()
            self.told.update(str(event["event_type"]) for event in child.events())

    @property
    def conflicts(self) -> int:
        """How often a run found that another was faster."""
        assert not self.told["waiting_for_slot"]
        return sum(self.told[name] for name in CONFLICTS)

    def prove(self, *, commits: int) -> None:
        """Each row once, one snapshot a commit, and no file that no snapshot names."""
        assert self.tables.rows("orders")["id"].to_pylist() == list(range(self.rows))
        assert self.tables.commits("orders") == commits
        assert self.tables.leftovers() == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_two_runs_of_one_job_at_once_load_each_row_once(tmp_path: Path, record_property: Note, mode: str) -> None:
    # Without a key nothing but the fence could notice that rows come a second time.
    crowd = Crowd(tmp_path / "project", mode=mode, jobs=["load"], key=mode == "merge")
    pairs = 0
    # On a busy machine one of a few pairs may always have begun too late to meet the other.
    while pairs < PAIRS // 2 or (not crowd.conflicts and pairs < MOST_PAIRS):
        crowd.arrive()
        crowd.run_at_once(["load", "load"])
        pairs += 1
    crowd.prove(commits=pairs)
    record_property("counted", f"runs of one job at once, pairs|{pairs}")
    record_property("counted", f"runs of one job at once, fence conflicts|{crowd.conflicts}")
    assert crowd.conflicts > 0


@pytest.mark.timeout(1200)
def test_ten_jobs_append_to_one_table_at_once_and_nothing_is_lost(tmp_path: Path, record_property: Note) -> None:
    jobs = [f"part{number}" for number in range(JOBS)]
    crowd = Crowd(tmp_path / "project", mode="append", jobs=jobs)
    for _ in range(ROUNDS):
        crowd.arrive()
        crowd.run_at_once(jobs)
    crowd.prove(commits=ROUNDS * JOBS)
    record_property("counted", f"ten jobs at one table, commits|{ROUNDS * JOBS}")
    record_property("counted", f"ten jobs at one table, fence conflicts|{crowd.conflicts}")
    assert crowd.conflicts > 0
