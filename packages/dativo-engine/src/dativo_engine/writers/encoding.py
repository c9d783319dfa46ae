"""How columns are encoded: what costs the least CPU and the fewest bytes, decided once from the first rows.

A dictionary of a column whose values hardly repeat is built, outgrown and thrown away again: for 5 million rows that is
half of the CPU a writer takes. Such columns go without; whole numbers (dates, times and decimals of up to 18 digits
among them) are then packed as differences, which also makes the file smaller. Pages stay at version 1, and other
encodings of version 2 stay out: many readers lack them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.writers.fields import Leaf

SAMPLE_ROWS = 8192
# Beyond this share of distinct values in the sample a dictionary of the whole row group would not pay.
DISTINCT_SHARE = 0.25
# A sample this small says nothing; Parquet gives up a dictionary that grows too large by itself.
TOO_FEW_ROWS = 512
PACKED_DECIMAL_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Encoding:
    """Columns by their path in Parquet: those with a dictionary, and the encoding of others where it is not plain."""

    dictionary: list[str]
    packed: dict[str, str]


def choose_encoding(rows: pa.Table, leaves: Sequence[Leaf]) -> Encoding:
    """Decide from a sample spread over the rows. Nested columns, and what comes as a dictionary, keep theirs."""
    step = -(-max(rows.num_rows, 1) // SAMPLE_ROWS)
    # Batch by batch: a table would join its chunks first.
    batches = (batch.take(pa.array(np.arange(0, batch.num_rows, step))) for batch in rows.to_batches())
    sample = pa.Table.from_batches(batches, rows.schema)
    dictionary: list[str] = []
    packed: dict[str, str] = {}
    for leaf in leaves:
        if len(leaf.path) > 1 or _repeats(sample.column(leaf.path[0])):
            dictionary.append(leaf.parquet_path)
        elif _is_whole_number(rows.schema.field(leaf.path[0]).type):
            packed[leaf.parquet_path] = "DELTA_BINARY_PACKED"
    return Encoding(dictionary, packed)


def _repeats(sample: pa.ChunkedArray) -> bool:
    values = len(sample) - sample.null_count
    if values < TOO_FEW_ROWS:
        return True
    if pa.types.is_dictionary(sample.type):
        return True
    stored = pa.chunked_array([chunk.storage for chunk in sample.chunks]) if _is_extension(sample) else sample
    return pc.count_distinct(stored).as_py() <= values * DISTINCT_SHARE


def _is_extension(values: pa.ChunkedArray) -> bool:
    return isinstance(values.type, pa.BaseExtensionType)


def _is_whole_number(kind: pa.DataType) -> bool:
    if pa.types.is_decimal(kind):
        return kind.precision <= PACKED_DECIMAL_DIGITS
    return pa.types.is_integer(kind) or pa.types.is_temporal(kind)
