"""A run that was interrupted is gone on from, if the next would have done the same; nothing shows before its end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest
from checkpoint_project import data_file, data_files, load_job, make_project, stored
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.catalogs import open_catalog
from dativo_engine.events import EventLog
from dativo_engine.results import RunResult
from dativo_engine.runs import run_job
from dativo_engine.state.stamps import reset

ROWS = 60_000
# Kills itself once this many checkpoints are on the disk.
CHILD = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from checkpoint_project import load_job
    from dativo_engine.events import EventLog
    from dativo_engine.runs import run_job
    class Killer(EventLog):
        saved = 0
        def emit(self, event_type, message, /, *, level="INFO", **fields):
            Killer.saved += event_type == "checkpoint_saved"
            if Killer.saved == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
    run_job(load_job(Path(sys.argv[1])), Killer())
"""


def write(root: Path, ids: Iterable[object], name: str = "a") -> None:
    lines = [f"{number},{'x' * 40}\n" for number in ids]
    data_file(root, name).write_text("id,note\n" + "".join(lines))


def killed(root: Path, *, after: int) -> None:
    environment = {**os.environ, "DATIVO_MEMORY_LIMIT": "384m"}
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(root), str(after), str(Path(__file__).parent)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL


def run(job: ResolvedJob) -> tuple[RunResult, str]:
    told = io.StringIO()
    return run_job(job, EventLog(told)), told.getvalue()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches to a file."""
    monkeypatch.setenv("DATIVO_MEMORY_LIMIT", "384m")


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_killed_run_is_gone_on_from_and_ends_as_if_it_had_not_been(tmp_path: Path, mode: str):
    job = make_project(tmp_path, mode=mode)
    write(tmp_path, [*range(ROWS), "bad"])
    write(tmp_path, range(ROWS, 2 * ROWS), "b")
    killed(tmp_path, after=1)
    assert not open_catalog(job).table_exists(("acme", "orders"))
    result, told = run(load_job(tmp_path))
    assert "checkpoint_adopted" in told
    assert (result.rows_read, result.rows_accepted, result.rows_rejected) == (2 * ROWS + 1, 2 * ROWS, 1)
    assert result.bytes_read < data_file(tmp_path).stat().st_size + data_file(tmp_path, "b").stat().st_size
    assert stored(job) == list(range(2 * ROWS))
    assert stored(job, "orders__rejected") == [ROWS + 1]
    assert not list((tmp_path / "state" / "acme" / "staged").rglob("checkpoint"))


def test_a_key_that_comes_again_after_the_interruption_is_found(tmp_path: Path):
    job = make_project(tmp_path)
    write(tmp_path, range(ROWS))
    write(tmp_path, [7, ROWS], "b")
    killed(tmp_path, after=1)
    result, told = run(load_job(tmp_path))
    assert "checkpoint_adopted" in told
    assert result.rows_rejected == 1
    assert stored(job) == list(range(ROWS + 1))
    [rejected] = open_catalog(job).load_table(("acme", "orders__rejected")).scan().to_arrow().to_pylist()
    assert (Path(rejected["source"]).name, rejected["row"], rejected["reasons"][0]["rule"]) == (
        "b.csv",
        1,
        "primaryKey",
    )


def test_a_row_that_repeats_a_key_of_the_run_and_of_the_table_is_rejected_once(tmp_path: Path):
    job = make_project(tmp_path)
    write(tmp_path, [7], "0")
    assert run(load_job(tmp_path))[0].status == "success"
    write(tmp_path, range(ROWS))
    write(tmp_path, [7, ROWS], "b")
    killed(tmp_path, after=1)
    result, told = run(load_job(tmp_path))
    assert "checkpoint_adopted" in told
    assert (result.rows_read, result.rows_accepted, result.rows_rejected) == (ROWS + 2, ROWS, 2)
    assert stored(job) == list(range(ROWS + 1))
    assert open_catalog(job).load_table(("acme", "orders__rejected")).scan().to_arrow().num_rows == 2


@pytest.mark.parametrize("change", ["source", "contract", "job"])
def test_what_would_be_done_otherwise_now_is_begun_again(tmp_path: Path, change: str):
    job = make_project(tmp_path)
    write(tmp_path, range(ROWS))
    write(tmp_path, range(ROWS, ROWS + 10), "b")
    killed(tmp_path, after=1)
    left = data_files(tmp_path)
    if change == "source":
        write(tmp_path, range(1, ROWS))
    elif change == "contract":
        contract = tmp_path / "assets" / "orders.yaml"
        contract.write_text(contract.read_text().replace("logicalType: string", "logicalType: string, required: true"))
    else:
        make_project(tmp_path, validation="strict")
    result, told = run(load_job(tmp_path))
    assert result.status == "success"
    assert result.rows_read == ROWS + 10 - (change == "source")
    assert "checkpoint_adopted" not in told or change == "source"
    assert stored(job) == list(range(int(change == "source"), ROWS + 10))
    assert left
    assert not left & data_files(tmp_path)


def test_a_stamp_that_moved_since_makes_a_checkpoint_stale(tmp_path: Path):
    job = make_project(tmp_path)
    write(tmp_path, [1])
    assert run(job)[0].status == "success"
    write(tmp_path, range(10, ROWS), "b")
    killed(tmp_path, after=1)
    left = data_files(tmp_path)
    reset(job, TableName(("acme",), "orders"), EventLog(io.StringIO()))
    result, told = run(load_job(tmp_path))
    assert "checkpoint_adopted" not in told
    assert (result.rows_accepted, result.rows_rejected) == (ROWS - 10, 1)
    assert stored(job) == [1, *range(10, ROWS)]
    assert len(left & data_files(tmp_path)) == 1


def test_in_strict_mode_a_bad_row_at_the_end_leaves_nothing(tmp_path: Path):
    job = make_project(tmp_path, validation="strict")
    write(tmp_path, [*range(ROWS), "bad"])
    killed(tmp_path, after=1)
    result, _ = run(load_job(tmp_path))
    assert result.status == "failed"
    assert not open_catalog(job).table_exists(("acme", "orders"))
    assert not data_files(tmp_path)
