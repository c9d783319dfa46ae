"""How a list is read page by page: what the next request is, and when there is none.

A paginator only says what comes after a page; `pages` asks, and sees to it that a list has an end: an API that hands
out the same cursor or the same page again, or nothing but empty pages, is an error and not an endless run.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable
from urllib.parse import urljoin

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.rest.exchange import Answer, Request
from dativo_engine.rest.records import Page

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    from dativo_engine.rest.client import Client

T = TypeVar("T")
MOST_EMPTY_PAGES = 100
LONGEST_PLACE = 60
_LINK = re.compile(r"<([^>]*)>\s*((?:;\s*[^,;=]+=(?:\"[^\"]*\"|[^,;]*))*)")
_RELATION = re.compile(r";\s*rel=\"?([^\";,]*)\"?", re.IGNORECASE)


class Paginator(Protocol):
    """One way in which APIs cut lists into pages."""

    def first(self, request: Request) -> Request:
        """The request for the first page."""
        ...

    def following(self, request: Request, page: Page) -> Request | None:
        """The request for the page after this one, which `request` was answered with; None: it was the last."""
        ...


@runtime_checkable
class Foreseeing(Paginator, Protocol):
    """A way whose first page tells all other requests, so that they can be asked at the same time."""

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        """The requests after the first; None: this API does not tell how many there are."""
        ...


@dataclass(frozen=True, slots=True)
class SinglePage:
    """The whole list in one answer."""

    def first(self, request: Request) -> Request:
        return request

    def following(self, request: Request, page: Page) -> Request | None:  # noqa: ARG002 - there is none
        return None


@dataclass(frozen=True, slots=True)
class ByCursor:
    """The answer holds a token for the next page.

    Attributes:
        param: the parameter that takes the token.
        path: where the answer holds it; nothing, null or an empty string there: it was the last page.
        more_path: where it says whether there are more pages, if a token alone does not mean that; it may leave it out.
        in_body: whether the parameter is a field of the JSON body.
    """

    param: str
    path: str
    more_path: str = ""
    in_body: bool = False

    def first(self, request: Request) -> Request:
        return request

    def following(self, request: Request, page: Page) -> Request | None:
        token, more = page.value(self.path), _more(page, self.more_path)
        if more is False:
            return None
        if token is None or token == "":
            if not more:
                return None
            message = f"{page.answer.asked}: {self.more_path} says that there is more, but there is no {self.path}"
            raise MalformedAnswerError(message)
        return _with(request, self.param, token, in_body=self.in_body, place=f"after cursor {_short(token)}")


@dataclass(frozen=True, slots=True)
class ByLastId:
    """The next page begins after the last record of this one.

    Attributes:
        param: the parameter that takes the last record's `field`.
        more_path: where the answer says whether there are more; where it does not, a page without records is the last.
    """

    param: str
    field: str = "id"
    more_path: str = ""
    in_body: bool = False

    def first(self, request: Request) -> Request:
        return request

    def following(self, request: Request, page: Page) -> Request | None:
        more = _more(page, self.more_path)
        if more is False:
            return None
        if not page.records:
            if not more:
                return None
            message = f"{page.answer.asked}: {self.more_path} says that there is more, but the page is empty"
            raise MalformedAnswerError(message)
        last = page.last(self.field)
        if last is None:
            message = f"{page.answer.asked}: the last record has no {self.field!r} to go on from"
            raise MalformedAnswerError(message)
        return _with(request, self.param, last, in_body=self.in_body, place=f"after {_short(last)}")


@dataclass(frozen=True, slots=True)
class ByNextUrl:
    """The answer holds the next page's URL, absolute or relative."""

    path: str

    def first(self, request: Request) -> Request:
        return request

    def following(self, request: Request, page: Page) -> Request | None:
        url = page.value(self.path)
        return _linked(request, page, url) if isinstance(url, str) and url else None


@dataclass(frozen=True, slots=True)
class ByLinkHeader:
    """The `Link` header holds the next page's URL (RFC 8288), as GitHub's does."""

    relation: str = "next"

    def first(self, request: Request) -> Request:
        return request

    def following(self, request: Request, page: Page) -> Request | None:
        for url, parameters in _LINK.findall(page.answer.headers.get("link", "")):
            relation = _RELATION.search(parameters)
            if relation is not None and self.relation in relation[1].split():
                return _linked(request, page, url)
        return None


@dataclass(frozen=True, slots=True)
class ByOffset:
    """Pages are asked for by the number of records before them.

    Attributes:
        size: records in a page, sent as `size_param`. An API may give fewer than it was asked for.
        total_path: where the answer says how many records there are in all; empty: an empty page is the last.
    """

    param: str = "offset"
    size_param: str = "limit"
    size: int = 100
    total_path: str = ""
    start: int = 0

    def first(self, request: Request) -> Request:
        return self._at(request, self.start)

    def following(self, request: Request, page: Page) -> Request | None:
        after, total = _number(request, self.param) + len(page.records), _count(page, self.total_path)
        if not page.records or (total is not None and after - self.start >= total):
            return None
        return self._at(request, after)

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        total = _count(page, self.total_path)
        step = len(page.records)
        if total is None or not step:
            return None
        return (self._at(request, offset) for offset in range(self.start + step, self.start + total, step))

    def _at(self, request: Request, offset: int) -> Request:
        sized = {self.size_param: str(self.size)} if self.size_param else {}
        return request.with_params(f"{self.param} {offset}", **{self.param: str(offset), **sized})


