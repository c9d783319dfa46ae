"""Where data files are kept: a local disk or an object store, through PyIceberg's FileIO.

A file appears under its final name only when it is complete: an object store does so by itself, on a disk it is
written as `<name>.part` and renamed. No file counts as staged before its bytes are safe from a crash.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.io.pyarrow import PyArrowFileIO

from dativo_engine.errors import AuthenticationError, DativoError, FatalError, RetryableError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
# How the AWS SDK inside pyarrow says that the credentials are wrong, or do not suffice.
AWS_REFUSALS = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID")

LARGE_FILE = 4 * 1024 * 1024
# Forcing one file costs milliseconds; for more files than this it is cheaper to let the system force all it has.
FORCED_ONE_BY_ONE = 100


class Storage:
    """The file system a table lies on. Safe to use from several threads."""

    def __init__(self, location: str, properties: Mapping[str, str]) -> None:
        self._io: FileIO = load_file_io(dict(properties), location)
        self._properties = dict(properties)
        self.is_local = PyArrowFileIO.parse_location(location, self._properties)[0] == "file"
        self._root = self._path(location)
        self._unforced: list[Path] = []

    def create(self, location: str) -> pa.NativeFile:
        """Open a new file; it is not there before `publish`."""
        return self._io.new_output(self._working(location)).create(overwrite=True)  # pyright: ignore[reportReturnType] - Arrow's

    def publish(self, location: str, *, size: int) -> None:
        """Give a written and closed file its name. A large one is forced to disk at once, others by `settle`."""
        if not self.is_local:
            return
        path = self._path(location)
        if size >= LARGE_FILE:
            _force(self._path(self._working(location)))
        else:
            self._unforced.append(path)
        self._unforced.append(path.parent)
        self._path(self._working(location)).replace(path)

    def settle(self) -> None:
        """Make sure that all published files, and their names, survive a crash of the machine."""
        if len(self._unforced) > FORCED_ONE_BY_ONE:
            os.sync()
        elif self._unforced:
            folders = {folder for path in self._unforced for folder in path.parents if self._root in folder.parents}
            for path in {*self._unforced, *folders, self._root}:
                _force(path)
        self._unforced.clear()

    def remove(self, location: str) -> None:
        """Delete a file, finished or not, if it is there."""
        for name in {location, self._working(location)}:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._io.delete(name)

    def _working(self, location: str) -> str:
        return f"{location}.part" if self.is_local else location

    def _path(self, location: str) -> Path:
        return Path(PyArrowFileIO.parse_location(location, self._properties)[2])


@contextmanager
def writing(location: str) -> Generator[None, None, None]:
    """Turn what a file system says into what a person can do about it.

    Raises:
        RetryableError: the disk is full, or the store failed.
        FatalError: writing is not allowed there.
    """
    try:
        yield
    except OSError as error:
        raise _explained(error, location) from error


def _explained(error: OSError, location: str) -> DativoError:
    if error.errno in NO_SPACE:
        return RetryableError(f"{location}: no space left to write the file; free some, or enlarge the volume")
    if error.errno in NOT_ALLOWED:
        return FatalError(f"{location}: may not be written ({os.strerror(error.errno)}); change the permissions")
    if any(refusal in str(error) for refusal in AWS_REFUSALS):
        return AuthenticationError(f"{location}: the store refuses the credentials: {error}")
    return RetryableError(f"{location}: writing failed: {error}")


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
