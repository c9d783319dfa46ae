"""THE FLOW of one stream: what was listed and what was changed becomes batches, and a cursor that says how far.

    first, or when the feed does not reach back    note where the feed stands -> the whole list
    afterwards                                     what the feed tells -> what the list has that is new

The feed is noted before the list is read, and read before the list is read on: so what the list tells is never older
than what the feed told, and whatever happens meanwhile is the next run's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from dativo_engine.interfaces import Batch, Position
from dativo_engine.jsonrows.reader import JsonReader
from dativo_engine.jsonrows.values import Elements
from dativo_engine.rest import Page, blocks
from dativo_engine.sources.stripe.api import Api, Listed
from dativo_engine.sources.stripe.changes import Changed, Changes
from dativo_engine.sources.stripe.cursor import Follower, Reached, Standing
from dativo_engine.sources.stripe.objects import StripeObject
from dativo_engine.sources.stripe.types import as_sent, with_times

if TYPE_CHECKING:
    from dativo_config.models.contract import SchemaObject

BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Way:
    """How a stream's news are found. Neither: every run reads everything."""

    by_events: bool
    by_created: bool


@dataclass(slots=True)
class Reading:
    """One stream's reading in one run.

    Attributes:
        api_version: what objects are read in.
        realm: the mode and account that are read.
        now: when the run began, by Stripe's clock.
    """

    api: Api
    name: str
    stream: StripeObject
    schema: SchemaObject | None
    way: Way
    api_version: str
    realm: str
    now: int
    memory_bytes: int
    _reader: JsonReader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = JsonReader(self.api.url(self.stream), self.name, as_sent(self.schema))

    def everything(self) -> Generator[Batch]:
        """The whole list. The last batch has the cursor, where there is a way to go on from it."""
        events = self._feed_stands() if self.way.by_events else None
        objects = Follower(Reached())
        yield from self._batches(_noted(objects, self.api.newest_first(self.stream)))
        if self.way.by_events or self.way.by_created:
            listed = objects.reached if self.way.by_created else None
            yield self._end(Standing(self.realm, listed, events, self.now))

    def sample(self) -> Sequence[msgspec.Raw]:
        """Some records as Stripe writes them."""
        return self._with_members(self.api.first(self.stream).page).records

    def since(self, start: Standing) -> Generator[Batch]:
        """What is new and what has changed since `start`."""
        objects, events, touched = start.objects, start.events, frozenset[str]()
        if events is not None:
            changes = Changes(
                self.api, self.stream, self.api_version, events, objects, window_bytes=self.memory_bytes // 8
            )
            for changed in changes.read():
                yield from self._applied(changed)
            events, touched = changes.reached, frozenset(changes.touched)
        if objects is not None:
            follower = Follower(objects)
            known = objects.seen.keys() - touched
            listed = self.api.newest_first(self.stream, since=objects.since)
            yield from self._batches(_without(known, _noted(follower, listed)))
            objects = follower.reached
        yield self._end(start.after(objects, events, now=self.now))

    def _feed_stands(self) -> Reached:
        """Where the feed stands now."""
        feed = Follower(Reached())
        for listed in _noted(feed, self.api.newest_first(self.stream.feed)):
            if not listed.heads or listed.heads[-1].created < feed.since:
                break
        return feed.reached

    def _batches(self, lists: Iterable[Listed]) -> Generator[Batch]:
        """The records of some pages, put together to batches that are worth writing."""
        pages = (self._with_members(listed.page) for listed in lists)
        for run in blocks(pages, block_bytes=min(BLOCK_BYTES, self.memory_bytes // 16)):
            yield from self._rows(run)

    def _with_members(self, page: Page) -> Page:
        if not self.stream.has_members:
            return page
        return replace(
            page, records=[member for record in page.records for member in self.api.members(self.stream, record)]
        )

    def _applied(self, changed: Changed) -> Generator[Batch]:
        if changed.gone:
            yield self._deletes(changed.gone)
        yield from self._rows(Elements(changed.records))

    def _rows(self, run: Elements) -> Generator[Batch]:
        if run.elements:
            size = sum(map(len, run.elements))
            for batch in self._reader.batches([run]):
                yield replace(batch, records=with_times(batch.records, self.schema), bytes_read=size)
                size = 0

    def _deletes(self, ids: Sequence[str]) -> Batch:
        position = Position(self._reader.file, self._reader.records + 1)
        self._reader.records += len(ids)
        records = pa.RecordBatch.from_arrays([pa.array(ids, pa.string())], ["id"])
        return Batch(self.name, records, position, op=pa.array(np.ones(len(ids), np.int8)))

    def _end(self, standing: Standing) -> Batch:
        """No rows, and the cursor."""
        names = [] if self.schema is None else [item.name for item in self.schema.properties]
        records = pa.RecordBatch.from_arrays([pa.nulls(0) for _ in names], names)
        return Batch(
            self.name, records, Position(self._reader.file, self._reader.records + 1), cursor=standing.cursor()
        )


def _noted(follower: Follower, lists: Iterable[Listed]) -> Generator[Listed]:
    """The pages, once the follower has seen them."""
    for listed in lists:
        follower.note(listed.heads)
        yield listed


def _without(known: Iterable[str], lists: Iterable[Listed]) -> Generator[Listed]:
    """The pages without the objects that were read before."""
    read = frozenset(known)
    for listed in lists:
        yield listed.only(head.id for head in listed.heads if head.id not in read)
