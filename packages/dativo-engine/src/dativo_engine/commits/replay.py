"""Rejected rows as a source: what `dativo quarantine replay` runs through the contract once more.

A replay is a run like any other, but for where its rows come from: `open_committer(..., replays=names)` takes it, the
cursors stay where they are, and in the commit that shows its accepted rows the replayed runs leave the quarantine.
Rows that are rejected again stay there under the replay's own run. The old ones are hidden, so that they are back if
the table is rolled back; `Quarantine.sweep` deletes them once no kept snapshot could show them any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from dativo_config.models.resolved import ResolvedJob

from dativo_engine.commits.layout import former_names
from dativo_engine.commits.quarantine import Quarantine, quarantines
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Batch, Cursor, Malformed, Position, Split, StreamInfo

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    Rejected = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """See `interfaces.Plan`: one split for each stream, and no cursor moves."""

    splits: Sequence[Split]
    ends: Mapping[str, Cursor | None] = field(default_factory=dict[str, Cursor | None])

    def close(self, committed: Mapping[str, Cursor] | None) -> None:
        """There is nothing to tidy up."""


class Replay:
    """See `interfaces.Source`."""

    def __init__(self, job: ResolvedJob, places: Sequence[Quarantine], runs: Sequence[str]) -> None:
        self._places = {place.table: place for place in places}
        self._streams = {stream.name: stream for stream in job.streams}
        self._runs = [*runs] or [run for place in places for run in place.shown()]

    @property
    def runs(self) -> Sequence[str]:
        """The runs that are replayed, for `open_committer`."""
        return self._runs

    def check(self) -> None:
        """The quarantine is beside the tables; nothing else has to be reached."""

    def discover(self) -> list[StreamInfo]:
        """It has no schema of its own."""
        return []

    def plan(self, starts: Mapping[str, Cursor | None]) -> ReplayPlan:
        """All rows of the replayed runs; where the streams stand does not matter, and stays."""
        splits = [Split(id=stream, streams=(stream,), identity=" ".join(self._runs)) for stream in self._streams]
        return ReplayPlan(splits if self._runs else (), dict(starts))

    def read(self, split: Split) -> Iterator[Batch]:
        """The stream's rejected rows, each with its place in the first source, under the names of today's contract."""
        (stream,) = split.streams
        it = self._streams[stream]
        place = self._places[it.table]
        table = place.stored()
        former = {} if table is None else former_names(table.metadata, it.schema)
        for records in place.rows(self._runs):
            by_source: dict[str, list[Rejected]] = {}
            for row in records.to_pylist():
                if row["stream"] == stream:
                    by_source.setdefault(row["source"] or "", []).append(row)
            for source, rows in by_source.items():
                yield _batch(stream, source, rows, former)


def open_replay(job: ResolvedJob, runs: Sequence[str] = ()) -> Replay:
    """The job's rejected rows as a source.

    Args:
        runs: names as in `RejectedRun.name`; none: all that are shown. Those replayed before have no more rows.

    Raises:
        FatalError: there never was such a run, or its rejected rows are deleted.
    """
    places = quarantines(job)
    unknown = set(runs).difference(*(place.kept() for place in places)) if runs else set[str]()
    if unknown:
        message = f"{', '.join(sorted(unknown))}: no such run in quarantine; `dativo quarantine show` lists them"
        raise FatalError(message)
    return Replay(job, places, runs)


def _batch(stream: str, source: str, rows: Iterable[Rejected], former: Mapping[str, str]) -> Batch:
    values: list[dict[str, JsonValue]] = []
    numbers: list[int] = []
    malformed: list[Malformed] = []
    for row in rows:
        record = _record(str(row["record"]))
        number = row["row"] if isinstance(row["row"], int) else 0
        if record is None:
            line = row["line"] if isinstance(row["line"], int) else 0
            malformed.append(Malformed(source, line, number, str(row["record"]), "still no record that could be read"))
        else:
            # A row that has the column under both names was rejected since it was renamed.
            renamed = {former[name]: value for name, value in record.items() if name in former}
            values.append(renamed | {name: value for name, value in record.items() if name not in former})
            numbers.append(number)
    names = dict.fromkeys(name for record in values for name in record)
    columns = {name: _column([record.get(name) for record in values]) for name in names}
    position = Position(source, rows=pa.array(numbers, pa.int64()))
    return Batch(stream, pa.RecordBatch.from_pydict(columns), position, malformed=tuple(malformed))


def _record(text: str) -> dict[str, JsonValue] | None:
    """The row, or None for a malformed record's raw text."""
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _column(values: Sequence[JsonValue]) -> pa.Array:
    """Cells as a source that knows no types hands them over: nested values as they are, all others as text."""
    if any(isinstance(value, dict | list) for value in values):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # of mixed shapes: then as JSON text
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: JsonValue) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
