"""THE FLOW of one attempt: read, enforce, write, commit. `dativo_config.load` was the first of the five verbs.

    source.plan -> splits -> source.read -> batches
        -> enforcer.enforce -> accepted rows -> writer
                            -> rejected rows -> the quarantine's writer
    writer.flush -> committer.stage -> enforcer.finish -> the judgement -> committer.publish

Nothing is visible in any table before `publish`; whatever goes wrong before it leaves the tables as they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.wording import counted

from dativo_engine.catalogs.reading import reading_tables
from dativo_engine.commits.changes import OP_COLUMN
from dativo_engine.commits.checkpoint import checkpoint_key
from dativo_engine.commits.iceberg import open_committer
from dativo_engine.commits.leftovers import leftovers_told
from dativo_engine.commits.replay import open_replay
from dativo_engine.connectors import open_source
from dativo_engine.contracts.enforce import compile_enforcer, describe
from dativo_engine.errors import CommitStateUnknownError, ContractError, DativoError
from dativo_engine.events import Events
from dativo_engine.interfaces import (
    CommitResult,
    Committer,
    Cursor,
    LateRows,
    Plan,
    Report,
    Source,
    SourceSettings,
    Stamp,
    StreamSettings,
    TableLayout,
    Writer,
)
from dativo_engine.lanes import Lane, not_among, with_stored_keys
from dativo_engine.memory import Budget
from dativo_engine.results import Progress, Tally
from dativo_engine.resume import Resume
from dativo_engine.stop import Stop
from dativo_engine.storage import Storage
from dativo_engine.writers.parquet import open_writer

# In strict mode a run with this many rejected rows has been judged; reading on would only cost the user time.
ENOUGH_REJECTED = 10_000
SECONDS_BETWEEN_BATCH_EVENTS = 5.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt of a run works with.

    Attributes:
        job: as this run was asked to do it, its secrets resolved.
        replay: the runs whose rejected rows it reads instead of the source, empty: all; None: it reads the source.
        publishing: given the outcome before the first table is changed: what it then holds is what is visible.
    """

    job: ResolvedJob
    run_id: str
    number: int
    full_refresh: bool
    replay: Sequence[str] | None
    dry_run: bool
    budget: Budget
    spill_folder: Path
    events: Events
    progress: Progress
    stop: Stop
    versions: Mapping[str, str]
    publishing: Callable[[Outcome], None]

    @property
    def strict(self) -> bool:
        """Whether a single bad row fails the run."""
        return self.job.job.schema_validation_mode == "strict"

    @property
    def enough(self) -> int | None:
        """How many rejected rows end it at once; None: none do."""
        return ENOUGH_REJECTED if self.strict else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt did, or did so far.

    Attributes:
        results: of the tables in which that is visible; empty for a dry run.
    """

    reports: Mapping[str, Report]
    rejected: Mapping[str, int]
    results: Mapping[TableName, CommitResult]


def load(attempt: Attempt, tally: Tally) -> Outcome:
    """Read every stream of the job from where its last committed run ended, and commit rows and cursors together.

    Raises:
        ContractError: strict mode, and a row or a rule broke the contract.
        CommitConflictError: another run of the job committed meanwhile; plan again.
        RetryableError, FatalError, CommitStateUnknownError: see `errors`.
    """
    undo = ExitStack()
    try:
        with reading_tables(attempt.job):
            return _load(attempt, tally, undo)
    finally:
        # After a publish there is nothing left to take back, and this does nothing.
        with attempt.stop.hold():
            undo.close()


def _load(attempt: Attempt, tally: Tally, undo: ExitStack) -> Outcome:
    job, events = attempt.job, attempt.events
    results: dict[TableName, CommitResult] = {}
    replay = None if attempt.replay is None else open_replay(job, attempt.replay)
    committer = open_committer(
        job,
        run_id=attempt.run_id,
        attempt=attempt.number,
        events=events,
        replays=replay.runs if replay is not None else (),
        # At publish the source and the enforcers hold nothing any more.
        memory_bytes=attempt.budget.writers + attempt.budget.source,
        settled=lambda result: results.update({result.table: result}),
    )
    undo.callback(committer.abandon)
    stamps = committer.last()

    source = replay or open_source(
        source_settings(job, memory_bytes=attempt.budget.source, spill_folder=attempt.spill_folder)
    )
    plan = source.plan(_starts(attempt, stamps))
    undo.callback(_close, plan, None, events)

    writers = undo.enter_context(ExitStack())
    lanes = _open_lanes(attempt, committer, writers)
    resume = _open_resume(attempt, committer, stamps)
    resume.adopt(lanes, tally)
    _announce(attempt, stamps)
    _read(attempt, source, plan, lanes, resume, tally)
    stored = _stage(attempt, lanes, committer, tally)
    # A run that fails from here on deletes what it staged, and so leaves nothing to go on from.
    undo.callback(resume.drop)
    late, reports = _settle(attempt, lanes, stored, committer, tally)
    _judge(attempt, lanes, reports)

    outcome = Outcome(reports, {name: lane.rejected for name, lane in lanes.items()}, results)
    if attempt.dry_run:
        return outcome
    new = _stamps(attempt, plan, lanes, stamps)
    # A library may have swallowed what a signal raised in it.
    attempt.stop.go_on()
    with attempt.stop.hold():
        # From here on the committer alone knows which files a table may refer to.
        writers.pop_all()
        try:
            attempt.publishing(outcome)
            committer.publish(new, late)
        except CommitStateUnknownError:
            # The files may be a table's by now; the next run sees whether it goes on from them.
            undo.pop_all().callback(committer.abandon)
            raise
        undo.pop_all()
        resume.drop()
        _close(plan, {name: cursor for stamp in new.values() for name, cursor in stamp.cursors.items()}, events)
    return outcome


def source_settings(job: ResolvedJob, *, memory_bytes: int, spill_folder: Path | None = None) -> SourceSettings:
    """What the job's source is opened with."""
    return SourceSettings(
        connector=job.spec.name,
        tenant_id=job.tenant.id,
        job_name=job.name,
        project=job.project,
        streams=tuple(
            StreamSettings(
                name=stream.name, inputs=stream.inputs, schema=stream.schema, cursor_field=stream.cursor_field
            )
            for stream in job.streams
        ),
        options=job.options,
        credentials=job.credentials,
        connection=job.connection,
        incremental=job.incremental,
        rate_limits=job.rate_limits,
        on_changed_file=job.target.on_changed_file,
        rereads_changed_files=job.target.mode != "append",
        memory_bytes=memory_bytes,
        walls=job.walls,
        rates_folder=job.tenant.rates_folder,
        spill_folder=spill_folder,
    )


