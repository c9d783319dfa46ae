"""What is asked of Stripe, and how its answers are read: pages of lists, single objects, lists inside objects."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from dativo_engine.errors import MalformedAnswerError, RetryableError
from dativo_engine.jsonrows.values import value_at
from dativo_engine.redaction import Redactor
from dativo_engine.rest import Answer, Client, Page, Request, page_reader
from dativo_engine.rest.exchange import Params
from dativo_engine.rest.verdict import failure
from dativo_engine.sources.stripe.objects import StripeObject

_MISSING = "resource_missing"
_read_page = page_reader("data", setting="a list of Stripe's")


class Head(msgspec.Struct, frozen=True):
    """What every object has. `created` is in seconds since 1970; 0: it has none."""

    id: str
    created: int = 0


class _Heads(msgspec.Struct, frozen=True):
    data: list[Head]
    has_more: bool


class _Members(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    has_more: bool
    url: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. `heads` are those of `page.records`."""

    page: Page
    heads: Sequence[Head]
    has_more: bool

    def only(self, ids: Iterable[str]) -> Listed:
        """The page with these of its objects."""
        wanted = frozenset(ids)
        kept = [(head, raw) for head, raw in zip(self.heads, self.page.records, strict=True) if head.id in wanted]
        page = replace(self.page, records=[raw for _, raw in kept])
        return Listed(page, [head for head, _ in kept], self.has_more)


