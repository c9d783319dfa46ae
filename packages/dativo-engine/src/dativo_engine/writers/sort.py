"""The order of rows within a file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder

from dativo_engine.writers.partition import Int64s, Term


class Sorting:
    """A table's sort order. Rows that are equal in it stay in the order they came."""

    def __init__(self, order: SortOrder, schema: Schema) -> None:
        self._terms = [(Term.of(schema, field.source_id, field.transform), field) for field in order.fields]

    def arrange(self, rows: pa.Table, partitions: Int64s) -> Int64s:
        """The rows' places when they are sorted by partition, then by the sort order."""
        keys = [_ranks(term.values(rows), field) for term, field in self._terms]
        # lexsort's last key is the first to decide.
        return np.lexsort((*reversed(keys), partitions)) if keys else np.argsort(partitions, kind="stable")


def _ranks(values: pa.Array, field: SortField) -> Int64s:
    if pa.types.is_floating(values.type):
        values = _totally_ordered(values)
    ranks = pc.rank(values, sort_keys="ascending", tiebreaker="dense").to_numpy(zero_copy_only=False).astype(np.int64)
    if field.direction is SortDirection.DESC:
        ranks = -ranks
    if values.null_count:
        nulls = pc.is_null(values).to_numpy(zero_copy_only=False)
        ranks[nulls] = np.iinfo(np.int64).min if field.null_order is NullOrder.NULLS_FIRST else np.iinfo(np.int64).max
    return ranks


def _totally_ordered(values: pa.Array) -> pa.Array:
    """Integers that order as Iceberg orders floating-point numbers: -0.0 before 0.0, NaN after all others."""
    nulls = pc.is_null(values).to_numpy(zero_copy_only=False)
    numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False).copy()
    # The sign of a NaN says nothing.
    numbers[np.isnan(numbers)] = np.nan
    bits = numbers.view(np.int64)
    return pa.array(np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits), mask=nulls)
