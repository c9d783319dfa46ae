"""Locations of local files as tables carry them: `file://` and the absolute path, unescaped.

PyIceberg and DuckDB take what follows `file://` as it stands, so an escaped space would name another folder.
"""

from __future__ import annotations

from pathlib import Path

SCHEME = "file://"


def file_location(path: Path) -> str:
    """How tables name a local path."""
    return f"{SCHEME}{path.absolute()}"


def local_path(location: str) -> Path:
    """The local path that a table's location names."""
    return Path(location.removeprefix(SCHEME))
