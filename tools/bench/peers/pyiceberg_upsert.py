"""PyIceberg's `Table.upsert` of a Parquet file, for `make bench-merge`: catalogue file, table, changes."""

# pyright: reportMissingImports=false
from __future__ import annotations

import sys

import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog


def main(catalog_file: str, name: str, changes: str) -> None:
    """Upsert by `id`."""
    table = SqlCatalog("dativo", uri=f"sqlite:///{catalog_file}").load_table(name)
    table.upsert(pq.read_table(changes).cast(table.schema().as_arrow()), join_cols=["id"])


if __name__ == "__main__":
    main(*sys.argv[1:])
