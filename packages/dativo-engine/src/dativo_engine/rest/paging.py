"""How a list is read page by page, and that it is read to its end.

An API that hands out the same cursor or the same page again, or nothing but empty pages, is an error and not an endless
run. One that tells how long the list is has to give as much: else records were lost while it was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from dativo_engine.errors import DativoError, GoneError, MalformedAnswerError, RetryableError
from dativo_engine.rest.exchange import Answer, Request
from dativo_engine.rest.paginators import Extent, Foreseeing, Paginator
from dativo_engine.rest.records import Page

if TYPE_CHECKING:
    from dativo_engine.rest.client import Client

T = TypeVar("T")
MOST_EMPTY_PAGES = 100


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
    yield from following_pages(client, asked, page, paginator, read=read, width=width)


def following_pages(
    client: Client,
    asked: Request,
    page: Page,
    paginator: Paginator,
    *,
    read: Callable[[Answer], Page],
    width: int = 1,
) -> Generator[Page]:
    """The pages after a list's first, which `asked` was answered with.

    They are asked for one after the other or, where the first tells of all, `width` at a time; from the first page on
    that is not as long as was foreseen, one after the other again.

    Raises:
        MalformedAnswerError: the list has no end, or a page can't be read.
        RetryableError: fewer records came than the API told of.
        DativoError: as `Client.fetch`.
    """
    walk = _Walk(asked, page, paginator)
    if width > 1 and isinstance(paginator, Foreseeing) and (foreseen := paginator.rest(asked, page)) is not None:
        calls = (partial(client.fetch, it, read=read) for it in paginator.rest(asked, page) or ())
        with closing(in_order(calls, width=width, interrupt=client.interrupt)) as answers:
            for upcoming in foreseen:
                following = walk.following()
                if following is None or not _same(following, upcoming):
                    break
                yield walk.took(upcoming, next(answers))
    while (upcoming := walk.following()) is not None:
        walk.check(upcoming)
        try:
            following = client.fetch(upcoming, read=read)
        except GoneError:
            if not walk.may_be_over:
                raise
            break
        yield walk.took(upcoming, following)
    walk.end()


def in_order(
    calls: Iterable[Callable[[], T]], *, width: int, interrupt: Callable[[], None] | None = None
) -> Generator[T]:
    """What the calls answer, in their order, at most `width` of them under way or waiting to be taken.

    Args:
        interrupt: ends what other calls may be waiting for, where one fails.
    """
    upcoming = iter(calls)
    with ThreadPoolExecutor(width, thread_name_prefix="dativo-rest") as threads:
        waiting: deque[Future[T]] = deque(threads.submit(call) for call in islice(upcoming, width))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(threads.submit(call) for call in islice(upcoming, 1))
        except DativoError:
            if interrupt is not None:
                interrupt()
            raise
        finally:
            for future in waiting:
                future.cancel()


class _Walk:
    """A list's pages as they pass by: notices one without end (Brent's algorithm), and one that ends too early.

    Keeps two requests and one page, however long the list is.
    """

    def __init__(self, request: Request, page: Page, paginator: Paginator) -> None:
        self._paginator = paginator
        self._landmark = self._last = request
        self._page = page
        self._steps, self._stride = 0, 1
        self._empty = 0
        self._records, self._pages = len(page.records), 1
        # Pages that are asked for at the same time may tell of older states than those before them; the first does not.
        self._first = self._told = self._least = self._most = self._extent(page)

    def following(self) -> Request | None:
        """The request for the next page; None: there is none."""
        return None if self._has_all_of(self._most) else self._paginator.following(self._last, self._page)

    @property
    def may_be_over(self) -> bool:
        """Whether the page before was the last by what it told itself."""
        return self._has_all_of(self._told)

    def _has_all_of(self, told: Extent) -> bool:
        if told.pages is not None:
            return self._pages >= told.pages
        return told.records is not None and self._records >= told.records

    def check(self, request: Request) -> None:
        """Raise where a request leads back."""
        if _same(request, self._last) or _same(request, self._landmark):
            message = (
                f"{self._page.answer.asked}: the API leads back to a page that was read already ({request.place}); "
                "check the paginator's settings"
            )
            raise MalformedAnswerError(message)
        self._steps += 1
        if self._steps == self._stride:
            self._landmark, self._steps, self._stride = request, 0, self._stride * 2

    def took(self, request: Request, page: Page) -> Page:
        """The next page, if it can be one."""
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
        self._last, self._page = request, page
        self._records += len(page.records)
        self._pages += 1
        told = self._extent(page)
        self._told = told
        self._least, self._most = _each(min, self._least, told), _each(max, self._most, told)
        return page

    def end(self) -> None:
        """Raise where records or pages were taken away, or fewer came than were told of: some have moved meanwhile."""
        for what, came, first, least, most in (
            ("records", self._records, self._first.records, self._least.records, self._most.records),
            ("pages", self._pages, self._first.pages, self._least.pages, self._most.pages),
        ):
            if first is None or least is None or most is None or (least >= first and came >= most):
                continue
            message = (
                f"{self._page.answer.asked}: the API told of {most:,} {what}, "
                + (f"and then of {least:,}" if least < first else f"and {came:,} came")
                + ": the list changed while it was read; run it again. If that number is an estimate, leave its path "
                "out of the paginator"
            )
            raise RetryableError(message)

    def _extent(self, page: Page) -> Extent:
        return self._paginator.extent(page) if isinstance(self._paginator, Foreseeing) else Extent()


def _each(choose: Callable[[int, int], int], one: Extent, other: Extent) -> Extent:
    """The lesser or the greater of what two pages tell."""
    records, pages_ = (
        None if left is None or right is None else choose(left, right)
        for left, right in ((one.records, other.records), (one.pages, other.pages))
    )
    return Extent(records, pages_)


def _same(one: Request, other: Request) -> bool:
    return (one.path, one.params, one.json) == (other.path, other.params, other.json)
