"""A run of several tables that fails between them tells of each table what became of it."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from checkpoint_project import CONTRACT, JOB, data_file, load_job, make_project, stored
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.events import EventLog
from dativo_engine.results import RunOptions, RunResult
from dativo_engine.runs import run_attempt
from dativo_engine.storage.fileio import StorageFile
from pyiceberg.io import OutputStream

COLUMNS = CONTRACT[CONTRACT.index("    properties:") :]


@pytest.fixture
def job(tmp_path: Path) -> ResolvedJob:
    """One that loads `orders` and then `customers`, a file each."""
    make_project(tmp_path)
    (tmp_path / "assets" / "orders.yaml").write_text(f"{CONTRACT}  - name: customers\n{COLUMNS}")
    files = 'files: [{path: "jobs/acme/data/*.csv", object: orders}]'
    both = ", ".join(f"{{path: jobs/acme/data/{name}.csv, object: {name}}}" for name in ("orders", "customers"))
    text = JOB.format(mode="append", validation="warn")
    assert files in text
    (tmp_path / "jobs" / "acme" / "orders.yaml").write_text(text.replace(files, f"files: [{both}]"))
    for name in ("orders", "customers"):
        data_file(tmp_path, name).write_text("id,note\n1,a\n2,b\n")
    return load_job(tmp_path)


def attempt(job: ResolvedJob, number: int) -> RunResult:
    return run_attempt(job, EventLog(io.StringIO()), attempt=number, options=RunOptions(run_id="the-run"))


def statuses(result: RunResult) -> list[tuple[str, str, int]]:
    return [(table.table, table.status, table.rows) for table in result.tables]


def test_the_table_that_was_committed_before_the_failure_is_told_and_so_is_the_other(
    job: ResolvedJob, monkeypatch: pytest.MonkeyPatch
):
    create = StorageFile.create

    def full(file: StorageFile, overwrite: bool = False) -> OutputStream:
        if "customers/metadata" in file.location:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.location)
        return create(file, overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(StorageFile, "create", full)
        failed = attempt(job, 1)
    assert (failed.status, failed.exit_code) == ("failed", 2)
    assert "no space left" in failed.error
    assert statuses(failed) == [("acme.orders", "committed", 2), ("acme.customers", "not_committed", 0)]
    assert failed.tables[0].snapshot_id is not None
    assert stored(job) == [1, 2]

    with monkeypatch.context() as patch:
        patch.setattr(StorageFile, "create", full)
        again = attempt(job, 2)
    assert statuses(again) == [("acme.orders", "already_committed", 0), ("acme.customers", "not_committed", 0)]

    assert statuses(attempt(job, 3)) == [("acme.orders", "already_committed", 0), ("acme.customers", "committed", 2)]
    assert stored(job) == [1, 2]
