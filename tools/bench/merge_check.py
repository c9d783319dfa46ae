"""Whether a merge gave the right table: the same figures from DuckDB, PyIceberg and Spark as from the data itself.

A process of its own, for what it takes in memory would count as that of every program measured after it.

    python -m tools.bench.merge_check .cache/bench-merge clustered
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import duckdb
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from tests.readers.duckdb_reader import connect
from tools.bench.baseline import TYPES
from tools.bench.merge_peers import Peers

# Rows, distinct keys, three sums, and how many of the changed rows are there in all twelve columns.
Figures: TypeAlias = tuple[Decimal, ...]
_SAME = " AND ".join(f"t.{name} IS NOT DISTINCT FROM c.{name}" for name in TYPES if name != "id")
FIGURES = (
    "SELECT count(*), count(DISTINCT t.id), sum(t.id), sum(t.quantity), sum(t.amount), "
    f"sum(CASE WHEN {_SAME} THEN 1 ELSE 0 END) FROM {{table}} t LEFT JOIN {{changes}} c ON t.id = c.id"
)


def main(work: Path, changes: str) -> None:
    """Read back what a merge of dativo's left, by three engines, and print what to note.

    Raises:
        SystemExit: one of them finds something else than must be there, or there is more than one new snapshot.
    """
    table = table_of(work / "state" / "bench" / "catalog.db")
    file = work / "data" / f"{changes}.parquet"
    wanted = expected(work / "data" / "base.parquet", file)
    found = {
        "DuckDB": by_duckdb(table, file),
        "PyIceberg": by_pyiceberg(table, file),
        "Spark": by_spark(Peers(work), file),
    }
    snapshots = len(table.snapshots()) - 1
    wrong = {name: figures for name, figures in found.items() if figures != wanted}
    if wrong or snapshots != 1:
        raise SystemExit(f"{changes}: wanted {wanted} in one snapshot, found {snapshots}: {wrong}")
    print(
        f"dativo, {changes}: one snapshot, and none for the same changes again; {', '.join(found)} read "
        f"{wanted[0]:,} rows of as many keys, three right sums, and all {wanted[5]:,} changed rows in full."
    )


def expected(base: Path, changes: Path) -> Figures:
    """What they must be, from base and changes."""
    merged = (
        f"(SELECT * FROM '{base}' b ANTI JOIN '{changes}' c ON b.id = c.id UNION ALL BY NAME SELECT * FROM '{changes}')"
    )
    with duckdb.connect() as db:
        return _figures(db, merged, changes)


def table_of(catalog_file: Path) -> Table:
    """The table as its catalogue has it."""
    return SqlCatalog("dativo", uri=f"sqlite:///{catalog_file}").load_table("bench.orders")


def by_duckdb(table: Table, changes: Path) -> Figures:
    """Through `iceberg_scan`."""
    with connect() as db:
        return _figures(db, f"iceberg_scan('{table.metadata_location.removeprefix('file://')}')", changes)


def by_pyiceberg(table: Table, changes: Path) -> Figures:
    """Through a scan of PyIceberg's, batch by batch."""
    with duckdb.connect() as db:
        db.register("scanned", table.scan().to_arrow_batch_reader())
        return _figures(db, "scanned", changes)


def by_spark(peers: Peers, changes: Path) -> Figures:
    """Through Spark and its own Iceberg."""
    taken = peers.spark_sql(changes, FIGURES.format(table="lake.bench.orders", changes="changes"))
    (row,) = json.loads(taken.stdout.splitlines()[-1])
    return tuple(map(Decimal, row))


def _figures(db: duckdb.DuckDBPyConnection, table: str, changes: Path) -> Figures:
    row = db.execute(FIGURES.format(table=table, changes=f"'{changes}'")).fetchone()
    assert row is not None
    return tuple(map(Decimal, row))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
