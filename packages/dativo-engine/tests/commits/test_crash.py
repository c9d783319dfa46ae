"""`kill -9` at every named point of a commit, then a run again: the table equals that of a run without a crash."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from commit_child import Task, start
from commit_support import ORDERS, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.points import EVERYWHERE
from dativo_engine.commits.quarantine import Quarantine

POINTS = [point for point in EVERYWHERE if point != "between_tables"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    ("mode", "again", "rejected"),
    [("append", "r3", ("bad",)), ("append", "r2", ()), ("replace", "r3", ()), ("replace", "r2", ("bad",))],
)
def test_a_run_killed_anywhere_and_run_again_equals_one_without_a_crash(
    tmp_path: Path, point: str, mode: Mode, again: str, rejected: tuple[str, ...]
):
    job = make_job(tmp_path, mode=mode)
    load(job, "r1", [(1, "a")], at=1)
    child = start(Task(tmp_path, "r2", [(2, "b")], at=2, mode=mode, rejected=rejected, kill_at=point))
    child.join()
    assert child.exitcode == -signal.SIGKILL
    child = start(Task(tmp_path, again, [(2, "b")], at=2, mode=mode, rejected=rejected))
    child.join()
    assert child.exitcode == 0
    assert stored_rows(job) == ([(1, "a"), (2, "b")] if mode == "append" else [(2, "b")])
    assert cursor_of(job) == 2
    shown = sum(batch.num_rows for batch in Quarantine(job, ORDERS, open_catalog(job)).rows())
    assert shown == len(rejected)
    Run(job, "r4").committer.last()
    assert leftovers(job) == []


def leftovers(job: ResolvedJob) -> list[Path]:
    """Data files of the table that no snapshot names, and journals."""
    table = stored(job)
    entries = [
        entry.data_file.file_path.removeprefix("file://")
        for snapshot in table.metadata.snapshots
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    ]
    files = list((job.tenant.warehouse_folder / "acme" / "orders").rglob("*.parquet"))
    journals = list(job.tenant.staged_folder(job.name).glob("*.staged"))
    return [path for path in files if str(path) not in entries] + journals


def test_the_files_of_a_killed_run_are_deleted_by_the_next_and_those_of_a_living_one_are_not(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    child = start(Task(job.project, "r2", [(2, "b")], at=2, kill_at="before_quarantine"))
    child.join()
    living = Run(job, "r3")
    living.committer.last()
    assert living.events.count("leftovers_removed") == 1
    living.stage([(3, "c")])
    Run(job, "r4").committer.last()
    living.publish(at=3)
    assert stored_rows(job) == [(1, "a"), (3, "c")]
    assert len(list(job.tenant.warehouse_folder.rglob("*.parquet"))) == 2
