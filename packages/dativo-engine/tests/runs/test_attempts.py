"""Attempts that an orchestrator makes one by one are one run."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_project import data_file, make_project, stored
from dativo_config.models.job import RetryConfig
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.events import EventLog
from dativo_engine.results import RunOptions, RunResult
from dativo_engine.runs import run_attempt

OPTIONS = RunOptions(run_id="the-run")
UNREACHABLE = "http://127.0.0.1:9/a.csv"


class Orchestrator:
    """Makes attempts of one run, each as a process of its own would: with a new log."""

    def __init__(self) -> None:
        self.told = io.StringIO()

    def attempt(self, job: ResolvedJob, number: int) -> RunResult:
        return run_attempt(job, EventLog(self.told), attempt=number, options=OPTIONS)

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event_type"] for line in self.told.getvalue().splitlines()]


@pytest.fixture
def job(tmp_path: Path) -> ResolvedJob:
    job = make_project(tmp_path, validation="strict")
    data_file(tmp_path).write_text("id,note\n1,a\n")
    return replace(job, retry=RetryConfig(max_retries=1, initial_delay_seconds=0.5))


def failing(job: ResolvedJob) -> ResolvedJob:
    """The job while its source can't be reached."""
    return replace(job, streams=tuple(replace(stream, inputs=(UNREACHABLE,)) for stream in job.streams))


def test_the_start_is_told_once_and_so_is_the_end(job: ResolvedJob):
    orchestrator = Orchestrator()

    first = orchestrator.attempt(failing(job), 1)
    second = orchestrator.attempt(job, 2)

    assert first.status == "failed"
    assert first.retry_in is not None
    assert 0.5 <= first.retry_in <= 0.55
    assert (second.status, second.attempt, second.run_id, second.retry_in) == ("success", 2, "the-run", None)
    once = {"job_started", "tenant_inferred", "secrets_loaded", "metrics_complete"}
    assert [orchestrator.events.count(name) for name in sorted(once)] == [1] * len(once)
    assert orchestrator.events.index("retry_attempt") < orchestrator.events.index("job_finished")
    assert "job_error" not in orchestrator.events
    assert stored(job) == [1]


def test_the_last_attempt_that_the_policy_allows_ends_the_run(job: ResolvedJob):
    orchestrator = Orchestrator()

    orchestrator.attempt(failing(job), 1)
    last = orchestrator.attempt(failing(job), 2)

    assert last.retry_in is None
    assert orchestrator.events[-1] == "job_error"


def test_broken_rows_end_the_run_at_once_with_the_rules_they_broke(job: ResolvedJob, tmp_path: Path):
    data_file(tmp_path).write_text("id,note\nx,a\n")

    result = Orchestrator().attempt(job, 1)

    assert result.retry_in is None
    assert result.error_code == "VALIDATION_FAILED"
    broken = [rule for rule in result.rules if not rule["passed"]]
    assert [(rule["stream"], rule["column"]) for rule in broken] == [("orders", "id")]
    assert "retry_in" not in result.to_json()
