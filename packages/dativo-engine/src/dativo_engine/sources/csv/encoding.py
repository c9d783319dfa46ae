"""Every encoding becomes UTF-8; bytes that are no text are marked, so that only their rows are lost."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

from dativo_engine.sources.files.opened import fill

if TYPE_CHECKING:
    from dativo_engine.sources.files.opened import Opened

# A noncharacter: Unicode promises that no text holds it.
MARK = "\ufdd0"
BYTE_ORDER_MARK = codecs.BOM_UTF8
_MARKING = "dativo-mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(f"{MARK}\\x{byte:02x}" for byte in bad), error.end


codecs.register_error(_MARKING, _mark)


def mark_bad_bytes(data: memoryview) -> bytes:
    r"""UTF-8 in which each bad byte is the mark and `\xNN`."""
    return codecs.decode(data, "utf-8", _MARKING).encode()


class Transcoded(io.RawIOBase):
    """Text of another encoding as UTF-8. Bytes that are no text are marked."""

    def __init__(self, opened: Opened, encoding: str, *, read_bytes: int) -> None:
        self._opened = opened
        self._decoder = codecs.getincrementaldecoder(encoding)(_MARKING)
        self._read_bytes = read_bytes
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - all that comes
        while not self._rest:
            data = bytearray(self._read_bytes)
            count = fill(self._opened, memoryview(data))
            text = self._decoder.decode(memoryview(data)[:count], final=count == 0)
            self._rest = memoryview(text.encode("utf-8", "surrogatepass"))
            if count == 0 and not self._rest:
                return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
