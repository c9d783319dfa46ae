"""The ways in which APIs cut lists into pages: what the next request is, and when there is none.

A paginator only says what comes after a page; `paging` asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urljoin

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.rest.exchange import Request
from dativo_engine.rest.records import Page

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

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


@dataclass(frozen=True, slots=True)
class Extent:
    """How long a list is, as one of its pages tells; None: it does not."""

    records: int | None = None
    pages: int | None = None


@runtime_checkable
class Foreseeing(Paginator, Protocol):
    """A way whose pages may tell how long the list is, so that all can be asked for at the same time."""

    def extent(self, page: Page) -> Extent:
        """How long the list is by this page."""
        ...

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        """The requests after the first, if each page is as long as it; None: this API does not tell how many."""
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
        return _with(request, {self.param: token}, in_body=self.in_body, place=f"after cursor {_short(token)}")


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
        return _with(request, {self.param: last}, in_body=self.in_body, place=f"after {_short(last)}")


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
        in_body: whether the parameters are fields of the JSON body.
    """

    param: str = "offset"
    size_param: str = "limit"
    size: int = 100
    total_path: str = ""
    start: int = 0
    in_body: bool = False

    def first(self, request: Request) -> Request:
        return self._at(request, self.start)

    def following(self, request: Request, page: Page) -> Request | None:
        return self._at(request, _number(request, self.param) + len(page.records)) if page.records else None

    def extent(self, page: Page) -> Extent:
        return Extent(records=_count(page, self.total_path))

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        total, step = self.extent(page).records, len(page.records)
        if total is None or not step:
            return None
        return (self._at(request, offset) for offset in range(self.start + step, self.start + total, step))

    def _at(self, request: Request, offset: int) -> Request:
        sized = {self.size_param: self.size} if self.size_param else {}
        return _with(request, {self.param: offset, **sized}, in_body=self.in_body, place=f"{self.param} {offset}")


@dataclass(frozen=True, slots=True)
class ByPage:
    """Pages are numbered.

    Attributes:
        start: the first page's number.
        size: records in a page, sent as `size_param`; an API may give fewer. None: the API's own choice.
        pages_path, total_path: where the answer says how many pages, or how many records, there are in all; without
            `pages_path` an empty page is the last.
        in_body: whether the parameters are fields of the JSON body.
    """

    param: str = "page"
    start: int = 1
    size_param: str = ""
    size: int | None = None
    pages_path: str = ""
    total_path: str = ""
    in_body: bool = False

    def first(self, request: Request) -> Request:
        return self._at(request, self.start)

    def following(self, request: Request, page: Page) -> Request | None:
        is_last = not page.records and not self.pages_path
        return None if is_last else self._at(request, _number(request, self.param) + 1)

    def extent(self, page: Page) -> Extent:
        return Extent(_count(page, self.total_path), _count(page, self.pages_path))

    def rest(self, request: Request, page: Page) -> Iterable[Request] | None:
        told = self.extent(page)
        known = told.pages
        if known is None and told.records is not None:
            known = -(-told.records // len(page.records)) if page.records else 0
        if known is None:
            return None
        return (self._at(request, number) for number in range(self.start + 1, self.start + known))

    def _at(self, request: Request, number: int) -> Request:
        sized = {self.size_param: self.size} if self.size_param and self.size else {}
        return _with(request, {self.param: number, **sized}, in_body=self.in_body, place=f"{self.param} {number}")


def _with(request: Request, fields: Mapping[str, JsonValue], *, in_body: bool, place: str) -> Request:
    if in_body:
        return replace(request, json={**(request.json or {}), **fields}, place=place)
    return request.with_params(place, **{name: str(value) for name, value in fields.items()})


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
    """A parameter of ours, wherever it stands."""
    return int(str((request.json or {}).get(param, request.params.get(param))))


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
