"""Tables to write to, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_config.models.resolved import TableName
from dativo_engine.interfaces import StagedFile, TableLayout
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import Transform
from pyiceberg.types import IcebergType, NestedField

MakeLayout = Callable[..., TableLayout]


@pytest.fixture
def make_layout(tmp_path: Path) -> MakeLayout:
    """A layout of columns by name and type; partitions by column and transform."""

    def make(
        columns: dict[str, IcebergType],
        *,
        partitions: Sequence[tuple[str, Transform[Any, Any]]] = (),
        order: Sequence[SortField] = (),
        target: int = 128 * 1024 * 1024,
        location: Path | None = None,
    ) -> TableLayout:
        schema = Schema(
            *(NestedField(n, name, kind, required=False) for n, (name, kind) in enumerate(columns.items(), 1))
        )
        fields = (
            PartitionField(schema.find_field(column).field_id, 1000 + n, transform, f"p{n}_{column}")
            for n, (column, transform) in enumerate(partitions)
        )
        return TableLayout(
            table=TableName(("acme",), "orders"),
            location=str(location or tmp_path / "orders"),
            io_properties={},
            schema=schema,
            spec=PartitionSpec(*fields, spec_id=3),
            sort_order=SortOrder(*order, order_id=7 if order else 0),
            target_file_bytes=target,
        )

    return make


@pytest.fixture
def read_back() -> Callable[[Sequence[StagedFile]], pa.Table]:
    """The rows of staged files, in the order of the files, then of their rows."""
    return lambda files: pa.concat_tables([pq.ParquetFile(file.path).read() for file in files])
