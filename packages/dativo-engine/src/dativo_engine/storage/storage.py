"""The files of one job's tables, each wherever it lies: changes and checkpoints on this machine, tables also in S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from dativo_engine.catalogs.locations import is_local
from dativo_engine.errors import FatalError
from dativo_engine.storage.files import Files, NewFile, StoredFile
from dativo_engine.storage.local import LocalFiles

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.io import FileIO

S3_SCHEMES = ("s3://", "s3a://", "s3n://")


class Storage:
    """Makes, finds and deletes files at any location. Safe to use from several threads.

    All methods raise `FileNotFoundError` where there is no such file; on a disk `OSError`; in a store the error that
    says what the caller does next: `AuthenticationError`, `FatalError`, `RetryableError`.

    Attributes:
        properties: settings as PyIceberg names them. May hold secrets, and so are not shown.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        """Nothing is reached yet."""
        self.properties = properties
        self._local = LocalFiles()

    def open(self, location: str) -> pa.NativeFile:
        """A file to read, at any place; the caller closes it."""
        return self._at(location).open(location)

    def reading(self, location: str) -> AbstractContextManager[None]:
        """Turn what Arrow raises in a block that reads files below `location`, by whatever way, into those errors."""
        return self._at(location).reading(location)

    def create(self, location: str) -> NewFile:
        """A new file, in the place of one that may be there."""
        return self._at(location).create(location)

    def settle(self) -> None:
        """Make sure that all files finished so far survive a crash: those on a disk do not by themselves."""
        self._local.settle()

    def size(self, location: str) -> int:
        """Its bytes."""
        return self._at(location).size(location)

    def exists(self, location: str) -> bool:
        """Whether there is such a file."""
        try:
            self._at(location).size(location)
        except FileNotFoundError:
            return False
        return True

    def find(self, folder: str) -> Iterator[StoredFile]:
        """Every file below a folder, in any order, and what was begun and never finished there."""
        return self._at(folder).find(folder)

    def delete(self, files: Iterable[StoredFile | str]) -> None:
        """Delete what is there of these; strings are locations."""
        here: list[StoredFile | str] = []
        there: list[StoredFile | str] = []
        for file in files:
            location = file if isinstance(file, str) else file.location
            (here if self._at(location) is self._local else there).append(file)
        self._local.delete(here)
        if there:
            self._s3.delete(there)

    def _at(self, location: str) -> Files:
        if is_local(location):
            return self._local
        if location.startswith(S3_SCHEMES):
            return self._s3
        message = f"{location}: tables are kept on a disk (file://) or in S3 (s3://); move the table there"
        raise FatalError(message)

    @cached_property
    def _s3(self) -> Files:
        from dativo_engine.storage.s3 import S3Files  # a local warehouse does not pay for its client

        return S3Files(self.properties)


def storage_of(io: FileIO) -> Storage:
    """The storage that a table or a catalogue reads and writes through `io`."""
    return Storage(io.properties)
