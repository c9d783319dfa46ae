"""From an answer's bytes to the records in it, each still the bytes it came as."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import msgspec

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.jsonrows.values import Elements, elements_of, fields_of, value_at
from dativo_engine.rest.exchange import Answer
from dativo_engine.rest.verdict import said

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

_LONGEST_PATH_LIST = 8


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        records: as the API wrote them, but on one line each.
        document: the whole answer.
        fields: of the document, where it is an object: a page is large, and looked through once.
    """

    answer: Answer
    records: Sequence[msgspec.Raw]
    document: msgspec.Raw = field(repr=False)
    fields: Mapping[str, msgspec.Raw] = field(default_factory=dict[str, msgspec.Raw], repr=False)

    def value(self, path: str) -> JsonValue:
        """The small value at a path of keys with dots between them; None: it is not there."""
        name, _, rest = path.partition(".")
        try:
            return cast("JsonValue", msgspec.json.decode(value_at(self.fields[name], rest)))
        except (KeyError, msgspec.MsgspecError, RecursionError):
            return None

    def last(self, path: str) -> JsonValue:
        """A value of the last record; None: there is no record, or it has none."""
        if not self.records:
            return None
        try:
            return cast("JsonValue", msgspec.json.decode(value_at(self.records[-1], path)))
        except (KeyError, msgspec.MsgspecError, RecursionError):
            return None


def page_reader(records_path: str, *, setting: str = "records_path") -> Callable[[Answer], Page]:
    """How answers are read whose records are a list at a path; an empty path: the answer is the list.

    Null stands for a list without records: servers written in Go answer so.
    """

    def read(answer: Answer) -> Page:
        """The page.

        Raises:
            MalformedAnswerError: no JSON, or no list there.
        """
        try:
            document = _on_one_line(answer.body)
            fields = fields_of(document)
            name, _, rest = records_path.partition(".")
            found = value_at(fields[name], rest) if name in fields else value_at(document, records_path)
            return Page(answer, () if bytes(found) == b"null" else elements_of(found), document, fields)
        except KeyError as error:
            there = ", ".join(_names(answer.body))
            message = f"{answer.asked}: there is no {error} on the way of {setting}: {records_path!r}; there is {there}"
        except RecursionError:
            message = f"{answer.asked}: the answer is nested too deep to be read"
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            message = f"{answer.asked}: no list of records at {setting}: {records_path!r}: {error}"
        except msgspec.DecodeError as error:
            message = f"{answer.asked}: {_not_json(answer)}: {error}"
        raise MalformedAnswerError(message)

    return read


def blocks(pages: Iterable[Page], *, block_bytes: int, block_records: int = 10_000) -> Generator[Elements]:
    """The pages' records in order, put together to runs that are worth reading at once.

    A run ends with a page: where it ends, reading can go on from the next page.
    """
    held: list[msgspec.Raw] = []
    size = 0
    for page in pages:
        held += page.records
        size += len(page.answer.body)
        if size >= block_bytes or len(held) >= block_records:
            yield Elements(held)
            held, size = [], 0
    if held:
        yield Elements(held)


def _on_one_line(body: bytes) -> msgspec.Raw:
    """Without the line ends and blanks that make it pretty; text and numbers stay as they are written."""
    return msgspec.Raw(msgspec.json.format(body, indent=-1) if b"\n" in body else body)


def _names(body: bytes) -> Sequence[str]:
    found = list(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    return found[:_LONGEST_PATH_LIST] or ["nothing"]


def _not_json(answer: Answer) -> str:
    if not answer.body:
        return "the answer is empty, not JSON"
    if answer.body.lstrip()[:1] == b"<":
        return f"the answer is {said(answer)!r}, not JSON; does base_url lead to the API?"
    return f"the answer is not JSON ({answer.headers.get('content-type', 'of no type')}, {len(answer.body):,} bytes)"
