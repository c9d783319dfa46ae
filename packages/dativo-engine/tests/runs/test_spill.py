"""A run's spill folder is its own as long as it lives, and nobody's afterwards."""

from __future__ import annotations

import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest
from checkpoint_project import load_job, make_project, stored
from dativo_engine.events import EventLog
from dativo_engine.runs import run_job
from dativo_engine.spill import spill_folder
from pyarrow import parquet


def test_runs_that_begin_at_once_do_not_clear_each_others_folders_away(tmp_path: Path):
    def begin_often(_run: int) -> list[bool]:
        found: list[bool] = []
        for _ in range(300):
            with spill_folder(tmp_path) as folder:
                found.append(folder.is_dir())
        return found

    with ThreadPoolExecutor(8) as runs:
        assert all(all(found) for found in runs.map(begin_often, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path):
    left = tmp_path / "spill-left"
    left.mkdir()
    (left / "rows").write_text("rows")
    with spill_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name


def test_parquet_from_the_web_is_copied_into_the_run_s_folder_not_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In a container the system's folder is often memory, and counts against its limit."""
    make_project(tmp_path)
    (tmp_path / "site").mkdir()
    parquet.write_table(pa.table({"id": [1, 2], "note": ["a", "b"]}), tmp_path / "site" / "x.parquet")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "site"))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        job = tmp_path / "jobs" / "acme" / "orders.yaml"
        url = f"http://127.0.0.1:{server.server_port}/x.parquet"
        text = (
            job.read_text()
            .replace("jobs/acme/data/*.csv", url)
            .replace("source_connector: csv", "source_connector: parquet")
        )
        job.write_text(text.replace("source_connector: csv", "source_connector: parquet"))
        result = run_job(load_job(tmp_path), EventLog(io.StringIO()))
        server.shutdown()
        thread.join()
    assert (result.status, stored(load_job(tmp_path))) == ("success", [1, 2]), result.error
