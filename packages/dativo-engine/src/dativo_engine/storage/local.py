"""Files on a disk of this machine.

A file is written as `<name>.part` and renamed. It counts as finished before its bytes are safe from a crash of the
machine: `settle` sees to that, for many files at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import pyarrow as pa

from dativo_engine.catalogs.locations import file_location, local_path
from dativo_engine.storage.files import StoredFile

LARGE_FILE = 4 * 1024 * 1024
# Forcing one file costs milliseconds; for more files than this it is cheaper to let the system force all it has.
FORCED_ONE_BY_ONE = 100
PART = ".part"


class LocalFiles:
    """See `files.Files`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._unforced: list[Path] = []

    def open(self, location: str) -> pa.NativeFile:
        """See `Files.open`."""
        return pa.OSFile(str(local_path(location)))

    def reading(self, location: str) -> AbstractContextManager[None]:  # noqa: ARG002 - a disk raises as it should
        """See `Files.reading`."""
        return nullcontext()

    def create(self, location: str) -> LocalNewFile:
        """See `Files.create`."""
        path = local_path(location)
        made = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._unforced += [folder.parent for folder in made]
        return LocalNewFile(path, self._unforced)

    def settle(self) -> None:
        """Make sure that all finished files, and their names, survive a crash of the machine."""
        unforced = set(self._unforced)
        self._unforced.clear()
        if len(unforced) > FORCED_ONE_BY_ONE:
            os.sync()
            return
        for path in unforced:
            _force(path)

    def size(self, location: str) -> int:
        """See `Files.size`."""
        return local_path(location).stat().st_size

    def find(self, folder: str) -> Iterator[StoredFile]:
        """See `Files.find`: what was never finished has a name of its own here."""
        for here, _, names in os.walk(local_path(folder)):
            for name in names:
                path = Path(here, name)
                with suppress(FileNotFoundError):  # its writer was faster
                    status = path.lstat()
                    yield StoredFile(file_location(path), status.st_size, status.st_mtime_ns)

    def delete(self, files: Iterable[StoredFile | str]) -> None:
        """See `Files.delete`; what was not finished of a file goes with it."""
        for file in files:
            path = local_path(file if isinstance(file, str) else file.location)
            for name in (path, _part(path)):
                with suppress(FileNotFoundError, NotADirectoryError):
                    name.unlink()


class LocalNewFile:
    """See `files.NewFile`."""

    def __init__(self, path: Path, unforced: list[Path]) -> None:
        self._path = path
        self._unforced = unforced
        self.sink = pa.OSFile(str(_part(path)), "wb")

    def finish(self) -> None:
        """Give it its name. A large one is forced to the disk at once, others by `settle`."""
        size = self.sink.tell()
        self.sink.close()
        part = _part(self._path)
        if size >= LARGE_FILE:
            _force(part)
        else:
            self._unforced.append(self._path)
        self._unforced.append(self._path.parent)
        part.replace(self._path)

    def discard(self) -> None:
        """See `NewFile.discard`."""
        with suppress(OSError):
            self.sink.close()
        for name in (_part(self._path), self._path):
            name.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