@dataclass(frozen=True, slots=True)
class ByPage:
    """Pages are numbered.

    Attributes:
        start: the first page's number.
        size: records in a page, sent as `size_param`; an API may give fewer. None: the API's own choice.
        pages_path, total_path: where the answer says how many pages, or how many records, there are in all; without
            `pages_path` an empty page is the last when they are read one by one.
    """

    param: str = "page"
    start: int = 1
    size_param: str = ""
    size: int | None = None
    pages_path: str = ""
    total_path: str = ""

    def first(self, request: Request) -> Request:
        return self._at(request, self.start)

    def following(self, request: Request, page: Page) -> Request | None:
        number, known = _number(request, self.param), _count(page, self.pages_path)
        is_last = not page.records if known is None else number - self.start + 1 >= known
        return None if is_last else self._at(request, number + 1)

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        known, total = _count(page, self.pages_path), _count(page, self.total_path)
        if known is None and total is not None:
            known = -(-total // len(page.records)) if page.records else 0
        if known is None:
            return None
        return (self._at(request, number) for number in range(self.start + 1, self.start + known))

    def _at(self, request: Request, number: int) -> Request:
        sized = {self.size_param: str(self.size)} if self.size_param and self.size else {}
        return request.with_params(f"{self.param} {number}", **{self.param: str(number), **sized})


def pages(
    client: Client,
    request: Request,
    paginator: Paginator,
    *,
    read: Callable[[Answer], Page],
    width: int = 1,
    first: Page | None = None,
) -> Generator[Page]:
    """Every page of a list, in order.

    Args:
        width: how many requests may be under way at once, where the first page tells all others.
        first: the first page, where it was asked for already.

    Raises:
        MalformedAnswerError: the list has no end, or a page can't be read.
        DativoError: as `Client.fetch`.
    """
    asked = paginator.first(request)
    page = first or client.fetch(asked, read=read)
    yield page
    known = paginator.rest(asked, page) if width > 1 and isinstance(paginator, Foreseeing) else None
    if known is None:
        yield from following_pages(client, asked, page, paginator, read=read)
        return
    watch = _Watch(asked, page)
    with closing(in_order((partial(client.fetch, it, read=read) for it in known), width=width)) as others:
        for page in others:
            watch.after(page)
            yield page


def following_pages(
    client: Client, asked: Request, page: Page, paginator: Paginator, *, read: Callable[[Answer], Page]
) -> Generator[Page]:
    """The pages after one that `asked` was answered with, one after the other.

    Raises:
        MalformedAnswerError: the list has no end, or a page can't be read.
        DativoError: as `Client.fetch`.
    """
    watch = _Watch(asked, page)
    while (upcoming := paginator.following(asked, page)) is not None:
        watch.before(upcoming)
        asked, page = upcoming, client.fetch(upcoming, read=read)
        watch.after(page)
        yield page


def in_order(calls: Iterable[Callable[[], T]], *, width: int) -> Generator[T]:
    """What the calls answer, in their order, at most `width` of them under way or waiting to be taken."""
    upcoming = iter(calls)
    with ThreadPoolExecutor(width, thread_name_prefix="dativo-rest") as threads:
        waiting: deque[Future[T]] = deque(threads.submit(call) for call in islice(upcoming, width))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(threads.submit(call) for call in islice(upcoming, 1))
        finally:
            for future in waiting:
                future.cancel()


class _Watch:
    """Notices a list without end. Keeps one request and one page, however long the list is (Brent's algorithm)."""

    def __init__(self, request: Request, page: Page) -> None:
        self._landmark = self._last = request
        self._page = page
        self._steps, self._stride = 0, 1
        self._empty = 0

    def before(self, request: Request) -> None:
        if _same(request, self._last) or _same(request, self._landmark):
            message = (
                f"{self._page.answer.asked}: the API leads back to a page that was read already ({request.place}); "
                "check the paginator's settings"
            )
            raise MalformedAnswerError(message)
        self._steps += 1
        if self._steps == self._stride:
            self._landmark, self._steps, self._stride = request, 0, self._stride * 2
        self._last = request

    def after(self, page: Page) -> None:
        self._empty = 0 if page.records else self._empty + 1
        if self._empty >= MOST_EMPTY_PAGES:
            message = f"{page.answer.asked}: {self._empty} empty pages in a row, and the API says that there is more"
            raise MalformedAnswerError(message)
        if page.records and page.records == self._page.records:
            message = (
                f"{page.answer.asked}: the same records as on the page before; "
                "does the API know the parameter that the paginator sends?"
            )
            raise MalformedAnswerError(message)
        self._page = page


def _same(one: Request, other: Request) -> bool:
    return (one.path, one.params, one.json) == (other.path, other.params, other.json)


def _with(request: Request, param: str, value: JsonValue, *, in_body: bool, place: str) -> Request:
    if in_body:
        return replace(request, json={**(request.json or {}), param: value}, place=place)
    return request.with_params(place, **{param: value if isinstance(value, str) else str(value)})


def _short(value: JsonValue) -> str:
    """Cursors may be long; messages are not."""
    text = str(value)
    return text if len(text) <= LONGEST_PLACE else f"{text[:LONGEST_PLACE]}..."


def _linked(request: Request, page: Page, url: str) -> Request:
    """A link carries all parameters itself."""
    return replace(request, path=urljoin(page.answer.url, url), params={}, place="by the link of the page before")


def _more(page: Page, path: str) -> bool | None:
    """Whether the answer says that there are more pages; None: it does not say."""
    value = page.value(path) if path else None
    return None if value is None else bool(value)


def _number(request: Request, param: str) -> int:
    return int(str(request.params[param]))


def _count(page: Page, path: str) -> int | None:
    if not path:
        return None
    value = page.value(path)
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = f"{page.answer.asked}: no count at {path!r}, but {value!r}"
        raise MalformedAnswerError(message)
    return value
