"""Only what changed: what an API is asked with, and where a stream stands after its records.

APIs compare inclusively as a rule, so the records at the last value come again with the next run. They are told from
records that changed meanwhile by a hash of their content, and left out; with `lookback_days` the merge does that.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.cast import cast as converted
from dativo_engine.contracts.columns import Column, compile_column
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Batch, Cursor, Position, StreamSettings
from dativo_engine.jsonrows.types import TEXT, reading_schema
from dativo_engine.jsonrows.values import Elements, fields_of
from dativo_engine.rest import Request
from dativo_engine.sources.rest.spec import CursorParam

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from dativo_config.models.job import Incremental

    Scalar: TypeAlias = pa.Scalar[pa.DataType]

Hashes: TypeAlias = npt.NDArray[np.uint64]
_NONE: Hashes = np.empty(0, np.uint64)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class Written:
    """Runs of records on their way to be read; the last of them can be looked up as the API wrote them."""

    runs: Iterable[Elements]
    _elements: Sequence[msgspec.Raw] = ()
    _before: int = 0

    def __iter__(self) -> Generator[Elements]:
        for run in self.runs:
            self._before += len(self._elements)
            self._elements = run.elements
            yield run

    def rows(self, batch: Batch, rows: Sequence[int]) -> Generator[msgspec.Raw]:
        """These rows of a batch that was made of the last run."""
        for row in rows:
            yield self._elements[batch.position.row(row) - self._before - 1]


@dataclass(slots=True)
class Changes:
    """One stream's way from the last run's cursor to this run's.

    Attributes:
        column: the cursor field.
        names: of all fields that the contract has, in the source's naming.
        start: where the last run ended; None: there was none.
        known: hashes that the last run left of records at `start`.
        last: the cursor field's greatest value so far; None: none was seen.
    """

    column: Column
    names: Sequence[str]
    start: Scalar | None = None
    known: Hashes = field(default_factory=lambda: _NONE)
    last: Scalar | None = None
    _hashes: list[Hashes] = field(default_factory=list[Hashes])

    @classmethod
    def since(cls, cursor: Cursor | None, stream: StreamSettings, *, keeps_known: bool) -> Changes:
        """From where the last run ended.

        Args:
            keeps_known: whether records that the last run had are handed out again; then a merge tells them.

        Raises:
            FatalError: the cursor is another source's, or of another type than the contract's.
        """
        column, names = _column(stream), reading_schema(stream.schema).names
        if cursor is None or "value" not in cursor.value:
            return cls(column, names)
        value, hashes = cursor.value["value"], _unpacked(cursor.value.get("hashes"))
        try:
            start = pa.scalar(str(value), TEXT).cast(column.type)
        except pa.ArrowInvalid as error:
            message = (
                f"{stream.name}: the last run ended at {value!r}, which is no {column.type}, as the contract says that "
                f"{stream.cursor_field} is; see `dativo state show`, and `dativo state reset`"
            )
            raise FatalError(message) from error
        return cls(column, names, start, _NONE if keeps_known else hashes, start, [hashes])

    def take(self, batch: Batch, written: Written) -> Batch:
        """The batch without the records that the last run had. `written`: the records that it was made of."""
        values = self._values(batch)
        if values is None:
            return batch
        if self.start is not None and len(self.known):
            keep = self._new(batch, written, pc.equal(values, self.start))
            if keep is not None:
                batch, values = _only(batch, keep), values.filter(keep)
        self._advance(batch, written, values)
        return batch

    def end(self, stream: StreamSettings) -> Batch | None:
        """A batch without rows that says where the stream stands; None: there is nothing to go on from."""
        if self.last is None:
            return None
        hashes = np.unique(np.concatenate([_NONE, *self._hashes]))
        cursor = Cursor({"value": _json(self.last), "hashes": _packed(hashes)})
        nothing = pa.RecordBatch.from_pylist([], schema=reading_schema(stream.schema))
        return Batch(stream.name, nothing, Position(stream.name), cursor=cursor)

    def _values(self, batch: Batch) -> pa.Array[Scalar] | None:
        """The cursor field's cells; null where the enforcer will say that one does not fit. None: there are none."""
        at = batch.records.schema.get_field_index(self.column.sources[0])
        if at < 0 or not batch.records.num_rows:
            return None
        cells = batch.records.column(at)
        return converted(cells, self.column.type, timezone=self.column.timezone, pattern=self.column.pattern).values

    def _new(self, batch: Batch, written: Written, at_start: pa.BooleanArray) -> pa.BooleanArray | None:
        """Which records the last run did not have; None: it had none of them."""
        rows = _where(at_start)
        seen = np.array(rows, np.int64)[np.isin(self._hashed(batch, written, rows), self.known)]
        if not len(seen):
            return None
        keep = np.ones(batch.records.num_rows, np.bool_)
        keep[seen] = False
        return pa.array(keep)

    def _advance(self, batch: Batch, written: Written, values: pa.Array[Scalar]) -> None:
        greatest = pc.max(values)
        if not greatest.is_valid:
            return
        if self.last is None or pc.greater(greatest, self.last).as_py():
            self.last, self._hashes = greatest, []
        if pc.equal(greatest, self.last).as_py():
            self._hashes.append(self._hashed(batch, written, _where(pc.equal(values, greatest))))

    def _hashed(self, batch: Batch, written: Written, rows: Sequence[int]) -> Hashes:
        """Of what the API wrote: the same record may be read as numbers in one run and as text in another.

        Only the fields that the contract has count; others may change without meaning.
        """
        digests = bytearray()
        for record in written.rows(batch, rows):
            fields = fields_of(record)
            content = b"\0".join(bytes(fields.get(name, b"null")) for name in self.names)
            digests += hashlib.blake2b(content, digest_size=8).digest()
        return np.frombuffer(bytes(digests), np.uint64)


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


def _column(stream: StreamSettings) -> Column:
    for item in stream.schema.properties if stream.schema is not None else ():
        if stream.cursor_field in (item.name, item.column):
            return compile_column(item)
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


def _packed(hashes: Hashes) -> str:
    return base64.b64encode(hashes.tobytes()).decode()


def _unpacked(value: JsonValue) -> Hashes:
    return np.frombuffer(base64.b64decode(value), np.uint64) if isinstance(value, str) else _NONE


def _where(told: pa.BooleanArray) -> list[int]:
    return pc.indices_nonzero(pc.fill_null(told, fill_value=False)).to_pylist()


def _only(batch: Batch, keep: pa.BooleanArray) -> Batch:
    """The rows that are kept, each with the number that it has in the source."""
    numbers = batch.position.rows
    if numbers is None:
        first = batch.position.first_row
        numbers = pa.array(range(first, first + batch.records.num_rows), pa.int64())
    position = replace(batch.position, rows=numbers.filter(keep))
    return replace(batch, records=batch.records.filter(keep), position=position)
