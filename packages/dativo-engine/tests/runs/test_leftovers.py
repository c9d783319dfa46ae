"""A run that fails after its files were finished leaves none of them behind."""

from __future__ import annotations

import errno
import io
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from checkpoint_project import data_file, data_files, load_job, make_project, stored
from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.files import DurableStream
from dativo_engine.catalogs.locations import local_path
from dativo_engine.commits.data_files import referenced_paths
from dativo_engine.commits.keys import KeySearch
from dativo_engine.commits.merge import Merge, Merged
from dativo_engine.commits.rows import Reader
from dativo_engine.errors import FatalError, RunStoppedError
from dativo_engine.events import EventLog
from dativo_engine.results import RunResult
from dativo_engine.runs import run_job
from dativo_engine.storage.local import LocalFiles
from pyiceberg.table import FileScanTask


def run(root: Path) -> RunResult:
    return run_job(load_job(root), EventLog(io.StringIO()))


@pytest.mark.parametrize("checkpoint", [", checkpoint: {rows: 1}", ""], ids=["with checkpoints", "without"])
def test_a_run_stopped_while_its_rules_are_judged_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: str
):
    def stopped(*_arguments: object, **_named: object) -> None:
        message = "stopped"
        raise RunStoppedError(message)

    make_project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.write_text(job.read_text().replace(", checkpoint: {rows: 1}", checkpoint))
    data_file(tmp_path).write_text("id,note\n1,a\nbad,b\n")
    with monkeypatch.context() as patch:
        patch.setattr("dativo_engine.contracts.report.Judge.report", stopped)
        assert run(tmp_path).error == "stopped"
    assert not data_files(tmp_path)
    assert run(tmp_path).status == "partial"
    assert stored(load_job(tmp_path)) == [1]


def test_what_can_not_be_tidied_up_after_a_commit_takes_nothing_from_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(_files: LocalFiles, location: object) -> None:
        raise PermissionError(str(location))

    make_project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    kept = "properties: {write.metadata.previous-versions-max: '1'}"
    job.write_text(job.read_text().replace("target: {", f"target: {{{kept}, "))
    for number in range(4):
        data_file(tmp_path, str(number)).write_text(f"id,note\n{number},a\n")
        with monkeypatch.context() as patch:
            # What the run's check of the warehouse deletes is of its own making.
            patch.setattr("dativo_engine.infrastructure.validate", lambda _job: [])
            patch.setattr(LocalFiles, "delete", refused)
            assert run(tmp_path).status == "success"
    assert stored(load_job(tmp_path)) == [0, 1, 2, 3]


def test_what_a_merge_wrote_before_it_failed_is_deleted_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    merged = Merge.apply

    def cut_short(merge: Merge, tasks: Sequence[FileScanTask], reader: Reader) -> Merged:
        merged(merge, tasks, reader)
        message = "cut short"
        raise FatalError(message)

    make_project(tmp_path, mode="merge")
    data_file(tmp_path).write_text("id,note\n1,a\n2,b\n")
    assert run(tmp_path).status == "success"
    data_file(tmp_path, "b").write_text("id,note\n2,c\n3,d\n")
    with monkeypatch.context() as patch:
        patch.setattr(Merge, "apply", cut_short)
        assert run(tmp_path).error == "cut short"
    assert run(tmp_path).status == "success"
    job = load_job(tmp_path)
    assert stored(job) == [1, 2, 3]
    table = open_catalog(job).load_table(("acme", "orders"))
    assert data_files(tmp_path) == {local_path(path) for path in referenced_paths(table.metadata, table.io)}


def test_a_run_is_stopped_in_the_middle_of_looking_for_stored_keys_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    went_on: list[bool] = []

    def stopped(*_: object, **__: object) -> dict[str, pa.BooleanArray]:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.01)
        went_on.append(True)
        return {}

    make_project(tmp_path)
    data_file(tmp_path).write_text("id,note\n1,a\n")
    assert run(tmp_path).status == "success"
    before = data_files(tmp_path)
    data_file(tmp_path, "b").write_text("id,note\n2,b\nbad,c\n")
    with monkeypatch.context() as patch:
        patch.setattr(KeySearch, "held", stopped)
        result = run(tmp_path)
    assert "SIGTERM" in result.error
    assert (went_on, data_files(tmp_path)) == ([], before)
    assert run(tmp_path).status == "partial"
    assert stored(load_job(tmp_path)) == [1, 2]


def test_what_a_killed_process_left_half_written_goes_with_the_next_run(tmp_path: Path):
    make_project(tmp_path)
    state = tmp_path / "state" / "acme"
    folders = [state / "jobs", state / "warehouse" / "_dativo" / "acme" / "orders"]
    drafts = [folder / f".{name}.{'0' * 32}" for folder in folders for name in ("orders.json", "probe-1")]
    for draft in drafts:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text("half")
    data_file(tmp_path).write_text("id,note\n1,a\n")
    living = DurableStream(state / "jobs" / "orders.json")
    living.write(b"{}")
    assert run(tmp_path).status == "success"
    assert not [draft for draft in drafts if draft.exists()]
    living.close()
    assert (state / "jobs" / "orders.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EROFS, "it is read-only; mount it to be written, or move STATE_DIR"),
        (errno.EACCES, f"it may not be read or written by user {os.getuid()}; chown -R {os.getuid()} /mnt/lake/a, or"),
        (errno.ENOSPC, "no space left on the disk; free some, or move STATE_DIR"),
    ],
)
def test_a_failure_of_the_disk_says_where_and_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
):
    def fails(*_arguments: object, **_named: object) -> None:
        raise OSError(number, os.strerror(number), "/mnt/lake/a")

    make_project(tmp_path)
    data_file(tmp_path).write_text("id,note\n1,a\n")
    monkeypatch.setattr("dativo_engine.contracts.report.Judge.report", fails)
    result = run(tmp_path)
    assert result.error.startswith(f"/mnt/lake/a: {told}")
    assert result.error_code == "CONFIGURATION_ERROR"


def test_secrets_that_cannot_be_read_fail_the_run_and_no_other_place_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.write_text(
        job.read_text().replace("  incremental", "  options: {null_values: ['${secret:none}']}\n  incremental")
    )
    data_file(tmp_path).write_text("id,note\n1,a\n")
    secret = tmp_path / "secrets" / "acme" / "none"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(b"\xff\xfe")
    monkeypatch.setenv("DATIVO_SECRET__GLOBAL__NONE", "of_another_account")
    result = run(tmp_path)
    assert (result.status, result.error_code) == ("failed", "CONFIGURATION_ERROR")
    assert f"{secret}: may hold the secret, and is not UTF-8 text" in result.error
