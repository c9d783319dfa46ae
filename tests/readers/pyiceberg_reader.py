"""PyIceberg's StaticTable: the metadata file alone, no catalogue."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import StaticTable

from tests.readers.view import TableView, view


class PyIcebergReader:
    """Reads rows from the data files; nulls and bounds are computed from those rows."""

    name = "pyiceberg"

    def read(self, metadata_location: str) -> TableView:
        """See `Reader.read`."""
        table = StaticTable.from_metadata(metadata_location).scan().to_arrow()
        statistics = {name: _figures(table[name]) for name in table.column_names if is_simple(table.schema.field(name))}
        return view(table.to_pylist(), table.column_names, statistics)


def is_simple(field: pa.Field) -> bool:
    """Whether a column has one lowest and one highest value that every reader agrees on."""
    return not (pa.types.is_nested(field.type) or _is_binary(field.type))


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return isinstance(kind, pa.BaseExtensionType) or any(test(kind) for test in tests)


def _figures(column: pa.ChunkedArray) -> tuple[int, object, object]:
    extremes = pc.call_function("min_max", [column]).as_py()
    return column.null_count, extremes["min"], extremes["max"]
