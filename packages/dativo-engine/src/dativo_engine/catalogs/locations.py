"""Locations of local files as tables carry them: `file://` and the absolute path, unescaped.

PyIceberg and DuckDB take what follows `file://` as it stands, so an escaped space would name another folder.
"""

from __future__ import annotations

import re
from pathlib import Path

SCHEME = "file://"


def file_location(path: Path) -> str:
    """How tables name a local path."""
    return f"{SCHEME}{path.absolute()}"


def local_path(location: str) -> Path:
    """The local path that a table's location names."""
    return Path(location.removeprefix(SCHEME))


def is_local(location: str) -> bool:
    """Whether a location is on this machine."""
    return location.startswith((SCHEME, "/"))


def canonical(location: str) -> str:
    """One spelling for all locations of one file, to compare them by: Hadoop calls S3 otherwise."""
    if is_local(location):
        return str(local_path(location))
    scheme, separator, rest = location.partition("://")
    return f"s3{separator}{rest}" if scheme in {"s3a", "s3n"} else location


def shown_address(uri: str) -> str:
    """A server's address as messages may show it: without user, password and query.

    A password that should have been URL-encoded may hold any sign, so what could be part of one is not shown.
    """
    scheme, _, rest = uri.partition("://")
    before, _, address = rest.rpartition("@")
    return f"{scheme}://{'***' if set(before) & set('?#') else re.split('[?#]', address)[0]}"