def _starts(attempt: Attempt, stamps: Mapping[TableName, Stamp | None]) -> dict[str, Cursor | None]:
    if attempt.full_refresh:
        return {stream.name: None for stream in attempt.job.streams}
    starts: dict[str, Cursor | None] = {}
    for stream in attempt.job.streams:
        stamp = stamps[stream.table]
        starts[stream.name] = stamp.cursors.get(stream.name) if stamp is not None else None
    return starts


def _open_lanes(attempt: Attempt, committer: Committer, undo: ExitStack) -> dict[str, Lane]:
    job, count = attempt.job, len(attempt.job.streams)
    lanes: dict[str, Lane] = {}
    for stream in job.streams:
        layouts = committer.layout(stream.table), committer.layout(stream.table.quarantine)
        storages = Storage(layouts[0].io_properties), Storage(layouts[1].io_properties)
        lanes[stream.name] = Lane(
            stream,
            compile_enforcer(
                stream,
                mode=job.job.schema_validation_mode,
                unknown_columns=job.job.unknown_columns,
                write_mode=job.target.mode,
                memory_bytes=attempt.budget.keys // count,
                spill_folder=attempt.spill_folder,
                open_staged=storages[0].open,
            ),
            partial(
                _open_writers,
                layouts,
                run_id=attempt.run_id,
                memory_bytes=attempt.budget.writers // count,
                spill_folder=attempt.spill_folder,
            ),
            storages,
            attempt.stop,
            run_id=attempt.run_id,
            attempt=attempt.number,
            takes_ops=OP_COLUMN in layouts[0].schema.column_names,
            keeps_rejected=not attempt.strict,
        )
        undo.callback(_abort, lanes[stream.name], attempt.events)
    return lanes


