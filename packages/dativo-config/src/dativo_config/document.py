"""A file of the user as plain values, with the place of each. JSON files are read as the YAML they are."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from dativo_config.masking import mask_line
from dativo_config.models.contract import JsonValue
from dativo_config.nodes import DocumentError, Node, Place, compose
from dativo_config.problems import Position, Problem
from dativo_config.rights import remedy, where_from
from dativo_config.syntax import control_character, explain, place_at

MOST_BYTES = 4 * 1024 * 1024

_PLAIN_KEY = re.compile(r"[\w$-]+")


@dataclass(frozen=True)
class Document:
    """One file.

    Attributes:
        path: as it was given.
        text: without a byte order mark.
        value: plain JSON values; the root is a map.
        root: the same values with their places.
    """

    path: Path
    text: str = field(repr=False)
    value: dict[str, JsonValue] = field(repr=False)
    root: Node = field(repr=False)

    def position(self, path: tuple[str | int, ...], *, key: bool = False) -> Position:
        """Where the value at `path` begins, or its key; where there is no such value, that of the nearest parent."""
        node, place = self.root, self.root.start
        for step in path:
            if step not in node.children:
                return Position(self.path, *place)
            place = node.keys[step] if isinstance(step, str) else node.children[step].start
            node = node.children[step]
        return Position(self.path, *(place if key and path else node.start))

    def problem(self, path: tuple[str | int, ...], message: str, *, hint: str = "", key: bool = False) -> Problem:
        """A problem at the value (or key) at `path`, with its source line."""
        position = self.position(path, key=key)
        return Problem(position, show_path(path), message, hint, self.source(position.line))

    def source(self, line: int) -> str:
        """The text of a line, with what may be a secret masked."""
        return mask_line(self.lines[line - 1], line, self.root) if line <= len(self.lines) else ""

    @cached_property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()


def show_path(path: tuple[str | int, ...]) -> str:
    """A path as problems write it: `schema[0].name`."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            shown += f".{step}" if shown else step
        else:
            shown += f"[{step!r}]"
    return shown


def read_document(path: Path, *, copy: Path | None = None) -> tuple[Document | None, list[Problem]]:
    """The file at `path`, or a `copy` that is read in its place.

    With problems there may still be a document, for more to be found in it.
    """
    try:
        if not stat.S_ISREG((copy or path).stat().st_mode):
            return None, [Problem(Position(path), "", "is not a file")]
        with (copy or path).open("rb") as file:
            return parse_document(path, file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        return None, [unreadable(path, error)]


def unreadable(path: Path, error: OSError | ValueError, *, kind: str = "file") -> Problem:
    """Why a file or folder can't be read; ValueError: a NUL in its path."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Problem(Position(path), "", f"there is no such {kind}", where_from(path))
    if isinstance(error, PermissionError):
        return Problem(Position(path), "", f"can't be read by user {os.getuid()}", remedy(path))
    return Problem(Position(path), "", f"can't be read: {getattr(error, 'strerror', None) or error}")


def parse_document(path: Path, text: str | bytes) -> tuple[Document | None, list[Problem]]:
    """As `read_document`, of a text that was read already."""
    if len(text) > MOST_BYTES:
        return None, [Problem(Position(path), "", f"is larger than {MOST_BYTES // 1024 // 1024} MiB")]
    if isinstance(text, bytes):
        decoded = _decode(path, text)
        if isinstance(decoded, Problem):
            return None, [decoded]
        text = decoded
    return _Parsing(path, text.removeprefix("\ufeff")).run()


def _decode(path: Path, content: bytes) -> str | Problem:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(Position(path), "", "is UTF-16 text", "save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bom = 3 if content.startswith(b"\xef\xbb\xbf") else 0  # the codec counts behind the mark
        start = error.start + bom
        before = content[bom:start].decode()
        message = f"the byte 0x{content[start]:02X} is not UTF-8 text"
        return Problem(Position(path, *place_at(before + "x", len(before))), "", message, "save the file as UTF-8")


class _Parsing:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._lines = text.splitlines()
        self._faults: list[tuple[tuple[str | int, ...], Place, str, str]] = []

    def run(self) -> tuple[Document | None, list[Problem]]:
        root = self._compose()
        problems = [
            Problem(Position(self._path, *place), show_path(path), message, hint, self._source(place[0], root))
            for path, place, message, hint in self._faults
        ]
        if root is None or not isinstance(root.value, dict):
            return None, problems
        return Document(self._path, self._text, root.value, root), problems

    def _compose(self) -> Node | None:
        found = control_character(self._text)
        if found is not None:
            self._fault((), *found)
            return None
        try:
            root = compose(self._text, self._fault)
        except DocumentError as error:
            self._fault(error.path, error.place, error.message, error.hint)
            return None
        except yaml.MarkedYAMLError as error:
            self._fault((), *explain(error, self._text))
            return None
        if root is None or root.value is None:
            self._fault((), (1, 1), "the file is empty")
        elif not isinstance(root.value, dict):
            found = "a list" if isinstance(root.value, list) else "a single value"
            self._fault((), root.start, f"expected `key: value` lines, found {found}")
        return root

    def _fault(self, path: tuple[str | int, ...], place: Place, message: str, hint: str = "") -> None:
        self._faults.append((path, place, message, hint))

    def _source(self, line: int, root: Node | None) -> str:
        return mask_line(self._lines[line - 1], line, root) if line <= len(self._lines) else ""
