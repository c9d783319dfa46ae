"""The official CSV of `make bench-csv`: five million orders, twelve columns, about 760 MB, the same bytes every time.

python -m tools.bench.generate orders.csv --rows 5000000 --bad-per-mille 1
"""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

BLOCK_ROWS = 250_000
STATUSES = ("new", "paid", "packed", "shipped", "delivered", "returned")
COUNTRIES = ("DE", "FR", "NO", "US", "BR", "JP", "IN", "ZA", "PL", "GB", "ES", "IT")
WORDS = ("please", "leave", "the", "parcel", "with", "a", "neighbour", "ring", "twice", "fragile", "gift", "thanks")
Column: TypeAlias = "pa.Array[pa.Scalar[pa.DataType]]"
FIRST_DAY = np.datetime64("2020-01-01", "us")
DAYS = 1826


def main() -> None:
    """Write one file."""
    arguments = argparse.ArgumentParser(description="Write the CSV of the benchmark.")
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--bad-per-mille", type=int, default=0, help="rows of a thousand that break the contract")
    given = arguments.parse_args()
    write(given.file, rows=given.rows, bad_per_mille=given.bad_per_mille)


def write(file: Path, *, rows: int, bad_per_mille: int) -> None:
    """Write the rows 1 to `rows`, complete or not at all."""
    unfinished = file.with_suffix(".unfinished")
    options = csv.WriteOptions(quoting_style="none")
    schema = block(0, 1, bad_per_mille=bad_per_mille).schema
    with unfinished.open("wb") as sink, csv.CSVWriter(sink, schema, write_options=options) as writer:
        for start in range(0, rows, BLOCK_ROWS):
            writer.write_batch(block(start, min(BLOCK_ROWS, rows - start), bad_per_mille=bad_per_mille))
    unfinished.rename(file)


def block(start: int, count: int, *, bad_per_mille: int) -> pa.RecordBatch:
    """The `count` orders after order number `start`; random by block, so any block can be made alone."""
    random = np.random.default_rng([20_260_101, start])
    created = FIRST_DAY + random.integers(0, DAYS * 86_400_000_000, count).astype("timedelta64[us]")
    cents = random.integers(1, 5_000_000, count)
    columns: dict[str, Column] = {
        "id": pa.array(np.arange(start + 1, start + count + 1)),
        "customer_id": pa.array(random.integers(1, 900_000, count)),
        "quantity": pa.array(random.integers(1, 1000, count), mask=random.random(count) < 0.02),
        "amount": _money(cents),
        "score": pa.array(random.random(count).round(12), mask=random.random(count) < 0.05),
        "status": _chosen(random, STATUSES, count),
        "country": _chosen(random, COUNTRIES, count),
        "email": _emails(random, count),
        "order_date": pa.array(created.astype("datetime64[D]")),
        "created_at": pa.array(created),
        "is_gift": pa.array(random.random(count) < 0.1, mask=random.random(count) < 0.01),
        "note": _notes(random, count),
    }
    if bad_per_mille:
        _spoil(columns, random.permutation(count)[: count * bad_per_mille // 1000], count)
    return pa.RecordBatch.from_pydict(columns)


def _money(cents: np.ndarray) -> Column:
    hundredth = pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))
    return pc.multiply(pa.array(cents).cast(pa.decimal128(19, 0)), hundredth).cast(pa.decimal128(18, 2))


def _chosen(random: np.random.Generator, values: tuple[str, ...], count: int) -> pa.StringArray:
    return pa.array(values).take(random.integers(0, len(values), count))


def _emails(random: np.random.Generator, count: int) -> pa.StringArray:
    numbers = pa.array(random.integers(0, 10**12, count)).cast(pa.string())
    hosts = _chosen(random, ("mail.example.com", "example.org", "post.example.net"), count)
    names = pc.call_function("binary_join_element_wise", ["customer", numbers, "."])
    return pc.call_function("binary_join_element_wise", [names, hosts, "@"])


def _notes(random: np.random.Generator, count: int) -> pa.StringArray:
    words = random.choice(WORDS, (2000, 5))
    phrases = pa.array([" ".join(phrase) for phrase in words])
    picked = phrases.take(random.integers(0, len(phrases), count))
    return pc.if_else(pa.array(random.random(count) < 0.3), pa.scalar(None, pa.string()), picked)


def _spoil(columns: dict[str, Column], rows: np.ndarray, count: int) -> None:
    """Break the contract at `rows`: a third each by a cell that is no number, a bad address and an unknown status."""
    for part, (column, text) in enumerate((("amount", "n/a"), ("email", "nobody"), ("status", "lost"))):
        spoiled = np.zeros(count, dtype=bool)
        spoiled[rows[part::3]] = True
        columns[column] = pc.if_else(pa.array(spoiled), text, columns[column].cast(pa.string()))


if __name__ == "__main__":
    main()
