"""From one file's bytes to runs of JSON values: a line each, or the elements of a document's list."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from dativo_engine.errors import FatalError
from dativo_engine.jsonrows.values import Elements, Lines, elements_of, value_at
from dativo_engine.sources.files.window import Window

if TYPE_CHECKING:
    from dativo_engine.sources.files.opened import Opened

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_ELEMENTS_PER_RUN = 10_000


def runs(
    opened: Opened, *, records_path: str | None, block_bytes: int, limit: int
) -> Generator[Lines | Elements, None, None]:
    """The file's values in order. Lines are read block by block; a document must fit into `limit` bytes.

    Raises:
        FatalError: a document is no JSON, too large, or has no list where `records_path` says; a line is too large.
    """
    window = Window(opened, size=block_bytes, limit=limit)
    if window.fill() and window.view(0, 3).tobytes() == _BYTE_ORDER_MARK:
        window.consume(3)
    beginning = window.view(0, window.length).tobytes().lstrip(_BLANKS)
    if records_path is not None or beginning.startswith(b"["):
        document = _document(window, opened.file.name)
        elements = iter(_elements(document, records_path, opened.file.name))
        while some := list(islice(elements, _ELEMENTS_PER_RUN)):
            yield Elements(some)
        return
    while window.fill():
        end = window.last_line_end()
        if end:
            yield Lines(window.view(0, end).tobytes(), window.line)
            window.consume(end)
        elif not window.grow():
            message = f"{opened.file.name}: line {window.line} is larger than {limit:,} bytes"
            raise FatalError(message)


def _document(window: Window, file: str) -> bytes:
    while not window.ended:
        if window.fill() and not window.ended and not window.grow():
            message = (
                f"{file}: a JSON document is read as a whole and this one is too large for the run's memory; "
                "write it as JSON Lines, or raise DATIVO_MEMORY_LIMIT"
            )
            raise FatalError(message)
    return window.view(0, window.length).tobytes()


def _elements(document: bytes, records_path: str | None, file: str) -> list[msgspec.Raw]:
    try:
        return elements_of(value_at(document, records_path or ""))
    except KeyError as error:
        message = f"{file}: there is no {error} on the way of source.options.records_path: {records_path}"
        raise FatalError(message) from error
    except msgspec.MsgspecError as error:
        where = (
            f"no list of objects at source.options.records_path: {records_path}"
            if records_path
            else "no list of objects"
        )
        message = f"{file}: {where}: {error}"
        raise FatalError(message) from error
    except RecursionError as error:
        message = f"{file}: its values are nested too deep to be read"
        raise FatalError(message) from error
