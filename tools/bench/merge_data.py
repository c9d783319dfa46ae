"""What `make bench-merge` merges: a base of orders in key order, and sets of changes to it, as Parquet files.

A change set is nine parts updates and one part inserts. `clustered`: the updates lie in the newest hundredth of the
base; `spread`: anywhere; `small`: a thousand updates anywhere. The same bytes every time.

    python -m tools.bench.merge_data folder --rows 10000000 --changes 100000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tools.bench.generate import BLOCK_ROWS, block

SETS = ("clustered", "spread", "small")
SMALL = 1000


def main() -> None:
    """Write `base.parquet` and one file for each set of changes."""
    arguments = argparse.ArgumentParser(description="Write the data of the merge benchmark.")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--changes", type=int, default=100_000)
    given = arguments.parse_args()
    for name in SETS:
        pq.write_table(changes(name, rows=given.rows, count=given.changes), given.folder / f"{name}.parquet")
    write_base(given.folder / "base.parquet", rows=given.rows)


def write_base(file: Path, *, rows: int) -> None:
    """Orders 1 to `rows`, complete or not at all."""
    unfinished = file.with_suffix(".unfinished")
    with pq.ParquetWriter(unfinished, block(0, 1, bad_per_mille=0).schema, compression="zstd") as writer:
        for start in range(0, rows, BLOCK_ROWS):
            writer.write_batch(block(start, min(BLOCK_ROWS, rows - start), bad_per_mille=0))
    unfinished.rename(file)


def changes(name: str, *, rows: int, count: int) -> pa.Table:
    """One set: new values in every column of the orders it updates, and orders with numbers above `rows`."""
    random = np.random.default_rng([20_260_102, SETS.index(name)])
    inserts = 0 if name == "small" else count // 10
    updates = SMALL if name == "small" else count - inserts
    among = rows // 100 if name == "clustered" else rows
    updated = rows + 1 - among + random.choice(among, min(updates, among), replace=False)
    ids = np.concatenate([updated, np.arange(rows + 1, rows + inserts + 1)])
    # Orders from far behind the base: no value is what it was.
    values = block(1_000_000_000 + SETS.index(name), len(ids), bad_per_mille=0)
    return pa.Table.from_batches([values.set_column(0, "id", pa.array(ids))])


if __name__ == "__main__":
    main()
