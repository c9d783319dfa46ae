"""Small local files: complete or absent, and on the disk before anyone may name them."""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from pyiceberg.io import OutputStream
from typing_extensions import override

DRAFT = re.compile(r"\..+\.[0-9a-f]{32}")


class DurableStream(OutputStream):
    """Bytes on their way into a file, which has its name once they are all on the disk."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        self._draft, self._file = _open_draft(path)

    @override
    def write(self, b: bytes) -> int:
        return self._file.write(b)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @property
    def closed(self) -> bool:
        """Asked by pyarrow, as are the next two."""
        return self._file.closed

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        self._file.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    @override
    def close(self) -> None:
        if self._file.closed:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        # Before its lock goes with the file: a draft without one is taken for a dead process's.
        self._draft.replace(self._path)
        self._file.close()
        sync_folder(self._path.parent)

    @override
    def __enter__(self) -> OutputStream:
        return self

    @override
    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        if exctype is None:
            self.close()
            return
        self._file.close()
        self._draft.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file at one blow: after a crash it holds the old content or the new, whole."""
    with DurableStream(path) as stream:
        stream.write(content)


def clear_drafts(folder: Path) -> None:
    """Delete what killed processes left half written in a folder; what living ones are writing stays."""
    for draft in folder.glob(".*.*"):
        if not DRAFT.fullmatch(draft.name):
            continue
        with suppress(FileNotFoundError, BlockingIOError), draft.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _open_draft(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, locked; made again where another process cleared it away before it was locked."""
    while True:
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        file = draft.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return draft, file
        file.close()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each of them on the disk when this returns."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        sync_folder(part.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
