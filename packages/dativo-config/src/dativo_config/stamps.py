"""By what a file that was edited differs from what it was."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

# Time of change in nanoseconds, size, inode; None: there is no such file.
Stamp: TypeAlias = "tuple[int, int, int] | None"


def stamp(path: Path) -> Stamp:
    """The file's stamp at this moment: of what a link leads to, as mounted configuration is swapped that way."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
