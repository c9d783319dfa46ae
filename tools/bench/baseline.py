"""What dativo is measured against: pyarrow's CSV reader with the types told, into one zstd Parquet file, no checks."""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

TYPES = {
    "id": pa.int64(),
    "customer_id": pa.int64(),
    "quantity": pa.int32(),
    "amount": pa.decimal128(18, 2),
    "score": pa.float64(),
    "status": pa.string(),
    "country": pa.string(),
    "email": pa.string(),
    "order_date": pa.date32(),
    "created_at": pa.timestamp("us"),
    "is_gift": pa.bool_(),
    "note": pa.string(),
}


def main(source: str, target: str) -> None:
    """Copy block by block."""
    convert = csv.ConvertOptions(column_types=TYPES, strings_can_be_null=True)
    read = csv.ReadOptions(block_size=8 << 20)  # the quickest of 1 to 32 MiB; each block becomes a row group
    with csv.open_csv(source, read_options=read, convert_options=convert) as reader:  # noqa: SIM117 (the writer needs the reader's schema)
        with pq.ParquetWriter(target, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
