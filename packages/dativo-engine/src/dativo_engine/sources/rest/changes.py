"""Only what changed: what an API is asked with, and where a stream stands after its records.

APIs compare inclusively as a rule, so the records at the last value come again with the next run. They are told from
records that changed meanwhile by a hash of their content, and left out; with `lookback_days` the merge does that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.arrow import arrow_type
from dativo_engine.contracts.jsontext import json_rows
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Batch, Cursor, Position, StreamSettings
from dativo_engine.jsonrows.types import TEXT, reading_schema
from dativo_engine.rest import Request
from dativo_engine.sources.rest.spec import CursorParam

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from dativo_config.models.job import Incremental

    Scalar: TypeAlias = pa.Scalar[pa.DataType]

# More records than this at one value are told by the merge alone: the cursor has to stay small.
MOST_HASHES = 1000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class Changes:
    """One stream's way from the last run's cursor to this run's.

    Attributes:
        column: the cursor field, in the source's naming.
        columns: all that the contract has.
        type: what the contract says it is.
        last: its greatest value so far; None: none was seen.
        hashes: of the records that have it.
        known: the hashes that the last run left, of records at `start`.
    """

    column: str
    columns: frozenset[str]
    type: pa.DataType
    start: Scalar | None
    last: Scalar | None
    hashes: set[str]
    known: frozenset[str]

    @classmethod
    def since(cls, cursor: Cursor | None, stream: StreamSettings, *, keeps_known: bool) -> Changes:
        """From where the last run ended.

        Args:
            keeps_known: whether records that the last run had are handed out again; then a merge tells them.

        Raises:
            FatalError: the cursor is another source's, or of another type than the contract's.
        """
        column, kind = _column(stream)
        columns = frozenset(reading_schema(stream.schema).names)
        if cursor is None or "value" not in cursor.value:
            return cls(column, columns, kind, None, None, set(), frozenset())
        value, hashes = cursor.value["value"], cast("Sequence[str]", cursor.value.get("hashes", ()))
        try:
            start = pa.scalar(str(value), TEXT).cast(kind)
        except pa.ArrowInvalid as error:
            message = (
                f"{stream.name}: the last run ended at {value!r}, which is no {kind}, as the contract says that "
                f"{stream.cursor_field} is; see `dativo state show`, and `dativo state reset`"
            )
            raise FatalError(message) from error
        return cls(column, columns, kind, start, start, set(hashes), frozenset(() if keeps_known else hashes))

    def take(self, batch: Batch) -> Batch:
        """The batch without the records that the last run had, and with where the stream stands after it."""
        records = batch.records
        at = records.schema.get_field_index(self.column)
        # Text where the contract has another type: some cells do not fit, and the enforcer will say so.
        if at < 0 or not records.schema.field(at).type.equals(self.type):
            return batch
        values = records.column(at)
        if self.start is not None and self.known:
            keep = self._new(records, pc.equal(values, self.start))
            if keep is not None:
                batch = _only(batch, keep)
                records, values = batch.records, batch.records.column(at)
        if records.num_rows:
            self._advance(records, values)
        return replace(batch, cursor=self.cursor())

    def cursor(self) -> Cursor | None:
        """Where the stream stands."""
        if self.last is None:
            return None
        value = _json(self.last)
        hashes: list[JsonValue] = [*sorted(self.hashes)] if len(self.hashes) <= MOST_HASHES else []
        return Cursor({"value": value, "hashes": hashes})

    def end(self, stream: StreamSettings) -> Batch | None:
        """A batch without rows that says where the stream stands, for a run that finds nothing new."""
        cursor = self.cursor()
        if cursor is None:
            return None
        nothing = pa.RecordBatch.from_pylist([], schema=reading_schema(stream.schema))
        return Batch(stream.name, nothing, Position(stream.name), cursor=cursor)

    def _new(self, records: pa.RecordBatch, at_start: pa.BooleanArray) -> pa.BooleanArray | None:
        """Which records the last run did not have; None: it had none of them."""
        rows = pc.indices_nonzero(pc.fill_null(at_start, fill_value=False))
        if not len(rows):
            return None
        seen = [
            row
            for row, hashed in zip(rows.to_pylist(), _hashes(self._told(records).take(rows)), strict=True)
            if hashed in self.known
        ]
        if not seen:
            return None
        return pc.invert(pc.is_in(pa.array(range(records.num_rows), pa.int64()), pa.array(seen, pa.int64())))

    def _told(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """The columns that the contract has: the others may come as another type with the next run."""
        return records.select([name for name in records.schema.names if name in self.columns])

    def _advance(self, records: pa.RecordBatch, values: pa.Array[Scalar]) -> None:
        greatest = pc.max(values)
        if not greatest.is_valid:
            return
        if self.last is None or pc.greater(greatest, self.last).as_py():
            self.last, self.hashes = greatest, set()
        if pc.equal(greatest, self.last).as_py() and len(self.hashes) <= MOST_HASHES:
            rows = pc.indices_nonzero(pc.fill_null(pc.equal(values, greatest), fill_value=False))
            self.hashes.update(_hashes(self._told(records).take(rows[: MOST_HASHES + 1])))


def asking_for_changes(
    request: Request, param: CursorParam | None, changes: Changes | None, incremental: Incremental | None
) -> Request:
    """The request, with the parameter by which the API gives only what changed."""
    if param is None or changes is None or incremental is None:
        return request
    value: str | int | float | bool | None = param.start
    if changes.start is not None:
        value = _written(_back(changes.start, incremental.lookback_days or 0), param.format)
    if value is None:
        return request
    if param.in_body:
        return replace(request, json={**(request.json or {}), param.param: value})
    return request.with_params(**{param.param: str(value)})


def _column(stream: StreamSettings) -> tuple[str, pa.DataType]:
    for item in stream.schema.properties if stream.schema is not None else ():
        if stream.cursor_field in (item.name, item.column):
            return item.name, arrow_type(item)
    message = f"{stream.name}: the contract has no column {stream.cursor_field!r}, which incremental.cursor_field names"
    raise FatalError(message)


def _back(value: Scalar, days: float) -> Scalar:
    if not days:
        return value
    return pc.subtract(value, pa.scalar(dt.timedelta(days=days), pa.duration("us"))).cast(value.type)


def _written(value: Scalar, form: str) -> str | int:
    """A value as the API takes it, never later than it is: what a form can't express is cut off."""
    if not (pa.types.is_timestamp(value.type) or pa.types.is_date(value.type)):
        plain = value.as_py()
        return plain if isinstance(plain, int) else str(plain)
    moment = _moment(value)
    match form:
        case "iso":
            return moment.date().isoformat() if pa.types.is_date(value.type) else _iso(moment)
        case "epoch":
            return (moment - _EPOCH) // dt.timedelta(seconds=1)
        case "epoch_ms":
            return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
        case _:
            return moment.strftime(form)


