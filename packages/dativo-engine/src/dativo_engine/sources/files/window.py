"""The part of a file that is in memory: whole lines in front, the beginning of the next one behind."""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np

from dativo_engine.sources.files.opened import fill

# Room behind the text for what `extended` adds; more than that is copied.
SPARE_BYTES = 64 * 1024
_CACHE_BYTES = 1024 * 1024
_NEWLINE, _RETURN = ord("\n"), ord("\r")


class Window:
    """A buffer that moves over a stream of text.

    Args:
        source: UTF-8 text, read from where it stands.
        size: bytes that are read ahead.
        limit: what the buffer may grow to where one record is larger than `size`.

    Attributes:
        length: bytes of text in the buffer.
        ended: whether the source has no more.
        line: the number of the buffer's first line, counted from 1.
        offset: bytes of text before the buffer's first; wrong once `replace` put other text in.
    """

    def __init__(self, source: io.RawIOBase, *, size: int, limit: int) -> None:
        self.length = 0
        self.ended = False
        self.line = 1
        self.offset = 0
        self._source = source
        self._limit = limit
        self._buffer = bytearray(size + SPARE_BYTES)

    def fill(self) -> bool:
        """Read until the buffer is full or the source ends; answers whether there is text."""
        free = memoryview(self._buffer)[self.length : len(self._buffer) - SPARE_BYTES]
        if not self.ended and free:
            count = fill(self._source, free)
            self.ended = count < len(free)
            self.length += count
        return self.length > 0

    def grow(self) -> bool:
        """Double the buffer, unless its limit is reached."""
        if len(self._buffer) >= self._limit:
            return False
        self._buffer = self._buffer[: self.length] + bytearray(2 * len(self._buffer) - self.length)
        return True

    def view(self, start: int, end: int) -> memoryview:
        """Text by position in the buffer."""
        return memoryview(self._buffer)[start:end]

    @contextmanager
    def extended(self, end: int, added: bytes) -> Generator[memoryview]:
        """The first `end` bytes with others behind them, for as long as the context lasts."""
        stop = end + len(added)
        if stop > len(self._buffer):
            yield memoryview(self._buffer[:end] + added)
            return
        covered = self._buffer[end:stop]
        self._buffer[end:stop] = added
        try:
            yield memoryview(self._buffer)[:stop]
        finally:
            self._buffer[end:stop] = covered

    def replace(self, end: int, text: bytes) -> int:
        """Put other text in the place of the first `end` bytes; answers where it ends."""
        rest = self._buffer[end : self.length]
        self._buffer = bytearray(text) + rest + bytearray(max(SPARE_BYTES, len(self._buffer) - len(text) - len(rest)))
        self.length += len(text) - end
        return len(text)

    def consume(self, count: int) -> None:
        """Forget the first bytes."""
        self.line += self.count_lines(count)
        self._buffer[: self.length - count] = self._buffer[count : self.length]
        self.length -= count
        self.offset += count

    def start_over(self, *, offset: int, line: int) -> None:
        """Forget what is in memory: the source now stands at `offset`, where `line` begins."""
        self.length, self.ended = 0, False
        self.offset, self.line = offset, line

    def line_end(self, start: int = 0) -> int:
        """Where the line that begins at `start` ends, its line break included."""
        ends = [
            at
            for at in (self._buffer.find(b"\n", start, self.length), self._buffer.find(b"\r", start, self.length))
            if at >= 0
        ]
        if not ends:
            return self.length
        end = min(ends) + 1
        return end + 1 if bytes(self._buffer[end - 1 : end + 1]) == b"\r\n" and end < self.length else end

    def last_line_end(self) -> int:
        """Where the last whole line ends; 0: there is none. A file's end ends a line."""
        if self.ended:
            return self.length
        # Without any line feed, returns end lines; one at the very end may be the first half of a pair.
        at = self._buffer.rfind(b"\n", 0, self.length)
        return at + 1 if at >= 0 else self._buffer.rfind(b"\r", 0, self.length - 1) + 1

    def balanced_line_end(self, quote: int) -> int:
        """Where the last line ends that has an even number of quotes up to there; 0: there is none.

        Text as most programs write it has no line break inside quotes there; the parser has the last word.
        """
        if self.ended:
            return self.length
        end = self.last_line_end()
        odd = self._count(quote, end) % 2 == 1
        while odd and end > 0:
            before = max(self._buffer.rfind(b"\n", 0, end - 1), 0)
            before = before + 1 if before else 0
            odd ^= self._buffer.count(quote, before, end) % 2 == 1
            end = before
        return end

    def count_lines(self, end: int) -> int:
        """Line breaks in the first `end` bytes: feeds, pairs, or returns where there are no feeds."""
        return self._count(_NEWLINE, end) or self._count(_RETURN, end)

    def _count(self, byte: int, end: int) -> int:
        """Piece by piece, so that what is compared and what comes out stay in the processor's cache."""
        text = np.frombuffer(self._buffer, np.uint8, end)
        found = np.empty(_CACHE_BYTES, np.bool_)
        count = 0
        for start in range(0, end, _CACHE_BYTES):
            piece = text[start : start + _CACHE_BYTES]
            count += int(np.count_nonzero(np.equal(piece, byte, out=found[: len(piece)])))
        return count
