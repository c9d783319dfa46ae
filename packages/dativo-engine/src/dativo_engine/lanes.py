"""One stream on its way: accepted rows to the table's writer, rejected rows to the quarantine's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
from dativo_config.models.resolved import ResolvedStream

from dativo_engine.commits.changes import with_op
from dativo_engine.commits.quarantine import with_run
from dativo_engine.contracts.staged import rejected_rows
from dativo_engine.interfaces import Batch, Cursor, Enforcer, LateRows, Report, RuleResult, StagedFile, Writer
from dativo_engine.results import Tally
from dativo_engine.stop import Stop
from dativo_engine.storage import Storage

EXAMPLES = 3


@dataclass(slots=True)
class Lane:
    """One stream's contract, writers, and where its cursor stands.

    Attributes:
        open_writers: makes a new writer for the table and one for its quarantine.
        storages: where the files of each are.
        stop: may end the run, but not while files change hands.
        takes_ops: whether what is staged are changes, with what is to be done with each.
        keeps_rejected: whether rejected rows go to quarantine (warn), or end the run (strict).
        files, quarantine_files: finished, and no longer the writers' to delete.
    """

    stream: ResolvedStream
    enforcer: Enforcer
    open_writers: Callable[[], tuple[Writer, Writer]]
    storages: tuple[Storage, Storage]
    stop: Stop
    run_id: str
    attempt: int
    takes_ops: bool
    keeps_rejected: bool
    cursor: Cursor | None = None
    rejected: int = 0
    files: list[StagedFile] = field(default_factory=list["StagedFile"])
    quarantine_files: list[StagedFile] = field(default_factory=list["StagedFile"])
    _writers: tuple[Writer, Writer] | None = None

    def take(self, batch: Batch, tally: Tally) -> None:
        """Enforce the contract on a batch and write both halves of it."""
        verdict = self.enforcer.enforce(batch)
        tally.rows_read += batch.records.num_rows + len(batch.malformed)
        tally.rows_accepted += verdict.accepted.num_rows
        tally.rows_rejected += verdict.rejected_rows
        tally.bytes_read += batch.bytes_read
        self.cursor = batch.cursor or self.cursor
        self.rejected += verdict.rejected_rows
        writer, quarantine = self._open()
        if verdict.rejected is not None and self.keeps_rejected:
            quarantine.write(with_run(verdict.rejected, run_id=self.run_id, attempt=self.attempt))
        # Where a rejected row ends the run, no row after it will land.
        if verdict.accepted.num_rows and (self.keeps_rejected or not self.rejected):
            writer.write(with_op(verdict.accepted, verdict.op) if self.takes_ops else verdict.accepted)

    def finish_files(self, stage: Callable[[Sequence[StagedFile]], None] | None = None) -> None:
        """Finish the open files. From here on `abort` leaves them alone: they are who stages them's, or a checkpoint's.

        Args:
            stage: takes all files that the lane has finished so far; None: a checkpoint will name them.
        """
        table, quarantine = ([], []) if self._writers is None else [writer.flush() for writer in self._writers]
        with self.stop.hold():
            # A file that is neither the writer's nor another's would be nobody's to delete.
            self.files += table
            self.quarantine_files += quarantine
            self._writers = None
            if stage is not None:
                stage([*self.files, *self.quarantine_files])
        self.stop.go_on()

    def report(self) -> Report:
        """The contract's rules over the whole stream, over what interrupted runs read too."""
        return self.enforcer.finish([self.enforcer.partial()], self.files)

    def reject_late(self, late: Sequence[LateRows], tally: Tally) -> None:
        """Count staged rows that only the end showed to be bad, and keep them in quarantine."""
        for rows in late:
            self.rejected += rows.count
            tally.rows_accepted -= rows.count
            tally.rows_rejected += rows.count
            for batch in self._rejected(rows) if self.keeps_rejected else ():
                self._open()[1].write(with_run(batch, run_id=self.run_id, attempt=self.attempt))

    def examples(self, late: Sequence[LateRows]) -> list[str]:
        """What is wrong with the first of some late rows."""
        batches = (batch for rows in late for batch in self._rejected(rows))
        reasons = (reason for batch in batches for row in batch.column("reasons") for reason in row.as_py())
        return [reason["message"] for reason in islice(reasons, EXAMPLES)]

    def abort(self) -> None:
        """Delete what the open writers wrote."""
        if self._writers is not None:
            for writer in self._writers:
                writer.abort()
            self._writers = None

    def _rejected(self, late: LateRows) -> Iterator[pa.RecordBatch]:
        classified = {column.column for column in self.stream.schema.properties if column.classification}
        return rejected_rows(late, stream=self.stream.name, classified=classified, open_file=self.storages[0].open)

    def _open(self) -> tuple[Writer, Writer]:
        if self._writers is None:
            self._writers = self.open_writers()
        return self._writers


def not_among(known: Sequence[LateRows], others: Sequence[LateRows]) -> list[LateRows]:
    """The others without the rows that are known: a row that is bad in two ways is rejected once."""
    fresh: list[LateRows] = []
    for rows in others:
        bad = rows.bad
        for late in known:
            bad = pc.and_not(bad, late.bad) if late.path == rows.path else bad
        if bad.true_count:
            fresh.append(replace(rows, bad=bad))
    return fresh


def with_stored_keys(
    report: Report, stored: Sequence[LateRows], examples: Sequence[str], *, enough: int | None
) -> Report:
    """The report, with the rows whose key the table holds already as a broken rule of its own.

    Args:
        enough: the search stopped at about so many; None: it found all.
    """
    if not stored:
        return report
    count = sum(rows.count for rows in stored)
    stopped = "" if enough is None or count < enough else " (the search for more of them was stopped)"
    rule = RuleResult(
        rule="primaryKey",
        column=", ".join(stored[0].columns),
        kind="key",
        passed=False,
        measured=count,
        expected=f"keys that the table does not hold yet{stopped}",
        examples=tuple(examples),
    )
    return replace(
        report,
        accepted=report.accepted - count,
        rejected=report.rejected + count,
        rules=(*report.rules, rule),
    )
