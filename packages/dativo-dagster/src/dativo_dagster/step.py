"""One attempt of a job as a step of a Dagster run.

The loop over attempts is Dagster's; whether there is another, and when, is the engine's to say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import dagster as dg
from dativo_engine.errors import RetryableError
from dativo_engine.events import LEADING, LEVELS, EventLog, LibraryLog
from dativo_engine.redaction import Redactor
from dativo_engine.results import RunOptions, RunResult
from dativo_engine.retry import retry_policy
from dativo_engine.runs import run_attempt

from dativo_dagster.outcome import check_results, failure_metadata, materialization
from dativo_dagster.wiring import Wiring


def run_step(
    context: dg.AssetExecutionContext, wiring: Wiring, options: RunOptions
) -> Iterator[dg.MaterializeResult[object] | dg.AssetCheckResult]:
    """Make the attempt, and tell Dagster what became of it.

    Raises:
        RetryRequested: it failed, and the job's policy says that it is tried again.
        Failure: it failed for good.
        DagsterExecutionInterruptedError: the run was terminated.
    """
    attempt = context.retry_number + 1
    result = _make_attempt(context, wiring, options, attempt)
    if result.stopped and result.status == "failed":
        raise dg.DagsterExecutionInterruptedError
    if result.retry_in is not None:
        retries = retry_policy(wiring.job, default_retries=options.default_retries).max_retries
        raise dg.RetryRequested(retries, seconds_to_wait=result.retry_in) from RetryableError(result.error)
    asked = context.selected_asset_check_keys
    checks = [(check, told) for check, told in check_results(wiring, result) if check.asset_check_key in asked]
    if result.status == "failed" or not context.selected_asset_keys:
        yield from (told for _, told in checks)
    if result.status == "failed":
        raise dg.Failure(result.error, metadata=failure_metadata(wiring, result), allow_retries=False)
    for key in context.selected_asset_keys:
        yield materialization(wiring, result, key, checks=[told for check, told in checks if check.key == key])


def _make_attempt(context: dg.AssetExecutionContext, wiring: Wiring, options: RunOptions, attempt: int) -> RunResult:
    """What the engine says; nothing in it is a secret but `cause`."""
    job = wiring.job
    redactor = Redactor(patterns=job.job.logging.redaction)

    def show(line: Mapping[str, object]) -> None:
        context.log.log(LEVELS[str(line["level"])], _as_text(line))

    events = EventLog(sys.stderr, level=job.job.logging.level, redactor=redactor, also=show)
    asked = replace(
        options,
        run_id=_run_id(context, wiring),
        objects=_objects(context, wiring),
        dry_run=not context.selected_asset_keys,  # checks alone: the rows are read and judged, and not written
    )
    with _environment_kept(), LibraryLog(events).installed():
        return run_attempt(job, events, attempt=attempt, options=asked)


def _run_id(context: dg.AssetExecutionContext, wiring: Wiring) -> str:
    """Dagster's own, by which the run is found in the UI.

    A Dagster run may hold several of our jobs, and a table's rejected rows are kept by run id: jobs that share a table
    have one each.
    """
    return f"{context.run.run_id}-{wiring.job.name}" if wiring.job.shares_table else context.run.run_id


def _objects(context: dg.AssetExecutionContext, wiring: Wiring) -> tuple[str, ...]:
    """The streams that feed what was selected; none: all of them."""
    selected = {*context.selected_asset_keys, *(check.asset_key for check in context.selected_asset_check_keys)}
    if selected >= set(wiring.keys.values()):
        return ()
    return tuple(stream.name for stream in wiring.job.streams if wiring.keys[stream.table] in selected)


def _as_text(line: Mapping[str, object]) -> str:
    """A line of the log as the run's page shows it: `job_finished: Job orders finished: success (exit_code=0)`."""
    message = str(line["message"])
    fields = [f"{name}={value}" for name, value in line.items() if name not in LEADING and not _says(message, value)]
    return f"{line['event_type']}: {message}" + (f" ({', '.join(fields)})" if fields else "")


def _says(message: str, value: object) -> bool:
    """Whether the reader knows the value from the message, or there is none."""
    return value in (None, "", []) or (isinstance(value, str) and value in message)


@contextmanager
def _environment_kept() -> Generator[None]:
    """Put the environment back after a run, which takes other tenants' variables out of it.

    A step of theirs may follow in this process, as may whatever else called `materialize`.
    """
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in before.items() if name not in os.environ})
