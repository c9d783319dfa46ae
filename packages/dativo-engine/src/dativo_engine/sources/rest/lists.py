"""The pages of one endpoint: its own list, or one list for each record of its parent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, cast
from urllib.parse import quote

import msgspec

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.jsonrows.values import value_at
from dativo_engine.rest import Answer, Client, Page, Request, page_reader, pages
from dativo_engine.rest.paging import following_pages, in_order
from dativo_engine.sources.rest.described import paginator_of, request_of
from dativo_engine.sources.rest.spec import Endpoint, Parent, RestOptions

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

_MISSING = frozenset({404, 410})

Asking: TypeAlias = Callable[[Request], Request]


def as_it_is(request: Request) -> Request:
    """For lists of which a run wants everything."""
    return request


def first_page(client: Client, options: RestOptions, name: str, *, asking: Asking = as_it_is) -> Page:
    """How an endpoint's list begins; for a child, how the list of its oldest ancestor does."""
    endpoint = options.endpoints[name]
    if endpoint.parent is not None:
        return first_page(client, options, endpoint.parent.endpoint)
    request = paginator_of(endpoint, options).first(asking(request_of(endpoint, options)))
    return client.fetch(request, read=_reader(options, endpoint))


def list_pages(
    client: Client, options: RestOptions, name: str, *, asking: Asking = as_it_is, first: Page | None = None
) -> Generator[Page]:
    """Every page of an endpoint, in order.

    Args:
        asking: adds to each list's request what the run wants of it.
        first: what `first_page` answered, if it is to be used.
    """
    endpoint = options.endpoints[name]
    if endpoint.parent is not None:
        yield from _children(client, options, endpoint, asking, first)
        return
    paginator, read = paginator_of(endpoint, options), _reader(options, endpoint)
    request = asking(request_of(endpoint, options))
    yield from pages(client, request, paginator, read=read, width=options.concurrency, first=first)


def _children(
    client: Client, options: RestOptions, endpoint: Endpoint, asking: Asking, first: Page | None
) -> Generator[Page]:
    """The lists of all parents in the parents' order, `concurrency` first pages at a time."""
    parent = cast("Parent", endpoint.parent)
    paginator, read = paginator_of(endpoint, options), _reader(options, endpoint)
    expect = _MISSING if parent.skip_missing else frozenset[int]()

    def begin(record: msgspec.Raw, page: Page) -> tuple[Request, Page, msgspec.Raw]:
        found = quote(_id(record, parent, page), safe="")
        request = paginator.first(asking(request_of(endpoint, options, parent=found)))
        return request, client.fetch(request, read=partial(_unless_missing, read), expect=expect), record

    with closing(list_pages(client, options, parent.endpoint, first=first)) as above:
        calls = (partial(begin, record, page) for page in above for record in page.records)
        with closing(in_order(calls, width=options.concurrency, interrupt=client.interrupt)) as begun:
            for request, page, record in begun:
                if page.answer.status in _MISSING:
                    continue
                with closing(following_pages(client, request, page, paginator, read=read)) as others:
                    yield from (_with_parent(it, record, parent) for it in chain([page], others))


def _unless_missing(read: Callable[[Answer], Page], answer: Answer) -> Page:
    """A parent that is gone, or never had such a list, has no records."""
    return Page(answer, (), msgspec.Raw(b"{}")) if answer.status in _MISSING else read(answer)


def _with_parent(page: Page, record: msgspec.Raw, parent: Parent) -> Page:
    """The page, with the parent's fields in front of each record's own."""
    if not parent.include or not page.records:
        return page
    fields = b",".join(
        msgspec.json.encode(column) + b":" + bytes(_field(record, path)) for column, path in parent.include.items()
    )
    records = [_put_before(bytes(child), fields) for child in page.records]
    return replace(page, records=records)


def _put_before(child: bytes, fields: bytes) -> msgspec.Raw:
    if not child.startswith(b"{"):
        return msgspec.Raw(child)  # no record; the reader will say so
    rest = child[1:].lstrip()
    return msgspec.Raw(b"{" + fields + (b"" if rest.startswith(b"}") else b",") + rest)


def _field(record: msgspec.Raw, path: str) -> msgspec.Raw | bytes:
    try:
        return value_at(record, path)
    except (KeyError, msgspec.MsgspecError):
        return b"null"


def _id(record: msgspec.Raw, parent: Parent, page: Page) -> str:
    try:
        value = cast("JsonValue", msgspec.json.decode(value_at(record, parent.field)))
    except (KeyError, msgspec.MsgspecError):
        value = None
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        message = f"{page.answer.asked}: a record of {parent.endpoint} has no {parent.field!r} to ask for its list with"
        raise MalformedAnswerError(message)
    return str(value)


def _reader(options: RestOptions, endpoint: Endpoint) -> Callable[[Answer], Page]:
    path = options.records_path if endpoint.records_path is None else endpoint.records_path
    return page_reader(path or "", setting="records_path")