class Api:
    """Stripe, asked by one client. Safe to use from several threads.

    Args:
        page_size: objects in one answer.
    """

    def __init__(self, client: Client, *, page_size: int = 100) -> None:
        self._client = client
        self._size = str(page_size)
        self._mask = Redactor()
        self._mask.add(client.service.auth.secrets)

    def interrupt(self) -> None:
        """End every request at once."""
        self._client.interrupt()

    def url(self, stream: StripeObject) -> str:
        """Where a list is, as positions name it."""
        return self._client.service.base_url.rstrip("/") + stream.path

    def newest_first(self, stream: StripeObject, *, since: int = 0) -> Generator[Listed]:
        """A list, page by page, from the objects created at `since` on.

        What is created while it is read may be missed, nothing else is; no object comes twice.

        Raises:
            RetryableError: the object that a page begins after was deleted, in a list that can't be read otherwise.
            DativoError: as `Client.fetch`.
        """
        bounds = {"created[gte]": str(since)} if since else {}
        after, second, read = "", 0, set[str]()
        while True:
            listed = self.page(stream, bounds, after=after)
            if listed is None:
                # Gone since the page before was read: go on from its second instead.
                bounds, after = {**bounds, "created[lte]": str(_second_of(stream, after, second))}, ""
                continue
            yield listed.only(head.id for head in listed.heads if head.id not in read) if read else listed
            if not listed.has_more:
                return
            last = listed.heads[-1]
            read = read if last.created == second else set[str]()
            read |= {head.id for head in listed.heads if head.created == last.created}
            after, second = last.id, last.created

    def page(self, stream: StripeObject, params: Params, *, after: str = "") -> Listed | None:
        """One page of a list; None: the object that it begins after is not there any more."""
        asked = {**stream.params, **params}
        if stream.is_paged or stream.each:
            asked["limit"] = self._size
        if stream.expand:
            asked["expand[]"] = [f"data.{name}" for name in stream.expand]
        if after:
            asked["starting_after"] = after
        expected = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND) if after else ()
        request = Request(stream.path, asked, place=f"after {after}" if after else "")
        listed = self._client.fetch(request, read=self._listed, expect=expected)
        if listed is not None and listed.has_more and (not listed.heads or listed.heads[-1].id == after):
            raise _nowhere_to_go_on(listed.page.answer.asked)
        return listed

    def first(self, stream: StripeObject) -> Listed:
        """The first page of a list."""
        listed = self.page(stream, {})
        assert listed is not None  # noqa: S101 - it begins after nothing
        return listed

    def retrieve(self, stream: StripeObject, key: str) -> msgspec.Raw | None:
        """One object as it is now; None: it was deleted."""
        request = Request(f"{stream.path}/{key}", {"expand[]": stream.expand} if stream.expand else {})
        return self._client.fetch(request, read=self._object, expect=(HTTPStatus.NOT_FOUND,))

    def members(self, stream: StripeObject, record: msgspec.Raw) -> Generator[msgspec.Raw]:
        """All that the list of an object holds; that which came within the object is not asked for again."""
        if stream.each:
            head = msgspec.json.decode(record, type=Head)
            inner = StripeObject(stream.each.replace("{id}", head.id), is_paged=stream.is_paged)
            yield from self._rest_of(inner, None, more=True)
            return
        try:
            within = value_at(record, stream.within)
        except KeyError:
            return
        if bytes(within) == b"null":
            return
        members = msgspec.json.decode(within, type=_Members)
        yield from members.data
        last = members.data[-1] if members.data else None
        inner = StripeObject(members.url)
        if members.has_more and last is None:
            raise _nowhere_to_go_on(self.url(inner))
        yield from self._rest_of(inner, last, more=members.has_more)

    def _rest_of(self, inner: StripeObject, last: msgspec.Raw | None, *, more: bool) -> Generator[msgspec.Raw]:
        """The members of a list behind one of them; None: all of them."""
        while more:
            key = "" if last is None else msgspec.json.decode(last, type=Head).id
            listed = self.page(inner, {}, after=key)
            if listed is None:
                message = f"{self.url(inner)}: {key} was removed while the list was read; run it again"
                raise RetryableError(message)
            yield from listed.page.records
            more, last = listed.has_more, listed.page.records[-1] if listed.page.records else None

    def _listed(self, answer: Answer) -> Listed | None:
        if self._is_missing(answer):
            return None
        page = _read_page(answer)
        try:
            heads = msgspec.json.decode(page.document, type=_Heads)
        except msgspec.ValidationError as error:
            message = f"{answer.asked}: not a list of Stripe's: {error}"
            raise MalformedAnswerError(message) from error
        return Listed(page, heads.data, heads.has_more)

    def _object(self, answer: Answer) -> msgspec.Raw | None:
        if self._is_missing(answer):
            return None
        try:
            fields = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
        except msgspec.MsgspecError as error:
            message = f"{answer.asked}: not an object of Stripe's: {error}"
            raise MalformedAnswerError(message) from error
        return None if "deleted" in fields else msgspec.Raw(msgspec.json.format(answer.body, indent=-1))

    def _is_missing(self, answer: Answer) -> bool:
        """Whether Stripe says that an object is not there; any other refusal is raised."""
        error = failure(answer, self._client.service, mask=self._mask)
        if error is None:
            return False
        try:
            code = msgspec.json.decode(value_at(answer.body, "error.code"), type=str)
        except (KeyError, msgspec.MsgspecError):
            code = ""
        if code != _MISSING:
            raise error
        return True


def server_time(answer: Answer) -> int:
    """When an answer was given, by Stripe's clock, in seconds since 1970.

    Raises:
        MalformedAnswerError: it does not say.
    """
    try:
        return int(parsedate_to_datetime(answer.headers["date"]).timestamp())
    except (KeyError, ValueError) as error:
        message = f"{answer.asked}: the answer has no Date header; does source.options.base_url keep it?"
        raise MalformedAnswerError(message) from error


def _nowhere_to_go_on(asked: str) -> MalformedAnswerError:
    return MalformedAnswerError(f"{asked}: there is more, says Stripe, but not what; run it again")


def _second_of(stream: StripeObject, after: str, second: int) -> int:
    if not stream.by_created or not second:
        message = f"{stream.path}: {after} was deleted while the list was read; run it again"
        raise RetryableError(message)
    return second
