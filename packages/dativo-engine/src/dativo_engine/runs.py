"""A run of a job from the first event to the last: slot, secrets, attempts, result.

`pipeline.py` is one attempt; this is what stands around it, the same in both modes: `run_job` makes all attempts, with
`run_attempt` an orchestrator makes them.
"""

from __future__ import annotations

import errno
import os
import secrets as randomness
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dativo_config import rights
from dativo_config.interpolate import resolve_secrets
from dativo_config.models.contract import JsonValue
from dativo_config.models.resolved import ResolvedJob
from dativo_config.secrets import SecretError, hide_other_tenants, open_secrets, secret_warnings
from dativo_config.wording import counted

from dativo_engine.asked import as_asked
from dativo_engine.errors import (
    CommitConflictError,
    CommitStateUnknownError,
    ContractError,
    DativoError,
    FatalError,
    RunStoppedError,
)
from dativo_engine.events import EventLog
from dativo_engine.lease import hold_slot
from dativo_engine.memory import budget
from dativo_engine.results import (
    NoProgress,
    Progress,
    RunOptions,
    RunResult,
    Status,
    TableResult,
    TableStatus,
    Tally,
    describe_stamp,
)
from dativo_engine.retry import next_delay, retry_policy
from dativo_engine.spill import spill_folder
from dativo_engine.stop import Stop

if TYPE_CHECKING:
    from dativo_engine.interfaces import Report
    from dativo_engine.pipeline import Attempt, Outcome

# What a disk or the system says, and what helps.
NO_SPACE = ("no space left on the disk", "free some, or move STATE_DIR")
NOT_ALLOWED = (f"it may not be read or written by user {os.getuid()}", "")  # what helps depends on the file
TOO_MANY_FILES = ("too many files are open", "raise the limit of open files (ulimit -n)")
REMEDIES: Mapping[int | None, tuple[str, str]] = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.EROFS: ("it is read-only", "mount it to be written, or move STATE_DIR"),
    errno.EMFILE: TOO_MANY_FILES,
    errno.ENFILE: TOO_MANY_FILES,
    errno.EIO: ("reading or writing failed", "look at the disk, or the server behind it"),
}
# How often an attempt plans again because another run of the same job committed first.
REPLANS = 5


def run_job(
    job: ResolvedJob, events: EventLog, *, options: RunOptions | None = None, progress: Progress | None = None
) -> RunResult:
    """Run one job to its end. Never raises for what happens in the run: the result says how it ended."""
    return _Run(job, events, options or RunOptions(), progress or NoProgress()).to_its_end()


def run_attempt(job: ResolvedJob, events: EventLog, *, attempt: int, options: RunOptions | None = None) -> RunResult:
    """Make one attempt of a run, the first being 1; `options.run_id` names the run in all of them.

    Never raises for what happens in the run. Where the result has `retry_in`, the run goes on with the next attempt
    after that time. Events of the start come with the first attempt only, those of the end with the last.
    """
    return _Run(job, events, options or RunOptions(), NoProgress(), only_attempt=attempt).to_its_end()


