"""What does not fit into memory goes to files without a name, which vanish with the process, however it ends."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa


class SpillFile:
    """A growing file. Closed, and thereby gone, when nobody refers to it any more."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115 - closed below
        self._length = 0
        weakref.finalize(self, self._file.close)

    def append(self, data: pa.Buffer | np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, int]:
        """Write at the end; answers where the data begins and how many bytes it has."""
        start = self._length
        self._file.seek(start)
        view = memoryview(pa.py_buffer(data))
        while view:
            view = view[self._file.write(view) :]
        self._length = self._file.tell()
        return start, self._length - start

    def read(self, start: int, length: int) -> bytearray:
        """The bytes from `start` on; fewer where the file ends."""
        data = bytearray(max(0, min(length, self._length - start)))
        view = memoryview(data)
        self._file.seek(start)
        while view:
            view = view[cast("int", self._file.readinto(view)) :]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return data