def _abort(lane: Lane, events: Events) -> None:
    with leftovers_told(events, f"{lane.stream.table}: files that the run did not finish"):
        lane.abort()


def _open_writers(
    layouts: tuple[TableLayout, TableLayout], *, run_id: str, memory_bytes: int, spill_folder: Path
) -> tuple[Writer, Writer]:
    table, quarantine = layouts
    return (
        open_writer(table, run_id=run_id, memory_bytes=memory_bytes, spill_folder=spill_folder),
        open_writer(quarantine, run_id=run_id, memory_bytes=memory_bytes // 8, spill_folder=spill_folder),
    )


def _open_resume(attempt: Attempt, committer: Committer, stamps: Mapping[TableName, Stamp | None]) -> Resume:
    job = attempt.job
    key = checkpoint_key(
        job.digest,
        stamps,
        [committer.layout(table) for table in stamps],
        full_refresh=attempt.full_refresh,
        versions=attempt.versions,
    )
    # Rejected rows that are read again stand in the quarantine anyway.
    due = job.target.checkpoint if attempt.replay is None and not attempt.dry_run else None
    return Resume(
        job.tenant.staged_folder(job.name), key, attempt.run_id, due, committer=committer, events=attempt.events
    )


def _announce(attempt: Attempt, stamps: Mapping[TableName, Stamp | None]) -> None:
    job, emit = attempt.job, attempt.events.emit
    names = [stream.name for stream in job.streams]
    origin = job.spec.name if attempt.replay is None else "the quarantine"
    emit("extractor_initialized", f"Reading {', '.join(names)} from {origin}", connector=job.spec.name)
    rules = sum(len(stream.schema.rules) for stream in job.streams)
    mode = job.job.schema_validation_mode
    emit("validator_initialized", f"Contract compiled, {mode} mode", mode=mode, quality_rules=rules)
    for table, stamp in stamps.items():
        since = f"run {stamp.run_id}" if stamp is not None else "no earlier run"
        emit("writer_initialized", f"Writing {table}", table=str(table), mode=job.target.mode)
        emit("committer_initialized", f"{table} stands at {since}", table=str(table))


def _read(
    attempt: Attempt, source: Source, plan: Plan, lanes: Mapping[str, Lane], resume: Resume, tally: Tally
) -> None:
    told = time.monotonic()
    for split in resume.rest_of(plan):
        attempt.progress.expect(split.size)
        for batch in source.read(split):
            lanes[batch.stream].take(batch, tally)
            attempt.progress.advance(batch.records.num_rows + len(batch.malformed), batch.bytes_read)
            resume.after_batch(split, batch, lanes, tally)
            if time.monotonic() - told > SECONDS_BETWEEN_BATCH_EVENTS:
                told = time.monotonic()
                _tell_rows(attempt, tally)
            if attempt.enough is not None and tally.rows_rejected >= attempt.enough:
                return
        resume.after_split(split, lanes, tally)
    _tell_rows(attempt, tally)


def _tell_rows(attempt: Attempt, tally: Tally) -> None:
    attempt.events.emit(
        "batch_written",
        f"{counted(tally.rows_read, 'row')} read, {tally.rows_rejected:,} rejected",
        rows_read=tally.rows_read,
        rows_accepted=tally.rows_accepted,
        rows_rejected=tally.rows_rejected,
        bytes_read=tally.bytes_read,
    )


def _stage(
    attempt: Attempt, lanes: Mapping[str, Lane], committer: Committer, tally: Tally
) -> dict[str, tuple[LateRows, ...]]:
    """Finish the files and hand them to the committer, lane by lane; answers rows whose key a table holds already."""
    stored: dict[str, tuple[LateRows, ...]] = {}
    for name, lane in lanes.items():
        lane.finish_files(committer.stage)
        stored[name] = committer.find_stored(lane.files, enough=attempt.enough)
        tally.files_written += len(lane.files)
        tally.bytes_written += sum(file.size for file in lane.files)
    return stored


def _settle(
    attempt: Attempt,
    lanes: Mapping[str, Lane],
    stored: Mapping[str, Sequence[LateRows]],
    committer: Committer,
    tally: Tally,
) -> tuple[list[LateRows], dict[str, Report]]:
    """Judge the rules over the whole run, and reject the rows that only now turn out to be bad."""
    late: list[LateRows] = []
    reports: dict[str, Report] = {}
    for name, lane in lanes.items():
        report = lane.report()
        held = not_among(report.late, stored[name])
        bad = [*report.late, *held]
        examples = lane.examples(held)
        lane.reject_late(bad, tally)
        lane.finish_files(committer.stage)
        late += bad
        # An increment with nothing in it breaks no rule about the rows of a run: `rowCount` above 0, say.
        nothing_new = attempt.job.incremental is not None and report.read == 0
        told = with_stored_keys(report, held, examples, enough=attempt.enough)
        reports[name] = replace(report, rules=()) if nothing_new else told
    return late, reports


def _judge(attempt: Attempt, lanes: Mapping[str, Lane], reports: Mapping[str, Report]) -> None:
    """Tell what broke the contract; in strict mode that ends the run."""
    broken: list[str] = []
    for name, report in reports.items():
        if report.unknown_columns and attempt.job.job.unknown_columns == "warn":
            known = {item.name.casefold(): item.name for item in lanes[name].stream.schema.properties}
            columns = ", ".join(
                f"{column} (the contract has {known[column.casefold()]})" if column.casefold() in known else column
                for column in report.unknown_columns
            )
            message = f"{name}: columns that the contract lacks were left out: {columns}"
            attempt.events.emit("unknown_columns", message, level="WARNING", columns=list(report.unknown_columns))
        if lanes[name].rejected or report.broken:
            told = describe(report)
            broken.append(f"{name}: {told}")
            attempt.events.emit(
                "validation_errors",
                f"{name}: {told}",
                level="ERROR" if attempt.strict else "WARNING",
                rejected=lanes[name].rejected,
                rules=[asdict(rule) for rule in report.rules if not rule.passed],
            )
    if broken and attempt.strict:
        message = "strict mode, nothing was committed: " + "; ".join(broken)
        raise ContractError(message, reports=reports)


def _stamps(
    attempt: Attempt, plan: Plan, lanes: Mapping[str, Lane], last: Mapping[TableName, Stamp | None]
) -> dict[TableName, Stamp]:
    """One stamp for each table, with the cursors of all streams that feed it, also those this run did not read."""
    stamps: dict[TableName, Stamp] = {}
    for lane in lanes.values():
        table, name = lane.stream.table, lane.stream.name
        before = stamps.get(table) or last[table]
        cursors = dict(before.cursors) if before is not None else {}
        end = plan.ends.get(name) or lane.cursor
        if end is not None:
            cursors[name] = end
        stamps[table] = Stamp(
            job=attempt.job.name,
            tenant=attempt.job.tenant.id,
            run_id=attempt.run_id,
            attempt=attempt.number,
            cursors=cursors,
            versions={**attempt.versions, "contract": lane.stream.contract.version},
        )
    return stamps


def _close(plan: Plan, committed: Mapping[str, Cursor] | None, events: Events) -> None:
    """Let the source tidy up. What fails here no longer changes the tables, so it is told, not raised."""
    try:
        plan.close(committed)
    except (DativoError, OSError) as error:
        events.emit("source_close_failed", f"The source could not tidy up: {error}", level="WARNING")
