"""How columns are encoded: what costs the least CPU and the fewest bytes, decided once from the first rows.

A dictionary of a column whose values hardly repeat is built, outgrown and thrown away again: for 5 million rows that is
half of the CPU a writer takes. Such columns go without. Whole numbers (dates, times and decimals of up to 18 digits
among them) can be packed as differences instead, which is quicker than a dictionary, and mostly smaller too. Of some,
that leaves nothing to compress; of others much (times in whole seconds, keys that repeat): both are tried out. Pages
stay at version 1, and other encodings of version 2 stay out: many readers lack them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_engine.writers.fields import Leaf
from dativo_engine.writers.partition import Int64s

CODEC = "zstd"
PACKED = "DELTA_BINARY_PACKED"
SAMPLE_ROWS = 8192
# Beyond this share of distinct values in the sample a dictionary of the whole row group would not pay.
DISTINCT_SHARE = 0.25
# A sample this small says nothing of the rows to come, nor does one value alone: these columns have a dictionary, which
# Parquet gives up by itself where it grows too large.
TOO_FEW_VALUES = 512
PACKED_DECIMAL_DIGITS = 18
# Rows next to each other, as differences are taken of them, from so many places.
RUN_ROWS, RUNS = 2048, 8
# Compressing has to spare this share, or is left out.
SPARED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Encoding:
    """Columns by their path in Parquet.

    Attributes:
        dictionary: those with a dictionary.
        packed: the encoding of others, where it is not plain.
        compression: the codec of every one.
    """

    dictionary: list[str]
    packed: dict[str, str]
    compression: dict[str, str]


def choose_encoding(rows: pa.Table, leaves: Sequence[Leaf], *, order: Int64s | None = None) -> Encoding:
    """Decide from a sample spread over the rows. Nested columns, and what comes as a dictionary, keep theirs.

    Args:
        order: the places of the rows in the order they will be written in; None: as they come.
    """
    step = -(-max(rows.num_rows, 1) // SAMPLE_ROWS)
    # Batch by batch: a table would join its chunks first.
    batches = (batch.take(pa.array(np.arange(0, batch.num_rows, step))) for batch in rows.to_batches())
    sample = pa.Table.from_batches(batches, rows.schema)
    dictionary = [leaf.parquet_path for leaf in leaves]
    packed: list[str] = []
    for leaf in leaves:
        column = sample.column(leaf.path[0])
        share = _distinct_share(column) if len(leaf.path) == 1 else None
        if share is not None and share > DISTINCT_SHARE:
            dictionary.remove(leaf.parquet_path)
        if share is not None and _is_whole_number(column.type):
            packed.append(leaf.parquet_path)
    compression = dict.fromkeys((leaf.parquet_path for leaf in leaves), CODEC)
    if rows.num_rows < RUN_ROWS:
        packed = [name for name in packed if name not in dictionary]
    elif packed:
        runs = _runs(rows.select(packed), order)
        repeating = [name for name in packed if name in dictionary]
        tried = _try_out(runs)
        other = _try_out(runs.select(repeating), dictionary=True) if repeating else {}
        packed = [name for name in packed if name not in other or tried[name].size <= other[name].size]
        compression |= {name: "none" for name in packed if not tried[name].compressible}
    return Encoding([name for name in dictionary if name not in packed], dict.fromkeys(packed, PACKED), compression)


class _Tried(NamedTuple):
    """What became of a sample: its bytes, and whether compressing spared some."""

    size: int
    compressible: bool


def _runs(rows: pa.Table, order: Int64s | None) -> pa.Table:
    starts = np.linspace(0, rows.num_rows - RUN_ROWS, min(RUNS, rows.num_rows // RUN_ROWS), dtype=int).tolist()
    if order is None:
        return pa.concat_tables(rows.slice(start, RUN_ROWS) for start in starts)
    return rows.take(pa.array(np.concatenate([order[start : start + RUN_ROWS] for start in starts])))


def _try_out(rows: pa.Table, *, dictionary: bool = False) -> dict[str, _Tried]:
    """Write these columns, packed or with a dictionary."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        compression=CODEC,
        use_dictionary=dictionary,
        column_encoding=None if dictionary else dict.fromkeys(rows.column_names, PACKED),
        store_decimal_as_integer=True,
    )
    group = pq.read_metadata(pa.BufferReader(sink.getvalue())).row_group(0)
    chunks = map(group.column, range(group.num_columns))
    most = 1 - SPARED_SHARE
    return {
        it.path_in_schema: _Tried(
            it.total_compressed_size, it.total_compressed_size <= most * it.total_uncompressed_size
        )
        for it in chunks
    }


def _distinct_share(sample: pa.ChunkedArray) -> float | None:
    """How many of the values differ; None: what there is says nothing of what may come, or comes as a dictionary."""
    values = len(sample) - sample.null_count
    if values < TOO_FEW_VALUES or pa.types.is_dictionary(sample.type):
        return None
    stored = pa.chunked_array([chunk.storage for chunk in sample.chunks]) if _is_extension(sample) else sample
    distinct = pc.count_distinct(stored).as_py()
    return None if distinct == 1 else distinct / values


def _is_extension(values: pa.ChunkedArray) -> bool:
    return isinstance(values.type, pa.BaseExtensionType)


def _is_whole_number(kind: pa.DataType) -> bool:
    if pa.types.is_decimal(kind):
        return kind.precision <= PACKED_DECIMAL_DIGITS
    return pa.types.is_integer(kind) or pa.types.is_temporal(kind)
