"""What the JSON connector takes and can do."""

from __future__ import annotations

from dativo_config.models.connector import ConnectorSpec
from pydantic import Field

from dativo_engine.sources.files.spec import (
    ENVIRONMENT,
    INCREMENTAL_NOTES,
    INCREMENTAL_STRATEGIES,
    FileOptions,
    S3Connection,
    S3Credentials,
)


class JsonlOptions(FileOptions):
    """How the files are built."""

    records_path: str | None = Field(
        default=None,
        min_length=1,
        description="Where the list of objects is in a JSON document, as keys with dots between them (`data.items`).",
    )


SPEC = ConnectorSpec(
    name="jsonl",
    summary="JSON Lines and JSON arrays: local paths, globs, folders, s3:// and http(s)://",
    options=JsonlOptions,
    credentials=S3Credentials,
    connection=S3Connection,
    suffixes=(".jsonl", ".ndjson", ".json"),
    incremental_strategies=INCREMENTAL_STRATEGIES,
    incremental_notes=INCREMENTAL_NOTES,
    local_paths=True,
    capabilities=("parallel", "malformed_records", "remote"),
    environment=ENVIRONMENT,
)
