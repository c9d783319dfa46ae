"""Which partition each row belongs to, computed by column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote_plus

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Accessor, Schema
from pyiceberg.transforms import Transform
from pyiceberg.typedef import Record

Int64s: TypeAlias = npt.NDArray[np.int64]
# One object, so that a tuple with it is equal to another.
NAN = float("nan")
# File systems take 255 bytes, object stores some 1000 for the whole path.
FOLDER_NAME_LENGTH = 120


@dataclass(frozen=True)
class Term:
    """A column under a transform, as partition specs and sort orders are made of."""

    source: Accessor
    transform: Callable[[pa.Array], pa.Array]

    @classmethod
    def of(cls, schema: Schema, source_id: int, transform: Transform[Any, Any]) -> Term:
        """The transform of a column, or of a field in a struct, by its id."""
        kind = schema.find_field(source_id).field_type
        return cls(schema.accessor_for_field(source_id), transform.pyarrow_transform(kind))

    def values(self, rows: pa.Table) -> pa.Array:
        """The transformed values of all rows."""
        column = rows.column(self.source.position)
        inner = self.source.inner
        while inner is not None:
            column, inner = pc.struct_field(column, inner.position), inner.inner
        combined = column.combine_chunks()
        if isinstance(combined, pa.ChunkedArray):
            combined = pa.concat_arrays(combined.chunks)
        storage = combined.storage if isinstance(combined, pa.ExtensionArray) else combined
        return self.transform(storage)


class Partitions:
    """The partitions seen so far, numbered as they came.

    Attributes:
        keys: by number, the partition's values as Iceberg keeps them: dates as days, timestamps as microseconds.
    """

    def __init__(self, spec: PartitionSpec, schema: Schema) -> None:
        self.keys: list[tuple[object, ...]] = []
        self._spec = spec
        self._schema = schema
        self._terms = [Term.of(schema, field.source_id, field.transform) for field in spec.fields]
        self._numbers: dict[tuple[object, ...], int] = {}

    def number(self, rows: pa.Table) -> Int64s:
        """Each row's partition."""
        if not self._terms:
            return np.broadcast_to(np.int64(self._number(())), rows.num_rows)
        combination = np.zeros(rows.num_rows, np.int64)
        known: list[tuple[object, ...]] = [()]
        for term in self._terms:
            coded = term.values(rows).dictionary_encode(null_encoding="encode")
            values = _internal(coded.dictionary)
            pairs = combination * len(values) + coded.indices.to_numpy(zero_copy_only=False)
            distinct, combination = np.unique(pairs, return_inverse=True)
            known = [(*known[pair // len(values)], values[pair % len(values)]) for pair in distinct.tolist()]
        return np.array([self._number(key) for key in known], np.int64)[combination]

    def folder(self, number: int) -> str:
        """`<field>=<value>/...` with quoted names and values; empty without partition fields.

        For people only: readers take the values from the table's metadata. So long ones are cut.
        """
        key = self.keys[number]
        try:
            path = self._spec.partition_to_path(Record(*key), self._schema) if key else ""
        except OverflowError:  # a date that Python's calendar does not have
            pairs = zip(self._spec.fields, key, strict=True)
            path = "/".join(f"{quote_plus(field.name)}={quote_plus(str(value))}" for field, value in pairs)
        return "/".join(name[:FOLDER_NAME_LENGTH] for name in path.split("/"))

    def _number(self, key: tuple[object, ...]) -> int:
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number


def _internal(values: pa.Array) -> list[object]:
    if pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type) or pa.types.is_time(values.type):
        values = values.cast(pa.int64())
    return [NAN if value != value else value for value in values.to_pylist()]  # noqa: PLR0124 - NaN
