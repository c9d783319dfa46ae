"""Reads rows back out of a table's data files, whatever schema each was written with and by whom."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO, InputStream
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.name_mapping import NameMapping
from pyiceberg.table.puffin import PuffinFile
from pyiceberg.transforms import IdentityTransform

from dativo_engine.catalogs.locations import SCHEME, local_path
from dativo_engine.commits.projection import Projection
from dativo_engine.errors import FatalError

# Of a batch, in the file, uncompressed: dictionaries and packed numbers take several times that when decoded.
BATCH_BYTES = 8 * 1024 * 1024
# From a local file: less than a column of a row group, so that what one read took in memory serves the next.
LOCAL_READ_BYTES = 256 * 1024
# As it lies in the file. Longer ones may have been given up half-way, and each batch carries its own whole.
SHORT_DICTIONARY_BYTES = 64 * 1024
# Whose dictionaries have each value once, as the format does not ask: Arrow drops the second of two that are equal when
# it reads a dictionary as one, and the numbers of all that follow would be wrong.
UNIQUE_DICTIONARIES = ("parquet-cpp-arrow ", "parquet-mr ")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads data files of one table: its own ones, staged ones, and those that others gave it.

    Attributes:
        schema: as which the rows are read.
        names: which names columns have in files without field ids; None: the table does not say.
        specs: the table's partition specs, by number.
    """

    io: FileIO
    schema: Schema
    names: NameMapping | None = None
    specs: Mapping[int, PartitionSpec] = field(default_factory=dict[int, PartitionSpec])

    def rows(self, file: DataFile | str, columns: Sequence[str], *, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of a data file in file order, as columns of the table's present schema.

        A column the file was written without is null, or has the value of the file's partition; one that was widened
        since is cast. Rows that delete files mark as dead are among them: see `dead_positions`.

        Args:
            file: a staged one by its path.
            batch_rows: the most rows of a batch; fewer where they are wide.

        Raises:
            FatalError: nothing says which columns the file has, or they are not the table's.
        """
        wanted = schema_to_pyarrow(self.schema.select(*columns), include_field_ids=False)
        for _, batch in self.as_stored(file, columns, batch_rows=batch_rows):
            arrays = [_as_type(array, field.type) for array, field in zip(batch.columns, wanted, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=wanted)

    def as_stored(
        self,
        file: DataFile | str,
        columns: Sequence[str],
        *,
        batch_rows: int,
        around: npt.NDArray[np.int64] | None = None,
        dictionaries: bool = False,
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Like `rows`, each batch with its first position, and texts as narrow as the file has them: no copies.

        Args:
            around: only row groups that hold one of these positions (ascending) are read.
            dictionaries: texts of which the file has a short dictionary come as one.
        """
        # In the table's order, whatever order the columns were asked for in.
        selected = self.schema.select(*columns)
        kinds = schema_to_pyarrow(selected, include_field_ids=False)
        path = file if isinstance(file, str) else file.file_path
        with open_parquet(self.io, path, dictionaries=dictionaries) as parquet:
            names = None if self.names is None else self.names.root
            projection = Projection(path, names, {} if isinstance(file, str) else self._constants(file))
            found = projection.columns(parquet.schema_arrow, selected.fields, kinds)
            present = [column.name for column in found if column.name is not None]
            start = 0
            for group in range(parquet.num_row_groups):
                size = parquet.metadata.row_group(group)
                end = start + size.num_rows
                if around is None or np.diff(np.searchsorted(around, (start, end)))[0]:
                    first = start
                    rows = max(1, min(batch_rows, BATCH_BYTES * size.num_rows // max(size.total_byte_size, 1)))
                    for batch in parquet.iter_batches(rows, row_groups=[group], columns=present, use_threads=False):
                        stored = dict(zip(batch.schema.names, batch.columns, strict=True))
                        arrays = [column.of(stored, batch.num_rows) for column in found]
                        yield first, pa.RecordBatch.from_arrays(arrays, [item.name for item in selected.fields])
                        first += batch.num_rows
                start = end

    def _constants(self, file: DataFile) -> dict[int, object]:
        """Columns by which the file is partitioned as they are: files made by Hive have them in their path alone."""
        spec = self.specs.get(file.spec_id)
        fields = () if spec is None else spec.fields
        return {
            item.source_id: file.partition[number]
            for number, item in enumerate(fields)
            if isinstance(item.transform, IdentityTransform)
        }


def reader_of(metadata: TableMetadata, io: FileIO, *, schema: Schema | None = None) -> Reader:
    """For the files of a table; as it will be, where another `schema` is given."""
    specs = {spec.spec_id: spec for spec in metadata.partition_specs}
    return Reader(io, schema or metadata.schema(), metadata.name_mapping(), specs)


@contextmanager
def open_parquet(io: FileIO, path: str, *, dictionaries: bool = False) -> Generator[pq.ParquetFile]:
    """A Parquet file, wherever it lies; a local one is read by pyarrow itself, which takes no Python lock.

    Args:
        dictionaries: texts of which the file has a short dictionary are read as one.
    """
    with _source(io, path) as source:
        footer = pq.read_metadata(source) if dictionaries else None
        kept = None if footer is None else _short_dictionaries(footer)
        remote = not path.startswith(SCHEME)
        read_at_once = 0 if remote else LOCAL_READ_BYTES
        with pq.ParquetFile(
            source, metadata=footer, read_dictionary=kept, pre_buffer=remote, buffer_size=read_at_once
        ) as file:
            yield file


@contextmanager
def _source(io: FileIO, path: str) -> Generator[Path | InputStream]:
    if path.startswith(SCHEME):
        yield local_path(path)
        return
    with io.new_input(path).open() as stream:
        yield stream


def _short_dictionaries(footer: pq.FileMetaData) -> list[str]:
    """Top-level columns of texts or bytes with a short dictionary in every row group, which were not given up."""
    found: list[str] = []
    if not (footer.created_by or "").startswith(UNIQUE_DICTIONARIES):
        return found
    for number in range(footer.num_columns):
        column = footer.schema.column(number)
        if column.physical_type == "BYTE_ARRAY" and column.name == column.path:
            chunks = [footer.row_group(group).column(number) for group in range(footer.num_row_groups)]
            if chunks and all(_has_short_dictionary(chunk) for chunk in chunks):
                found.append(column.path)
    return found


def _has_short_dictionary(chunk: pq.ColumnChunkMetaData) -> bool:
    start = chunk.dictionary_page_offset
    return start is not None and chunk.data_page_offset - start <= SHORT_DICTIONARY_BYTES


def dead_positions(io: FileIO, task: FileScanTask) -> npt.NDArray[np.int64]:
    """Positions in the task's data file that its delete files mark as deleted, ascending.

    Raises:
        FatalError: a delete file of a format that can't be read.
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


def _as_type(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    return array if array.type.equals(wanted) else array.cast(wanted)
