"""One Parquet file while it is written."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import compute_statistics_plan

from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.storage import Storage, writing
from dativo_engine.writers.encoding import Encoding
from dativo_engine.writers.fields import Leaf, leaves, without_dictionaries
from dativo_engine.writers.statistics import StatisticsPlan, count_nans, file_statistics

ROW_GROUP_ROWS = 250_000
ROW_GROUP_BYTES = 64 * 1024 * 1024
# Under which key, and as base64 of its IPC form: https://arrow.apache.org/docs/cpp/parquet.html#serialization-details
ARROW_SCHEMA = "ARROW:schema"


@dataclass(frozen=True)
class FileFormat:
    """What all files of one table have in common.

    Attributes:
        schema: Arrow's, with field ids. What is a dictionary here is none to those who read the file.
    """

    layout: TableLayout
    schema: pa.Schema
    encoding: Encoding
    storage: Storage

    @cached_property
    def leaves(self) -> Sequence[Leaf]:
        """The columns as Parquet stores them."""
        return leaves(self.layout.schema)

    @cached_property
    def told_schema(self) -> bytes:
        """The schema as a file tells it to readers that are Arrow's."""
        return base64.b64encode(without_dictionaries(self.schema).serialize())

    @cached_property
    def plan(self) -> StatisticsPlan:
        """Which statistics the table's properties ask for."""
        return compute_statistics_plan(self.layout.schema, dict(self.layout.io_properties))


class DataFile:
    """An open file. One thread at a time; ends with `finish` or `discard`."""

    def __init__(self, location: str, form: FileFormat, *, partition: tuple[object, ...]) -> None:
        """Open it.

        Raises:
            RetryableError, FatalError: the file system does not take it.
        """
        self.location = location
        self._form = form
        self._partition = partition
        self._rows = 0
        self._nans: Counter[int] = Counter()
        with writing(location):
            self._file = form.storage.create(location)
            self._parquet = pq.ParquetWriter(
                self._file.sink,
                form.schema,
                store_schema=False,
                compression=form.encoding.compression,  # pyright: ignore[reportArgumentType] - the stub lacks a dict
                use_dictionary=form.encoding.dictionary,  # pyright: ignore[reportArgumentType] - the stub lacks a list
                column_encoding=form.encoding.packed or None,
                store_decimal_as_integer=True,
                write_page_checksum=True,
                # Pages end by their bytes: without a page index, which is not written, short ones serve no reader.
                max_rows_per_page=ROW_GROUP_ROWS,
            )
            self._parquet.add_key_value_metadata({ARROW_SCHEMA: form.told_schema})

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.sink.tell()

    def write(self, rows: pa.Table) -> None:
        """Append row groups of about the same size.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        groups = max(round(rows.num_rows / ROW_GROUP_ROWS), rows.nbytes // ROW_GROUP_BYTES, 1)
        with writing(self.location):
            self._parquet.write_table(rows, row_group_size=-(-rows.num_rows // groups))
        self._rows += rows.num_rows
        self._nans.update(count_nans(rows, self._form.leaves))

    def finish(self) -> StagedFile:
        """Complete the file and show it under its name.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        layout = self._form.layout
        with writing(self.location):
            self._parquet.close()
            size = self._file.sink.tell()
            self._file.finish()
        footer = self._parquet.writer.metadata
        known = file_statistics(footer, self._form.leaves, self._form.plan)
        return StagedFile(
            table=layout.table,
            path=self.location,
            rows=self._rows,
            size=size,
            spec_id=layout.spec.spec_id,
            partition=self._partition,
            sort_order_id=None if layout.sort_order.is_unsorted else layout.sort_order.order_id,
            column_sizes=known.column_sizes,
            value_counts=known.value_counts,
            null_value_counts=known.null_value_counts,
            nan_value_counts=dict(self._nans),
            lower_bounds=known.lower_bounds,
            upper_bounds=known.upper_bounds,
            split_offsets=known.split_offsets,
        )

    def discard(self) -> None:
        """Leave nothing of it.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        # Or it would write the footer when it is collected.
        self._parquet.is_open = False
        with writing(self.location):
            self._file.discard()
