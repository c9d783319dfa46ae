"""Staged rows found bad only at the end: as the quarantine keeps them, and taken out of their files again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO

from dativo_engine.contracts.jsontext import json_rows
from dativo_engine.contracts.rejected import REJECTED_SCHEMA, rejected_batch
from dativo_engine.interfaces import LateRows, StagedFile, TableLayout
from dativo_engine.writers.failure import discarded_on_failure
from dativo_engine.writers.parquet import open_writer

WRITER_BYTES = 128 * 1024 * 1024


def already_stored(
    io: FileIO, file: StagedFile, positions: Sequence[int], *, stream: str, keys: Sequence[str]
) -> LateRows:
    """The rows whose key the table holds: the stored row stays, these are rejected."""
    rows = pa.Table.from_batches(_rows_at(io, file.path, positions)).combine_chunks().to_batches()[0]
    texts = json_rows(rows.select(list(keys)))
    reasons = [
        [
            {
                "column": ", ".join(keys),
                "rule": "primaryKey",
                "message": f"the table already holds a row with the key {text}",
            }
        ]
        for text in texts
    ]
    rejected = rejected_batch(
        stream=stream,
        source=None,
        rows=pa.nulls(len(positions), pa.int64()),
        reasons=pa.array(reasons, REJECTED_SCHEMA.field("reasons").type),
        records=json_rows(rows),
    )
    return LateRows(file.path, pa.array(positions, pa.int64()), rejected)


def without_rows(
    io: FileIO, file: StagedFile, late: Sequence[LateRows], *, layout: TableLayout, run_id: str
) -> list[StagedFile]:
    """The file written again without its late rows; the old one is still there."""
    dead = np.unique(np.concatenate([rows.positions.to_numpy() for rows in late]))
    if len(dead) == file.rows:
        return []
    with discarded_on_failure(open_writer(layout, run_id=run_id, memory_bytes=WRITER_BYTES)) as writer:
        for first, batch in _batches(io, file.path):
            alive = np.ones(batch.num_rows, dtype=bool)
            alive[dead[(dead >= first) & (dead < first + batch.num_rows)] - first] = False
            if alive.any():
                writer.write(batch.filter(pa.array(alive)))
        return writer.flush()


def _rows_at(io: FileIO, path: str, positions: Sequence[int]) -> Iterator[pa.RecordBatch]:
    wanted = np.asarray(positions)
    for first, batch in _batches(io, path):
        here = wanted[(wanted >= first) & (wanted < first + batch.num_rows)] - first
        if len(here):
            yield batch.take(pa.array(here))


def _batches(io: FileIO, path: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A staged file's rows as they were handed to its writer, each batch with the position of its first row."""
    first = 0
    with io.new_input(path).open() as stream:
        file = pq.ParquetFile(stream)
        plain = pa.schema([field.remove_metadata() for field in file.schema_arrow])
        for batch in file.iter_batches():
            yield first, pa.RecordBatch.from_arrays(batch.columns, schema=plain)
            first += batch.num_rows
