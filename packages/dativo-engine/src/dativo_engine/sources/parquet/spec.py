"""What the Parquet connector takes and can do."""

from __future__ import annotations

from dativo_config.models.connector import ConnectorSpec

from dativo_engine.sources.files.spec import (
    ENVIRONMENT,
    INCREMENTAL_NOTES,
    INCREMENTAL_STRATEGIES,
    S3Connection,
    S3Credentials,
)

SPEC = ConnectorSpec(
    name="parquet",
    summary="Parquet files: local paths, globs, folders, s3:// and http(s)://",
    credentials=S3Credentials,
    connection=S3Connection,
    suffixes=(".parquet", ".pq"),
    incremental_strategies=INCREMENTAL_STRATEGIES,
    incremental_notes=INCREMENTAL_NOTES,
    local_paths=True,
    capabilities=("parallel", "remote"),
    environment=ENVIRONMENT,
)
