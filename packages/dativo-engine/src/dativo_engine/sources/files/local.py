"""Files on this machine."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_engine.errors import FatalError, RetryableError
from dativo_engine.sources.files import patterns
from dativo_engine.sources.files.file import File

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """Paths; `project` is what names are relative to, so that a moved project keeps its cursors."""

    project: Path

    def find(self, pattern: str, suffixes: tuple[str, ...]) -> Iterator[File]:
        """The files of a path, glob or folder."""
        try:
            if not Path(pattern).exists() and patterns.has_wildcard(pattern):
                yield from self._glob(pattern)
            elif Path(pattern).is_dir():
                yield from (self.look(path) for path in _walk(pattern, deep=True) if patterns.belongs(path, suffixes))
            elif Path(pattern).exists():
                yield self.look(pattern)
        except PermissionError as error:
            message = f"{error.filename}: no permission to read it; let the user that runs dativo read it"
            raise FatalError(message) from error

    def look(self, location: str) -> File:
        """One file as it is now."""
        try:
            status = os.stat(location)  # noqa: PTH116 a Path for each of many thousand files takes longer than the call
        except FileNotFoundError as error:
            message = f"{location}: the file vanished while the run was reading"
            raise RetryableError(message) from error
        return File(self._name(location), location, status.st_size, status.st_mtime_ns)

    def stream(self, location: str) -> io.RawIOBase:
        """Unbuffered: readers ask for whole blocks."""
        return _open(location)

    def random_access(self, location: str) -> pa.NativeFile:
        """A plain file, not a memory map: mapped pages would count as the run's memory."""
        import pyarrow as pa

        _open(location).close()
        return pa.OSFile(location)

    def _glob(self, pattern: str) -> Iterator[File]:
        folder = patterns.folder_of(pattern) or "/"
        if Path(folder).is_dir():
            for path in _walk(folder, deep=patterns.is_deep(pattern)):
                if patterns.matches(pattern, path):
                    yield self.look(path)

    def _name(self, location: str) -> str:
        return location.removeprefix(f"{self.project}{os.sep}").replace(os.sep, "/")


def _walk(folder: str, *, deep: bool) -> Iterator[str]:
    """Every file below a folder, symbolic links to files included; links to folders are not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    yield from _walk(entry.path, deep=True)
            elif entry.is_file():
                yield entry.path


def _open(location: str) -> io.FileIO:
    try:
        return Path(location).open("rb", buffering=0)
    except FileNotFoundError as error:
        message = f"{location}: the file vanished while the run was reading"
        raise RetryableError(message) from error
    except PermissionError as error:
        message = f"{location}: no permission to read it; let the user that runs dativo read it"
        raise FatalError(message) from error
