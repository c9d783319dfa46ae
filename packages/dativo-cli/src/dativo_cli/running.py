"""Runs jobs, one after the other, and answers: what `run` and `quarantine replay` share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType

from dativo_config.models.resolved import ResolvedJob
from dativo_config.problems import ConfigError
from dativo_engine.errors import DativoError, RunStoppedError
from dativo_engine.events import EventLog, Format, LibraryLog
from dativo_engine.redaction import Redactor
from dativo_engine.results import RunOptions, RunResult
from dativo_engine.runs import run_job

from dativo_cli.progress import watch
from dativo_cli.screen import Screen
from dativo_cli.summary import refusal_event, results_json, show_results

FAILURE = 2


def run_and_answer(
    screen: Screen,
    prepare: Callable[[], tuple[Sequence[ResolvedJob], RunOptions]],
    *,
    log_format: Format | None,
    as_json: bool,
) -> int:
    """Run what `prepare` finds, answer, and say how it ended: the worst exit code.

    What `prepare` raises about the files is told as a run's failure is; so is a signal while it works.
    """
    form: Format = log_format or ("text" if screen.errors_to_terminal else "json")
    try:
        with _stoppable():
            jobs, options = prepare()
    except (ConfigError, DativoError) as error:
        return _refused(screen, error, form=form, as_json=as_json)
    results = _run_all(screen, jobs, options, form=form)
    if as_json:
        screen.json(results_json(results))
    elif screen.is_terminal:
        show_results(screen, results)
    if left := [job.name for job in jobs[len(results) :]]:
        tell_refusal(screen, RunStoppedError(f"stopped by a signal before {', '.join(left)} ran"), form=form)
        return FAILURE
    return max(result.exit_code for result in results)


def _run_all(screen: Screen, jobs: Sequence[ResolvedJob], options: RunOptions, *, form: Format) -> list[RunResult]:
    """One job after the other; a failure does not keep the next from running, a signal does."""
    results: list[RunResult] = []
    for job in jobs:
        with watch(shown=form == "text" and screen.errors_to_terminal) as (progress, log):
            redactor = Redactor(patterns=job.job.logging.redaction)
            events = EventLog(log, form=form, level=job.job.logging.level, redactor=redactor)
            LibraryLog(events).install()
            results.append(run_job(job, events, options=options, progress=progress))
        if screen.debug and results[-1].cause is not None:
            screen.trace(results[-1].cause, redactor)
        if results[-1].stopped:
            break
    return results


def _refused(screen: Screen, error: ConfigError | DativoError, *, form: Format, as_json: bool) -> int:
    """Nothing was started: the one event is `job_error`."""
    tell_refusal(screen, error, form=form)
    if as_json:
        screen.json({"status": "failed", **refusal_event(error)[1]})
    return FAILURE


def tell_refusal(screen: Screen, error: ConfigError | DativoError, *, form: Format) -> None:
    """Say why nothing, or nothing more, is run: an event in a log, problems and causes for a person."""
    if form == "json":
        message, fields = refusal_event(error)
        EventLog(sys.stderr, form="json").emit("job_error", message, level="ERROR", **fields)
    else:
        screen.failure(error)


@contextmanager
def _stoppable() -> Generator[None]:
    """Make SIGTERM and SIGINT an error like any other while the files are read; a run has handlers of its own."""

    def stop(number: int, _frame: FrameType | None) -> None:
        message = f"stopped by {signal.Signals(number).name} before the run began"
        raise RunStoppedError(message)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
