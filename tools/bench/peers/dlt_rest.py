"""dlt's `rest_api` source over the double of `make bench-rest`: base URL, folder, and how far it goes."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false
from __future__ import annotations

import os
import sys


def main(base_url: str, folder: str, what: str) -> None:
    """`read`: make the records and let them go. `load`: into Parquet files of dlt's own."""
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"file://{folder}/lake"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source(
        {
            "client": {
                "base_url": base_url,
                "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "starting_after"},
            },
            "resources": [
                {
                    "name": "customers",
                    "primary_key": "id",
                    "write_disposition": "replace",
                    "endpoint": {"path": "v1/customers", "params": {"limit": 100}, "data_selector": "data"},
                }
            ],
        }
    )
    if what == "read":
        print(sum(1 for _ in source))
        return
    pipeline = dlt.pipeline(
        "bench_rest", pipelines_dir=f"{folder}/pipelines", destination="filesystem", dataset_name="bench"
    )
    pipeline.run(source, loader_file_format="parquet")
    print(pipeline.last_trace.last_normalize_info.row_counts["customers"])


if __name__ == "__main__":
    main(*sys.argv[1:])
