"""What is asked of HubSpot: lists, the search, reads by id, associations, properties."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from dativo_engine.errors import MalformedAnswerError
from dativo_engine.rest import Answer, ByCursor, Client, Page, Request, page_reader, pages
from dativo_engine.sources.hubspot.cursor import Versions
from dativo_engine.sources.hubspot.objects import HubSpotObject

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

T = TypeVar("T")

ASSOCIATION_BATCH = 1_000
_read_page = page_reader("results", setting="a list of HubSpot's")


class _Head(msgspec.Struct, frozen=True):
    id: str
    properties: dict[str, str | None] = {}
    updated: str | None = msgspec.field(name="updatedAt", default=None)
    archived: str | None = msgspec.field(name="archivedAt", default=None)


class _Associated(msgspec.Struct, frozen=True, rename={"to_id": "toObjectId"}):
    to_id: int | str


class _Cursor(msgspec.Struct, frozen=True):
    after: str


class _Paging(msgspec.Struct, frozen=True):
    next: _Cursor | None = None


class _From(msgspec.Struct, frozen=True):
    id: str


class _Associations(msgspec.Struct, frozen=True, rename={"source": "from"}):
    source: _From
    to: list[_Associated]
    paging: _Paging | None = None


class Property(msgspec.Struct, frozen=True):
    """A property that records can have. `type` is HubSpot's: string, number, bool, date, datetime, enumeration, ..."""

    name: str
    type: str
    label: str = ""


class Schema(msgspec.Struct, frozen=True, rename="camel"):
    """A type of records that an account has of its own."""

    object_type_id: str
    fully_qualified_name: str


@dataclass(frozen=True, slots=True)
class Newest:
    """What the search knows at a moment; where there is none, the list.

    Attributes:
        total: how many records there are.
        changed: when the newest change was made, in epoch milliseconds; None: there is no record.
        now: what HubSpot's own clock then said, in epoch milliseconds.
    """

    total: int
    changed: int | None
    now: int


