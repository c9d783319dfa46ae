"""A file's bytes on the way to a reader: counted as they are stored, and unpacked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_engine.sources.files.file import File
    from dativo_engine.sources.files.spec import Compression

# Seven bytes of bz2, as a line of text may well begin with `BZh`.
_MAGIC = {"gzip": (b"\x1f\x8b",), "zstd": (b"\x28\xb5\x2f\xfd",), "bz2": (b"BZh",)}
_BZ2_BLOCK = b"1AY&SY"
_MAGIC_BYTES = 10
_SKIP_BYTES = 1024 * 1024


class Opened(io.RawIOBase):
    """One file, being read from its beginning. Unpacks while it reads.

    Attributes:
        consumed: bytes taken from the file so far, as it is stored.
    """

    def __init__(self, file: File, raw: io.RawIOBase, compression: Compression) -> None:
        self.file = file
        self.consumed = 0
        self._raw = raw
        self._head = b""
        codec = self._recognise() if compression == "auto" else compression
        stored = pa.PythonFile(_Stored(self))
        self._unpacked = None if codec == "none" else pa.CompressedInputStream(stored, codec)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - all that comes
        """Fill the buffer, or less of it at the end.

        Raises:
            FatalError: the file is damaged, or packed otherwise than the option says.
        """
        try:
            return fill(self._unpacked, buffer) if self._unpacked is not None else self.take(buffer)
        except (OSError, pa.ArrowInvalid) as error:
            message = f"{self.file.name}: can't be unpacked, it is damaged or packed otherwise: {error}"
            raise FatalError(message) from error

    def take(self, buffer: memoryview) -> int:
        """Stored bytes, packed as they are."""
        head = self._head[: len(buffer)]
        buffer[: len(head)] = head
        self._head = self._head[len(head) :]
        count = len(head) + fill(self._raw, memoryview(buffer)[len(head) :])
        self.consumed += count
        return count

    @property
    def is_plain(self) -> bool:
        """Whether its bytes are the text itself, so that a place in one is a place in the other."""
        return self._unpacked is None

    def start_at(self, offset: int) -> None:
        """Go to a place in a plain file; what comes before it is not read again where the storage can jump."""
        if self._raw.seekable():
            self._raw.seek(offset)
            self._head = b""
        else:
            buffer = memoryview(bytearray(min(offset, _SKIP_BYTES)))
            while self.consumed < offset:
                if not self.take(buffer[: offset - self.consumed]):
                    break
        self.consumed = offset

    def close(self) -> None:
        if self._unpacked is not None and not self._unpacked.closed:
            self._unpacked.close()
        self._raw.close()
        super().close()

    def _recognise(self) -> str:
        head = bytearray(_MAGIC_BYTES)
        self._head = bytes(head[: fill(self._raw, memoryview(head))])
        for codec, magic in _MAGIC.items():
            if self._head.startswith(magic) and (codec != "bz2" or self._head[4:] == _BZ2_BLOCK):
                return codec
        return "none"


class _Stored(io.RawIOBase):
    """What Arrow's unpacking reads from: the file as it is stored."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - all that comes
        return self._opened.take(buffer)


def fill(source: io.RawIOBase | pa.NativeFile, buffer: memoryview) -> int:
    """Read until the buffer is full or the source ends; answers how many bytes came."""
    count = 0
    while count < len(buffer):
        more = source.readinto(buffer[count:])
        if not more:
            break
        count += more
    return count
