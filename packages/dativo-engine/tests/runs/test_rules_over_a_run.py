"""Rules over a run's rows are judged where there are rows, or where there should have been."""

from __future__ import annotations

import io
from pathlib import Path

from checkpoint_project import CONTRACT, data_file, load_job, make_project
from dativo_engine.events import EventLog
from dativo_engine.results import RunResult
from dativo_engine.runs import run_job

RULE = """\
    quality:
      - {type: library, metric: rowCount, mustBeGreaterThan: 0}
"""


def run(root: Path) -> RunResult:
    return run_job(load_job(root), EventLog(io.StringIO()))


def project(root: Path) -> None:
    make_project(root, validation="strict")
    (root / "assets" / "orders.yaml").write_text(CONTRACT + RULE)


def test_an_increment_with_nothing_new_breaks_no_rule(tmp_path: Path):
    project(tmp_path)
    data_file(tmp_path).write_text("id,note\n1,a\n")
    assert run(tmp_path).status == "success"
    assert run(tmp_path).status == "success"


def test_a_full_read_without_rows_does(tmp_path: Path):
    project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    text = job.read_text().replace("  incremental: {strategy: file_modified_time}\n", "")
    job.write_text(text.replace("mode: append", "mode: replace"))
    data_file(tmp_path).write_text("id,note\n")
    result = run(tmp_path)
    assert result.status == "failed"
    assert "rowCount" in result.error


def test_a_query_reads_the_files_of_partitions_whatever_they_are_called(tmp_path: Path):
    make_project(tmp_path, validation="strict")
    rule = "    quality:\n      - {type: sql, query: 'SELECT count(*) FROM ${object}', mustBe: 3}\n"
    (tmp_path / "assets" / "orders.yaml").write_text(CONTRACT + rule)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.write_text(job.read_text().replace("mode: append", "mode: append, partitioning: [note]"))
    data_file(tmp_path).write_text("id,note\n1,a%2Fb\n2,50 %?#x\n3,ü/..\n")
    assert run(tmp_path).status == "success"
