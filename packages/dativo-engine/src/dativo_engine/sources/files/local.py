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
    from dativo_config.walls import Walls


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """Paths below the walls of a tenant's job.

    Attributes:
        project: what names are relative to, so that a moved project keeps its cursors.
        walls: asked about what an input names, and about every link that is found.
    """

    project: Path
    walls: Walls | None = None

    def find(self, pattern: str, suffixes: tuple[str, ...]) -> Iterator[File]:
        """The files of a path, glob or folder."""
        try:
            if not Path(pattern).exists() and patterns.has_wildcard(pattern):
                yield from self._glob(pattern)
            elif Path(pattern).is_dir():
                files = self._walk(pattern, deep=True)
                yield from (self.look(path) for path in files if patterns.belongs(path, suffixes))
            elif Path(pattern).exists():
                yield self.look(self._inside(pattern))
        except PermissionError as error:
            message = f"{error.filename}: no permission to read it; let the user that runs dativo read it"
            raise FatalError(message) from error

    def look(self, location: str) -> File:
        """One file as it is now."""
        try:
            status = os.stat(location)  # noqa: PTH116 - a Path for each of many thousand files takes longer than the call
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
            files = self._walk(folder, deep=patterns.is_deep(pattern))
            yield from (self.look(path) for path in files if patterns.matches(pattern, path))

    def _walk(self, folder: str, *, deep: bool) -> Iterator[str]:
        """Every file below a folder but hidden ones. Links to files count, links to folders are not followed."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if deep:
                        yield from self._walk(entry.path, deep=True)
                elif entry.is_file():
                    yield self._inside(entry.path) if entry.is_symlink() else entry.path

    def _inside(self, path: str) -> str:
        """The path, if the walls let the job read what it leads to."""
        refusal = self.walls.refusal(path, contents=False) if self.walls is not None else ""
        if refusal:
            message = f"{path}: {refusal}, which this tenant's jobs may not read"
            raise FatalError(message)
        return path

    def _name(self, location: str) -> str:
        return location.removeprefix(f"{self.project}{os.sep}").replace(os.sep, "/")


def _open(location: str) -> io.FileIO:
    try:
        return Path(location).open("rb", buffering=0)
    except FileNotFoundError as error:
        message = f"{location}: the file vanished while the run was reading"
        raise RetryableError(message) from error
    except PermissionError as error:
        message = f"{location}: no permission to read it; let the user that runs dativo read it"
        raise FatalError(message) from error
