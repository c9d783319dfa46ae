"""Staged rows found bad only at the end are taken out of their files again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO

from dativo_engine.interfaces import LateRows, StagedFile, TableLayout
from dativo_engine.writers.failure import discarded_on_failure
from dativo_engine.writers.parquet import open_writer


def without_rows(
    io: FileIO, file: StagedFile, late: Sequence[LateRows], *, layout: TableLayout, run_id: str, memory_bytes: int
) -> list[StagedFile]:
    """The file written again without its late rows; the old one is still there."""
    good = pc.invert(reduce(pc.or_, (rows.bad for rows in late)))
    if not good.true_count:
        return []
    with discarded_on_failure(open_writer(layout, run_id=run_id, memory_bytes=memory_bytes)) as writer:
        for first, batch in _batches(io, file.path):
            kept = batch.filter(good.slice(first, batch.num_rows))
            if kept.num_rows:
                writer.write(kept)
        return writer.flush()


def _batches(io: FileIO, path: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A staged file's rows as they were handed to its writer, each batch with the position of its first row."""
    first = 0
    with io.new_input(path).open() as stream:
        file = pq.ParquetFile(stream)
        plain = pa.schema([field.remove_metadata() for field in file.schema_arrow])
        for batch in file.iter_batches():
            yield first, pa.RecordBatch.from_arrays(batch.columns, schema=plain)
            first += batch.num_rows