class Api:
    """HubSpot, asked by two clients: the search has a rate of its own.

    Args:
        page_size: records in one answer; the search gives twice as many of the little that is asked of it.
    """

    def __init__(self, client: Client, searching: Client, *, page_size: int = 100) -> None:
        self._client, self._searching, self._size = client, searching, page_size

    def interrupt(self) -> None:
        """End every request at once."""
        self._client.interrupt()
        self._searching.interrupt()

    def url(self, it: HubSpotObject) -> str:
        """Where its list is, as positions name it."""
        return self._client.service.base_url.rstrip("/") + it.path

    def listed(self, it: HubSpotObject, properties: Sequence[str] = (), *, archived: bool = False) -> Generator[Page]:
        """All records, in the order of their ids, page by page. One that is archived meanwhile may be missed."""
        params = {"limit": str(self._size), "archived": "true" if archived else "false"}
        if properties:
            params["properties"] = ",".join(properties)
        request = Request(it.path, params)
        yield from pages(self._client, request, ByCursor("after", "paging.next.after"), read=_read_page)

    def newest(self, it: HubSpotObject) -> Newest:
        """What is known now."""
        if it.is_listed_only:
            listed = list(self.listed(it))
            versions = Versions.joined(changes(page, it) for page in listed)
            return Newest(len(versions.ids), max(versions.moments.tolist(), default=None), _date(listed[0].answer))
        page = self._search(
            it,
            {
                "limit": 1,
                "after": "0",
                "properties": [it.modified],
                "sorts": [{"propertyName": it.modified, "direction": "DESCENDING"}],
                "filterGroups": [],
            },
        )
        versions, total = changes(page, it), page.value("total")
        if not isinstance(total, int):
            message = f"{page.answer.asked}: the answer does not tell the total"
            raise MalformedAnswerError(message)
        changed = int(versions.moments[0]) if len(versions.moments) else None
        return Newest(total, changed, _date(page.answer))

    def changed(self, it: HubSpotObject, *, since: int, until: int) -> Generator[Versions]:
        """The records that the search says were changed between two moments, both included, by ascending id.

        What is changed meanwhile is changed after `until`, and so is the next run's. As each page begins behind the
        last one's greatest id, the search's ceiling of 10,000 results is never met, and equal moments do no harm.
        """
        window: list[JsonValue] = [
            {"propertyName": it.modified, "operator": "GTE", "value": str(since)},
            {"propertyName": it.modified, "operator": "LTE", "value": str(until)},
        ]
        body: dict[str, JsonValue] = {
            "limit": 2 * self._size,
            "after": "0",
            "properties": [it.modified],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        }
        last = 0
        behind: list[JsonValue] = []
        while True:
            page = self._search(it, {**body, "filterGroups": [{"filters": [*window, *behind]}]})
            versions = changes(page, it)
            has_more = page.value("paging.next.after") is not None
            if (has_more and not len(versions.ids)) or any(versions.ids <= last):
                message = f"{page.answer.asked}: there is nothing new behind id {last}, and HubSpot says there is more"
                raise MalformedAnswerError(message)
            yield versions
            if not has_more:
                return
            last = int(versions.ids[-1])
            behind = [{"propertyName": "hs_object_id", "operator": "GT", "value": str(last)}]

    def read(
        self, it: HubSpotObject, ids: Iterable[int], properties: Sequence[str], *, archived: bool = False
    ) -> Generator[Page]:
        """Records by their ids, as they are now. Those that are gone are left out; a merged one's survivor comes."""
        sought = iter(ids)
        while some := list(islice(sought, self._size)):
            inputs: list[JsonValue] = [{"id": str(record_id)} for record_id in some]
            body: dict[str, JsonValue] = {
                "inputs": inputs,
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            params = {"archived": "true"} if archived else {}
            request = Request(f"{it.path}/batch/read", params, method="POST", json=body, place=f"from id {some[0]}")
            yield self._client.fetch(request, read=_read_page)

    def associated(self, it: HubSpotObject, other: str, ids: Sequence[str]) -> Mapping[str, list[str]]:
        """For each record the ids of the other type's records that are associated with it."""
        found: dict[str, list[str]] = {}
        inputs: list[JsonValue] = [{"id": record_id} for record_id in ids]
        while inputs:
            some, inputs = inputs[:ASSOCIATION_BATCH], inputs[ASSOCIATION_BATCH:]
            path = f"/crm/v4/associations/{it.name}/{other}/batch/read"
            page = self._client.fetch(Request(path, method="POST", json={"inputs": some}), read=_read_page)
            for one in _decoded(page, _Associations):
                found.setdefault(one.source.id, []).extend(str(to.to_id) for to in one.to)
                if one.paging is not None and one.paging.next is not None:
                    inputs.append({"id": one.source.id, "after": one.paging.next.after})
        return found

    def properties(self, it: HubSpotObject) -> list[Property]:
        """The properties that its records can have."""
        return _decoded(self._client.fetch(Request(f"/crm/v3/properties/{it.name}"), read=_read_page), Property)

    def schemas(self) -> list[Schema]:
        """The types of records that the account has of its own."""
        request = Request("/crm-object-schemas/v3/schemas")
        return _decoded(self._client.fetch(request, read=_read_page), Schema)

    def _search(self, it: HubSpotObject, body: Mapping[str, JsonValue]) -> Page:
        request = Request(f"{it.path}/search", method="POST", json=body)
        return self._searching.fetch(request, read=_read_page)


def changes(page: Page, it: HubSpotObject) -> Versions:
    """The records of a page, and when each was last changed."""
    heads = _decoded(page, _Head)
    return _versions(page, heads, [head.properties.get(it.modified) or head.updated for head in heads])


def archivals(page: Page) -> Versions:
    """The records of a page of archived ones, and when each was archived."""
    heads = _decoded(page, _Head)
    return _versions(page, heads, [head.archived or head.updated for head in heads])


def _versions(page: Page, heads: Sequence[_Head], moments: Sequence[str | None]) -> Versions:
    try:
        told = pa.array(moments, pa.string()).cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).fill_null(0)
        ids = np.array([int(head.id) for head in heads], np.int64)
    except (pa.ArrowInvalid, ValueError) as error:
        message = f"{page.answer.asked}: a record's id is no number, or its time no time: {error}"
        raise MalformedAnswerError(message) from error
    return Versions.of([(ids, told.to_numpy())])


def _decoded(page: Page, kind: type[T]) -> list[T]:
    """The page's records, with what matters of them."""
    try:
        return [msgspec.json.decode(record, type=kind) for record in page.records]
    except msgspec.MsgspecError as error:
        message = f"{page.answer.asked}: a record is not as HubSpot describes it: {error}"
        raise MalformedAnswerError(message) from error


def _date(answer: Answer) -> int:
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp() * 1000)
    except ValueError:
        return int(time.time() * 1000)
