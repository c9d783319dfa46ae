"""The JSON Schemas of the files, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dativo_config.json_schema import schemas
from dativo_config.models.connector import ConnectorSpec


def write_schemas(folder: Path, connectors: Mapping[str, ConnectorSpec]) -> list[Path]:
    """Write one file for each kind of YAML file; answers the files, newly written or already as they should be."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, schema in schemas(connectors).items():
        file = folder / name
        file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(file)
    return written
