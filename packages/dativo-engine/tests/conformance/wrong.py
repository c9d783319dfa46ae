"""Sources, writers and committers, each with one mistake that loaders are known for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_engine.commits.iceberg import IcebergCommitter
from dativo_engine.commits.publication import Publication
from dativo_engine.commits.target import look
from dativo_engine.interfaces import (
    Batch,
    CommitResult,
    Committer,
    LateRows,
    Position,
    Split,
    StagedFile,
    Stamp,
    TableLayout,
    Writer,
)
from dativo_engine.testing import CommitWorld
from dativo_engine.testing.commit_world import LostAnswers, Silence
from dativo_engine.writers.parquet import open_writer
from ledger import BATCH_LINES, LedgerSource


class DropsTheRest(LedgerSource):
    """Hands out full batches only: what is left in the buffer at a page's end is lost."""

    def read(self, split: Split) -> Iterator[Batch]:
        for batch in super().read(split):
            if batch.records.num_rows == BATCH_LINES or batch.position.first_row == 1:
                yield batch


class RepeatsARow(LedgerSource):
    """Hands out the last row of a full batch twice, as pages of an API with inclusive bounds do."""

    def read(self, split: Split) -> Iterator[Batch]:
        for batch in super().read(split):
            if batch.malformed or batch.records.column("text").null_count:
                yield batch
                continue
            rows = batch.records.num_rows
            taken = [*range(rows), rows - 1] if rows == BATCH_LINES else [*range(rows)]
            first = batch.position.first_row + batch.position.first_row // BATCH_LINES
            yield replace(batch, records=batch.records.take(pa.array(taken)), position=Position("page", first), op=None)


class LeaksThePassword(LedgerSource):
    """Says which password was wrong."""

    def refusal(self) -> str:
        return f"the password {self.password} is wrong"


class BeginsAnew(LedgerSource):
    """Reads a split from its beginning wherever it should go on."""

    def read(self, split: Split) -> Iterator[Batch]:
        return super().read(replace(split, resume=None))


class MiscountsNulls:
    """A writer whose files say that they hold no nulls: readers skip rows by that."""

    def __init__(self, layout: TableLayout, *, run_id: str, memory_bytes: int) -> None:
        self._writer: Writer = open_writer(layout, run_id=run_id, memory_bytes=memory_bytes)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write(batch)

    def flush(self) -> list[StagedFile]:
        return [replace(file, null_value_counts=dict.fromkeys(file.value_counts, 0)) for file in self._writer.flush()]

    def abort(self) -> None:
        self._writer.abort()


class CommitsTwice(IcebergCommitter):
    """Does not know an earlier attempt of its own run again."""

    def __init__(self, job: ResolvedJob, publication: Publication, *, run_id: str, attempt: int) -> None:
        name = run_id if attempt == 1 else f"{run_id}-{attempt}"
        super().__init__(job, publication, run_id=name, attempt=attempt, events=Silence())


class IgnoresTheFence(IcebergCommitter):
    """Commits to the table as it finds it, whatever became of the stamp that the run was planned from."""

    def publish(self, new: Mapping[TableName, Stamp], late: Sequence[LateRows]) -> Mapping[TableName, CommitResult]:
        for name, target in self._targets.items():
            found = look(self._run, name, target.stream, self._mirror)
            target.base, target.expected = found.base, found.expected
            for seen in ("step", "before"):
                target.__dict__.pop(seen, None)
        return super().publish(new, late)


class TwiceWorld(CommitWorld):
    def open_committer(
        self, job: ResolvedJob, *, run_id: str, attempt: int = 1, lost: LostAnswers | None = None
    ) -> Committer:
        return CommitsTwice(job, self.publication(job, lost), run_id=run_id, attempt=attempt)


class UnfencedWorld(CommitWorld):
    def open_committer(
        self, job: ResolvedJob, *, run_id: str, attempt: int = 1, lost: LostAnswers | None = None
    ) -> Committer:
        publication = self.publication(job, lost)
        return IgnoresTheFence(job, publication, run_id=run_id, attempt=attempt, events=Silence())
