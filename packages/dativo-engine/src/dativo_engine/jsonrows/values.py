"""Runs of JSON values: a line each, or the elements of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

_BLANKS = b" \t\r\n"
_VALUE = msgspec.json.Decoder(msgspec.Raw)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value as it is written. `line`: where it stands; 0: not known."""

    text: bytes
    line: int

    @property
    def is_json(self) -> bool:
        """Whether it is a value, and no deeper than can be followed."""
        try:
            _VALUE.decode(self.text)
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Lines:
    """Some whole lines, the first of them number `first`."""

    text: bytes
    first: int

    @property
    def is_json(self) -> bool:
        """Whether every line is a value, and no deeper than can be followed.

        pyarrow's reader has no limit of its own: one long line of brackets overflows its stack, which ends the process.
        """
        try:
            _VALUE.decode_lines(self.text)
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True

    def records(self) -> list[Record]:
        """The lines that are not blank."""
        numbered = enumerate(self.text.split(b"\n"), start=self.first)
        return [Record(line, number) for number, line in numbered if line.strip(_BLANKS)]

    def objects(self) -> list[dict[str, msgspec.Raw]]:
        """Each line's fields as they are written.

        Raises:
            msgspec.MsgspecError: a line is no object.
        """
        return _FIELDS.decode_lines(self.text)


@dataclass(frozen=True, slots=True)
class Elements:
    """Some elements of a list."""

    elements: Sequence[msgspec.Raw]

    @property
    def is_json(self) -> bool:
        """The document was decoded to find them."""
        return True

    @property
    def text(self) -> bytes:
        """All of them, one after the other."""
        return b"\n".join(self.elements)

    def records(self) -> list[Record]:
        """The elements."""
        return [Record(bytes(element), 0) for element in self.elements]

    def objects(self) -> list[dict[str, msgspec.Raw]]:
        """Each element's fields as they are written.

        Raises:
            msgspec.MsgspecError: an element is no object.
        """
        return [_FIELDS.decode(element) for element in self.elements]


def text_of(value: msgspec.Raw) -> str | None:
    """A value as text: a string's content, any other as it is written; null is None.

    Raises:
        msgspec.MsgspecError: no JSON.
    """
    written = bytes(value)
    if written == b"null":
        return None
    return _STRING.decode(written) if written.startswith(b'"') else written.decode()


def value_at(document: msgspec.Raw | bytes, path: str) -> msgspec.Raw:
    """The value that a path of keys with dots between them leads to; the document itself for an empty path.

    Raises:
        KeyError: a key is not there.
        msgspec.MsgspecError: no JSON, or not an object on the way.
        RecursionError: nested too deep to be read.
    """
    value = msgspec.Raw(document)
    for key in path.split(".") if path else ():
        value = _FIELDS.decode(value)[key]
    return value


def elements_of(value: msgspec.Raw) -> list[msgspec.Raw]:
    """A list's elements.

    Raises:
        msgspec.MsgspecError, RecursionError: as `value_at`, or the value is no list.
    """
    return _LIST.decode(value)


def fields_of(value: msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    """An object's fields; none for any other value.

    Raises:
        msgspec.MsgspecError, RecursionError: as `value_at`.
    """
    try:
        return _FIELDS.decode(value)
    except msgspec.ValidationError:
        return {}
