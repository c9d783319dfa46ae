"""Names of the format that this version refuses."""

from __future__ import annotations

from typing import Any

import pytest
from dativo_config.models.contract import JsonValue
from dativo_config.unavailable import Kind, unavailable


def nested(path: str, value: JsonValue) -> dict[str, Any]:
    """`a.0.b` as values."""
    for step in reversed(path.split(".")):
        value = [value] if step.isdigit() else {step: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        *[
            ("job", "source_connector", name)
            for name in ("postgres", "mysql", "google_sheets", "google_drive_csv", "markdown_kv")
        ],
        *[("job", "target_connector", name) for name in ("parquet", "s3", "minio", "azure", "gcs", "local")],
        *[
            ("job", f"{side}.engine.type", name)
            for side in ("source", "target")
            for name in ("airbyte", "meltano", "singer")
        ],
        ("job", "source.engine.options", {"image": "x"}),
        ("job", "source.custom_reader", "a.py:A"),
        ("job", "target.custom_writer", "a.py:A"),
        ("job", "source.tables", [{"name": "t"}]),
        ("job", "source.sheets", [{"spreadsheet_id": "t"}]),
        ("job", "source.dsn", "postgres://"),
        ("job", "source.files.0.file_id", "x"),
        ("job", "source.files.0.id", "x"),
        ("job", "target.markdown_kv_storage", {"mode": "string"}),
        ("job", "catalog", {"type": "openmetadata"}),
        ("job", "plugins", {"sandbox": {"enabled": True}}),
        *[("job", f"target.connection.{name}", {"uri": "x"}) for name in ("glue", "hive", "azure", "gcs")],
        ("job", "target.catalog", "glue"),
        ("job", "target.warehouse", "abfss://lake/x"),
        ("recipe", "type", "postgres"),
        ("recipe", "default_engine.type", "singer"),
        ("recipe", "catalog", "hive"),
        ("recipe", "supports_incremental", True),
    ],
)
def test_a_refused_name_is_told_with_what_to_write_instead(kind: Kind, path: str, value: JsonValue) -> None:
    ((found, message, instead),) = unavailable(kind, nested(path, value))
    assert ".".join(str(step) for step in found) == path
    assert "in this version" in message or "built into" in message
    assert instead


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("job", "source_connector", "csv"),
        ("job", "source_connector", "postgress"),  # an unknown connector, which is another problem
        ("job", "source.engine", {"type": "native", "options": {}}),
        ("job", "source.tables", None),
        *[("job", "target.catalog", name) for name in ("embedded", "nessie", "rest", "sql")],
        *[("job", f"target.connection.{name}", {"uri": "x"}) for name in ("nessie", "rest", "sql", "s3", "minio")],
        *[("job", "target.warehouse", name) for name in ("state/lake", "s3://lake/x")],
        ("job", "target.connection", {}),
        ("job", "source.files.0.path", "x.csv"),
        ("recipe", "type", "csv"),
        ("runner", "runner.mode", "oneshot"),
    ],
)
def test_what_is_available_is_not_refused(kind: Kind, path: str, value: JsonValue) -> None:
    assert unavailable(kind, nested(path, value)) == []


@pytest.mark.parametrize("value", [None, [], "x", 3, {"source": []}, {"source": {"files": "x"}}, {"target": [1]}])
def test_malformed_files_are_left_to_the_models(value: JsonValue) -> None:
    assert unavailable("job", value) == []
