"""From pages of records to batches: which columns a stream has, and what a run has to remember of its rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.interfaces import Batch, Position
from dativo_engine.jsonrows.reader import JsonReader
from dativo_engine.rest import Page, blocks
from dativo_engine.sources.hubspot.api import ASSOCIATION_BATCH, Api
from dativo_engine.sources.hubspot.cursor import NO_IDS, Ids, Versions
from dativo_engine.sources.hubspot.objects import HubSpotObject
from dativo_engine.sources.hubspot.types import TEXT, as_sent, side_by_side, typed

if TYPE_CHECKING:
    from dativo_config.models.contract import SchemaObject

    Array: TypeAlias = pa.Array[pa.Scalar[pa.DataType]]

UPSERT, DELETE = 0, 1
# What a record has besides its properties.
FIELDS = ("id", "createdAt", "updatedAt")
KEYS = ("id", "hs_object_id")
# Where a record names those that were merged into it: `12;34`, or `12:1690000000000;34:1690000000001`.
MERGED = ("hs_merged_object_ids", "hs_calculated_merged_vids")
RECORDS_PER_BATCH = 10_000


def associated_column(other: str) -> str:
    """The column with the ids of the other type's records that are associated with a record."""
    return f"associated_{other}"


@dataclass(frozen=True, slots=True)
class Shape:
    """A stream's columns.

    Attributes:
        properties: asked of HubSpot.
        columns: handed on. What else is read is only looked at.
        associations: types of records whose associated ids are columns too.
        schema: the contract's; None while discovering.
    """

    properties: tuple[str, ...]
    columns: tuple[str, ...]
    associations: tuple[str, ...] = ()
    schema: SchemaObject | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, and what is to be remembered of them.

    Attributes:
        merged: records that were merged into these.
    """

    batch: Batch
    versions: Versions
    merged: Ids


class RecordReader:
    """One stream's records on their way to batches."""

    def __init__(self, api: Api, it: HubSpotObject, shape: Shape, *, stream: str, block_bytes: int) -> None:
        self._api, self._it, self._shape, self._stream = api, it, shape, stream
        self._block_bytes = block_bytes
        fields = dict.fromkeys([*FIELDS, *shape.columns]) if it.is_listed_only else FIELDS
        self._reader = JsonReader(api.url(it), stream, as_sent(stream, fields, shape.properties))

    def rows(self, pages: Iterable[Page]) -> Generator[Rows]:
        """The pages' records in order."""
        most = ASSOCIATION_BATCH if self._shape.associations else RECORDS_PER_BATCH
        runs = blocks(pages, block_bytes=self._block_bytes, block_records=most)
        for batch in self._reader.batches(runs):
            yield self._rows(batch)

    def deletes(self, ids: Ids, *, because: str) -> Batch:
        """The records are gone: their keys, to be deleted."""
        written = pa.array(ids).cast(TEXT)
        names = [name for name in KEYS if name in self._shape.columns] or ["id"]
        records = pa.RecordBatch.from_arrays([written] * len(names), names)
        position = Position(f"{self._api.url(self._it)} ({because})")
        return Batch(self._stream, records, position, op=pa.array(np.full(len(ids), DELETE, np.int8)))

    def none(self) -> Batch:
        """No row at all: what a cursor can come with."""
        columns = [pa.array([], TEXT) for _ in self._shape.columns]
        records = pa.RecordBatch.from_arrays(columns, list(self._shape.columns))
        return Batch(self._stream, records, Position(self._api.url(self._it)))

    def _rows(self, batch: Batch) -> Rows:
        records = side_by_side(batch.records, self._shape.properties)
        try:
            versions = Versions.of([(_numbers(records.column("id")), self._moments(records))])
            merged = [
                _merged(records.column(name), records.column("id")) for name in MERGED if name in records.schema.names
            ]
        except (pa.ArrowInvalid, KeyError) as error:
            message = f"{batch.position.source}: a record is not as HubSpot describes it: {error}"
            raise MalformedAnswerError(message) from error
        told = typed(self._told(records), self._shape.schema)
        return Rows(replace(batch, records=told), versions, np.concatenate([NO_IDS, *merged]))

    def _moments(self, records: pa.RecordBatch) -> Ids:
        """When each record was last changed."""
        modified = records.column(self._it.modified or "updatedAt")
        modified = pc.coalesce(modified, records.column("updatedAt"))
        return modified.cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()

    def _told(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """The columns that are handed on, associated ids among them."""
        ids = records.column("id").to_pylist() if self._shape.associations else []
        for other in self._shape.associations:
            found = self._api.associated(self._it, other, ids)
            told = pa.array([found.get(record_id, []) for record_id in ids], pa.list_(TEXT))
            records = records.append_column(associated_column(other), told)
        return records.select([name for name in self._shape.columns if name in records.schema.names])


def _numbers(ids: Array) -> Ids:
    return ids.cast(pa.int64()).to_numpy()


def _merged(cells: Array, ids: Array) -> Ids:
    """Those that were merged into the records with these ids; a record that names itself is not gone."""
    parts = pc.split_pattern(cells, ";")
    named = pc.utf8_trim_whitespace(pc.list_element(pc.split_pattern(pc.list_flatten(parts), ":"), 0))
    into = ids.take(pc.list_parent_indices(parts))
    return _numbers(named.filter(pc.and_(pc.not_equal(named, ""), pc.not_equal(named, into))))