def _moment(value: Scalar) -> dt.datetime:
    plain = value.as_py()
    if isinstance(plain, dt.datetime):
        return plain.astimezone(dt.UTC) if plain.tzinfo else plain.replace(tzinfo=dt.UTC)
    return dt.datetime.combine(cast("dt.date", plain), dt.time(), dt.UTC)


def _iso(moment: dt.datetime) -> str:
    """`2024-02-29T10:00:00Z`; fractions only where there are some: not every API reads them."""
    return moment.isoformat().replace("+00:00", "Z")


def _json(value: Scalar) -> JsonValue:
    plain = value.as_py()
    return plain if isinstance(plain, int | float | str) else str(value.cast(TEXT).as_py())


def _hashes(records: pa.RecordBatch) -> list[str]:
    return [hashlib.blake2b(row.encode(), digest_size=8).hexdigest() for row in json_rows(records)]


def _only(batch: Batch, keep: pa.BooleanArray) -> Batch:
    """The rows that are kept, each with the number that it has in the source."""
    numbers = batch.position.rows
    if numbers is None:
        first = batch.position.first_row
        numbers = pa.array(range(first, first + batch.records.num_rows), pa.int64())
    position = replace(batch.position, rows=numbers.filter(keep))
    return replace(batch, records=batch.records.filter(keep), position=position)
