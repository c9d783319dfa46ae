"""Reads rows back out of a table's data files, by field id, whatever schema each was written with."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.table.puffin import PuffinFile

from dativo_engine.catalogs.locations import SCHEME, local_path
from dativo_engine.errors import FatalError

FIELD_ID = b"PARQUET:field_id"
# Of a batch, in the file, uncompressed: dictionaries and packed numbers take several times that when decoded.
BATCH_BYTES = 8 * 1024 * 1024


def read_rows(
    io: FileIO, path: str, schema: Schema, columns: Sequence[str], *, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of a data file in file order, as columns of the table's present schema.

    A column the file was written without is null; one that was widened since is cast. Rows that delete files mark as
    dead are among them: see `dead_positions`.

    Args:
        batch_rows: the most rows of a batch; fewer where they are wide.
    """
    wanted = schema_to_pyarrow(schema.select(*columns), include_field_ids=False)
    for _, batch in read_as_stored(io, path, schema, columns, batch_rows=batch_rows):
        arrays = [_as_type(array, field.type) for array, field in zip(batch.columns, wanted, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=wanted)


def read_as_stored(
    io: FileIO,
    path: str,
    schema: Schema,
    columns: Sequence[str],
    *,
    batch_rows: int,
    around: npt.NDArray[np.int64] | None = None,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Like `read_rows`, each batch with its first position, and texts as narrow as the file has them: no copies.

    Args:
        around: only row groups that hold one of these positions (ascending) are read.
    """
    wanted = schema_to_pyarrow(schema.select(*columns), include_field_ids=False)
    with open_parquet(io, path) as file:
        names = _names_by_id(file.schema_arrow)
        # In the table's order, whatever order the columns were asked for in.
        stored = [names.get(schema.find_field(name).field_id) for name in wanted.names]
        present = [name for name in stored if name is not None]
        start = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group)
            end = start + size.num_rows
            if around is None or np.diff(np.searchsorted(around, (start, end)))[0]:
                first = start
                rows = max(1, min(batch_rows, BATCH_BYTES * size.num_rows // max(size.total_byte_size, 1)))
                for batch in file.iter_batches(rows, row_groups=[group], columns=present, use_threads=False):
                    arrays = [
                        pa.nulls(batch.num_rows, field.type)
                        if name is None
                        else _fitted(batch.column(name), field.type)
                        for name, field in zip(stored, wanted, strict=True)
                    ]
                    yield first, pa.RecordBatch.from_arrays(arrays, wanted.names)
                    first += batch.num_rows
            start = end


@contextmanager
def open_parquet(io: FileIO, path: str) -> Generator[pq.ParquetFile]:
    """A Parquet file, wherever it lies; a local one is read by pyarrow itself, which takes no Python lock."""
    if path.startswith(SCHEME):
        with pq.ParquetFile(local_path(path)) as file:
            yield file
        return
    with io.new_input(path).open() as stream, pq.ParquetFile(stream, pre_buffer=True) as file:
        yield file


def dead_positions(io: FileIO, task: FileScanTask) -> npt.NDArray[np.int64]:
    """Positions in the task's data file that its delete files mark as deleted, ascending.

    Raises:
        FatalError: a delete file that does not name positions (equality deletes).
    """
    found = [_positions_in(io, file, task.file.file_path) for file in task.delete_files]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _positions_in(io: FileIO, delete_file: DataFile, path: str) -> npt.NDArray[np.int64]:
    with io.new_input(delete_file.file_path).open() as stream:
        if delete_file.file_format == FileFormat.PUFFIN:
            vectors = PuffinFile(stream.read()).to_vector()
            return np.asarray(vectors[path].to_numpy(), np.int64) if path in vectors else np.empty(0, np.int64)
        if delete_file.file_format != FileFormat.PARQUET:
            message = f"{delete_file.file_path}: delete files of format {delete_file.file_format} can't be read"
            raise FatalError(message)
        table = pq.read_table(stream, columns=["file_path", "pos"])
    return table.filter(pc.equal(table["file_path"], path))["pos"].to_numpy()


def _names_by_id(schema: pa.Schema) -> dict[int, str]:
    return {
        int(field.metadata[FIELD_ID]): field.name for field in schema if field.metadata and FIELD_ID in field.metadata
    }


def _as_type(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    return array if array.type.equals(wanted) else array.cast(wanted)


def _fitted(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The array in the wanted type, but for the width of its texts' offsets."""
    narrow = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return array if array.type.equals(narrow.get(wanted, wanted)) else _as_type(array, wanted)
