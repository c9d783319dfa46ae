"""dlt's `upsert` into an Iceberg table of its own, for `make bench-merge`: work folder, Parquet file, disposition."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false
from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq


def main(folder: str, file: str, disposition: str) -> None:
    """Load the file: `append`, or `merge` with the strategy upsert."""
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"file://{folder}/lake"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    def orders() -> Iterator[pa.RecordBatch]:
        yield from pq.ParquetFile(file).iter_batches(batch_size=250_000)

    write = {"disposition": "merge", "strategy": "upsert"} if disposition == "merge" else disposition
    resource = dlt.resource(
        orders, name="orders", primary_key="id", write_disposition=write, table_format="iceberg", file_format="parquet"
    )
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=f"{folder}/pipelines", destination="filesystem", dataset_name="bench"
    )
    pipeline.run(resource)


if __name__ == "__main__":
    main(*sys.argv[1:])
