"""What a run tells, event by event: the names that logs of years are searched by."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from checkpoint_project import data_file, load_job, make_project
from dativo_engine.events import EventLog
from dativo_engine.runs import run_job


def told(root: Path) -> list[dict[str, Any]]:
    """The log of a run."""
    lines = io.StringIO()
    run_job(load_job(root), EventLog(lines))
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_run_tells_each_stage_by_its_name(tmp_path: Path):
    make_project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.write_text(job.read_text().replace(", checkpoint: {rows: 1}", ""))
    data_file(tmp_path).write_text("id,note\n1,a\nbad,b\n")
    events = told(tmp_path)
    assert [event["event_type"] for event in events] == [
        "job_started",
        "tenant_inferred",
        "secrets_loaded",
        "infra_validated",
        "extractor_initialized",
        "validator_initialized",
        "writer_initialized",
        "committer_initialized",
        "batch_written",
        "validation_errors",
        "table_ensured",
        "commit_success",
        "metrics_complete",
        "job_finished",
    ]
    named = {event["event_type"]: event for event in events}
    assert (named["table_ensured"]["table"], named["table_ensured"]["created"]) == ("acme.orders", True)
    assert named["validation_errors"]["rejected"] == 1
    assert (named["job_finished"]["status"], named["job_finished"]["exit_code"]) == ("partial", 1)


def test_a_table_that_is_there_is_told_too(tmp_path: Path):
    make_project(tmp_path)
    data_file(tmp_path).write_text("id,note\n1,a\n")
    told(tmp_path)
    (event,) = [event for event in told(tmp_path) if event["event_type"] == "table_ensured"]
    assert (event["table"], event["created"]) == ("acme.orders", False)


def test_the_job_s_environment_is_a_label_on_every_line(tmp_path: Path):
    make_project(tmp_path)
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.write_text(f"environment: staging\n{job.read_text()}")
    data_file(tmp_path).write_text("id,note\n1,a\n")
    assert {event["environment"] for event in told(tmp_path)} == {"staging"}