class _Run:
    """One run in the making. The methods stand in the order they are called."""

    def __init__(
        self,
        job: ResolvedJob,
        events: EventLog,
        options: RunOptions,
        progress: Progress,
        *,
        only_attempt: int | None = None,
    ) -> None:
        self._job = job
        self._events = events
        self._options = options
        self._progress = progress
        self._run_id = options.run_id or _new_run_id()
        self._stop = Stop(job.timeout_seconds)
        self._policy = retry_policy(job, default_retries=options.default_retries)
        self._only_attempt = only_attempt
        self._attempt = only_attempt or 1
        self._retry_in: float | None = None
        self._reached = False
        # What is committed, also if the commit of a later table fails, or publishing it on.
        self._landed: Outcome | None = None
        self._tally = Tally()
        self._began = time.monotonic()

    def to_its_end(self) -> RunResult:
        label = {"environment": self._job.job.environment} if self._job.job.environment else {}
        self._events.bind(tenant_id=self._job.tenant.id, job_name=self._job.name, run_id=self._run_id, **label)
        with self._stop.watch():
            if self._attempt == 1:
                self._events.emit("job_started", f"Job {self._job.name} started", job_file=str(self._job.path))
            try:
                self._load_secrets()
                self._job = as_asked(self._job, self._options)
                with hold_slot(
                    self._job.tenant,
                    job=self._job.name,
                    run_id=self._run_id,
                    slots=self._options.concurrency_per_tenant,
                    wait=self._options.wait,
                    events=self._events,
                ):
                    result = self._succeeded(self._attempts())
            except Exception as error:  # noqa: BLE001 - the edge of a run: every failure becomes its result
                result = self._failed(error)
        if result.retry_in is None:
            self._tell_end(result)
        return result

    def _load_secrets(self) -> None:
        tenant = self._job.tenant
        sources = list(self._options.tenant_sources)
        if self._attempt == 1:
            self._events.emit("tenant_inferred", f"Tenant {tenant.id}, from {', '.join(sources)}", sources=sources)
        hide_other_tenants(os.environ, tenant)
        found = open_secrets(tenant, manager=self._options.secret_manager, environment=os.environ)
        try:
            self._job, values = resolve_secrets(self._job, found)
        except SecretError as error:
            raise FatalError(str(error)) from error
        self._events.redactor.add(values)
        if self._attempt > 1:
            return
        for warning in secret_warnings(tenant):
            self._events.emit("secrets_exposed", warning, level="WARNING")
        self._events.emit("secrets_loaded", f"{counted(len(values), 'secret')} resolved", secrets=len(values))

    def _attempts(self) -> Outcome:
        """Try until an attempt succeeds or the policy says stop; where the caller tries, once."""
        while True:
            self._stop.start_clock()
            try:
                return self._attempt_once()
            except (DativoError, OSError) as error:
                self._stop.stop_clock()
                delay = next_delay(error, self._attempt, self._policy)
                if delay is None or self._stop.by_signal:
                    raise
                self._events.emit(
                    "retry_attempt",
                    f"Attempt {self._attempt} failed, the next begins in {delay:.1f} s: {error}",
                    level="WARNING",
                    attempt=self._attempt,
                    max_retries=self._policy.max_retries,
                    delay_seconds=round(delay, 3),
                    error=str(error),
                )
                if self._only_attempt is not None:
                    self._retry_in = delay
                    raise
                time.sleep(delay)
                self._attempt += 1

    def _attempt_once(self) -> Outcome:
        # Catalogue, Arrow and Parquet are imported here, after every problem that needs none of them.
        from dativo_engine import infrastructure
        from dativo_engine.pipeline import load

        findings = infrastructure.validate(self._job)
        if not self._reached:
            self._reached = True
            reached = {finding.part: finding.target for finding in findings}
            notes = {finding.part: finding.note for finding in findings if finding.note}
            told = "".join(f"; {part}: {note}" for part, note in notes.items())
            self._events.emit("infra_validated", f"Catalogue and warehouse reached{told}", notes=notes, **reached)
        for replan in range(REPLANS + 1):
            self._tally = Tally()
            try:
                with self._pipeline_attempt() as attempt:
                    outcome = load(attempt, self._tally)
            except CommitConflictError as error:
                if replan == REPLANS:
                    raise
                self._stop.go_on()
                self._events.emit("replanning", f"Planning again: {error}", level="WARNING", conflicts=replan + 1)
            else:
                self._publish_on(outcome)
                return outcome
        raise AssertionError

    @contextmanager
    def _pipeline_attempt(self) -> Generator[Attempt]:
        from dativo_engine.pipeline import Attempt

        with spill_folder(self._job.tenant.staged_folder(self._job.name)) as spill:
            yield Attempt(
                job=self._job,
                run_id=self._run_id,
                number=self._attempt,
                full_refresh=self._options.full_refresh,
                replay=self._options.replay,
                dry_run=self._options.dry_run,
                budget=budget(os.environ),
                spill_folder=spill,
                events=self._events,
                progress=self._progress,
                stop=self._stop,
                versions={"dativo-engine": version("dativo-engine")},
                publishing=self._publishing,
            )

    def _publishing(self, outcome: Outcome) -> None:
        self._landed = outcome

    def _publish_on(self, outcome: Outcome) -> None:
        if self._job.target.publish is None or self._options.dry_run:
            return
        from dativo_engine.commits.onward import is_due, publish_on

        if is_due(self._job, self._status(outcome)):
            publish_on(self._job, self._events)

    def _status(self, outcome: Outcome) -> Status:
        broken = any(report.broken for report in outcome.reports.values())
        return "partial" if self._tally.rows_rejected or broken else "success"

    def _succeeded(self, outcome: Outcome) -> RunResult:
        return self._told(outcome, self._status(outcome))

    def _told(self, outcome: Outcome, status: Status, *, others: TableStatus = "not_committed") -> RunResult:
        return replace(
            self._result(status),
            tables=tuple(_table_results(self._job, outcome, others)),
            rules=self._rules(outcome.reports),
        )

    def _failed(self, error: Exception) -> RunResult:
        # An import that a signal cut short, for one, ends in an error that says nothing of the signal.
        if isinstance(self._stop.raised, RunStoppedError):
            error = self._stop.raised
        # A failed load may only now be told apart from a mistake of ours; both are one line here.
        described = str(error) if isinstance(error, DativoError) else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno in REMEDIES:
            told, remedy = REMEDIES[error.errno]
            place = Path(error.filename or self._job.tenant.state_folder)
            described = f"{place}: {told}; {remedy or rights.remedy(place)}"
        code = error.code if isinstance(error, DativoError) else DativoError.code
        if isinstance(error, OSError):
            code = FatalError.code
        line = self._events.redactor(" ".join(described.split()))
        rules = self._rules(error.reports) if isinstance(error, ContractError) else ()
        others: TableStatus = "unknown" if isinstance(error, CommitStateUnknownError) else "not_committed"
        outcome = self._landed
        failed = self._result("failed") if outcome is None else self._told(outcome, "failed", others=others)
        rules = rules or failed.rules
        return replace(failed, rules=rules, error=line, error_code=code, retry_in=self._retry_in, cause=error)

    def _rules(self, reports: Mapping[str, Report]) -> tuple[Mapping[str, JsonValue], ...]:
        """What was judged; a cell that is shown as an example may hold a secret."""
        rules = [{"stream": stream, **asdict(rule)} for stream, report in reports.items() for rule in report.rules]
        return tuple(cast("list[Mapping[str, JsonValue]]", self._events.redactor.tree(rules)))

    def _result(self, status: Status) -> RunResult:
        tally = self._tally
        return RunResult(
            job=self._job.name,
            tenant=self._job.tenant.id,
            run_id=self._run_id,
            attempt=self._attempt,
            status=status,
            rows_read=tally.rows_read,
            rows_accepted=tally.rows_accepted,
            rows_rejected=tally.rows_rejected,
            bytes_read=tally.bytes_read,
            bytes_written=tally.bytes_written,
            files_written=tally.files_written,
            seconds=round(time.monotonic() - self._began, 3),
            stopped=self._stop.by_signal,
        )

    def _tell_end(self, result: RunResult) -> None:
        rate = result.rows_read / result.seconds if result.seconds else 0.0
        self._events.emit(
            "metrics_complete",
            f"{counted(result.rows_read, 'row')} read, {result.rows_accepted:,} accepted, "
            f"{result.rows_rejected:,} rejected in {result.seconds:.1f} s",
            execution_time_seconds=result.seconds,
            records_extracted=result.rows_read,
            records_valid=result.rows_accepted,
            records_invalid=result.rows_rejected,
            files_written=result.files_written,
            total_bytes=result.bytes_written,
            records_per_second=round(rate, 1),
            status=result.status,
        )
        if result.status == "failed":
            self._events.emit(
                "job_error",
                f"Job {result.job} failed: {result.error}",
                level="ERROR",
                error=result.error,
                code=result.error_code,
                exit_code=result.exit_code,
                attempt=result.attempt,
            )
        else:
            self._events.emit(
                "job_finished",
                f"Job {result.job} finished: {result.status}",
                status=result.status,
                exit_code=result.exit_code,
                attempt=result.attempt,
            )


def _table_results(job: ResolvedJob, outcome: Outcome, others: TableStatus) -> Iterable[TableResult]:
    for stream in job.streams:
        rejected, read = outcome.rejected[stream.name], outcome.reports[stream.name].read
        result = outcome.results.get(stream.table)
        quarantine = str(stream.table.quarantine) if rejected else ""
        if result is None:
            yield TableResult(str(stream.table), stream.name, others, read=read, rejected=rejected)
            continue
        yield TableResult(
            table=str(stream.table),
            stream=stream.name,
            status=result.status,
            read=read,
            rows=result.rows,
            rejected=rejected,
            files=result.files,
            size=result.size,
            snapshot_id=result.snapshot_id,
            metadata_location=result.metadata_location,
            location=result.location,
            quarantine=quarantine,
            stamp=describe_stamp(result.stamp),
        )


def _new_run_id() -> str:
    """Sortable by time, unique, and fit for file names and branches."""
    return f"{datetime.now(UTC):%Y%m%dt%H%M%S}-{randomness.token_hex(4)}"
