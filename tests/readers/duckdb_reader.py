"""DuckDB with its `iceberg` extension, loaded from a wheel beside DuckDB's own, so without a download."""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg

from tests.readers.pyiceberg_reader import is_simple
from tests.readers.view import Figures, TableView, view

# In the order in which they need each other; of the version of the DuckDB that is installed.
EXTENSIONS = {"avro": duckdb_extension_avro, "httpfs": duckdb_extension_httpfs, "iceberg": duckdb_extension_iceberg}


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB that can read Iceberg tables. The caller closes it."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    for name, wheel in EXTENSIONS.items():
        folder = Path(str(wheel.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
        connection.load_extension(str(folder / f"{name}.duckdb_extension"))
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class DuckDBReader:
    """Reads rows and computes nulls and bounds in SQL, as an analyst would."""

    name = "duckdb"

    def read(self, metadata_location: str) -> TableView:
        """See `Reader.read`."""
        with connect() as connection:
            scan = f"iceberg_scan('{metadata_location.removeprefix('file://')}')"
            table = connection.execute(f"SELECT * FROM {scan}").to_arrow_table()
            statistics: dict[str, Figures] = {}
            for name in (field.name for field in table.schema if is_simple(field)):
                column = '"' + name.replace('"', '""') + '"'
                query = f"SELECT count(*) - count({column}), min({column}), max({column}) FROM {scan}"
                nulls, lowest, highest = connection.execute(query).to_arrow_table().to_pylist()[0].values()
                statistics[name] = nulls, lowest, highest
        return view(table.to_pylist(), table.column_names, statistics)
