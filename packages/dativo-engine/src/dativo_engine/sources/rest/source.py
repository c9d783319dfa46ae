"""The source of any JSON API: one split a stream, read page by page, put together to batches worth enforcing."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import urlsplit

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Batch, Cursor, Plan, SourceSettings, Split, StreamInfo, StreamSettings
from dativo_engine.jsonrows.reader import JsonReader, infer_schema
from dativo_engine.jsonrows.values import Elements
from dativo_engine.rest import Client, Page, blocks, open_throttle
from dativo_engine.rest.exchange import shown
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.listed import ListedPlan
from dativo_engine.sources.proposal import propose
from dativo_engine.sources.rest.changes import Changes, Written, asking_for_changes
from dativo_engine.sources.rest.described import options_of, service_of
from dativo_engine.sources.rest.lists import Asking, first_page, list_pages

BLOCK_BYTES = 4 * 1024 * 1024
SAMPLE_RECORDS = 1000


class RestSource:
    """An API, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._options = options_of(settings)
        self._service = service_of(settings)
        self._begun: tuple[str, Page | None] = ("", None)
        self._streams = {stream.name: stream for stream in settings.streams}
        for name in self._streams:
            if name not in self._options.endpoints:
                known = ", ".join(self._options.endpoints)
                message = f"source.objects: there is no endpoint {name!r} in source.options.endpoints; it has {known}"
                raise FatalError(message)

    def check(self) -> None:
        """Ask for the beginning of every stream."""
        with self._client() as client:
            for name in self._streams:
                with closing(list_pages(client, self._options, name)) as pages:
                    next(pages, None)

    def discover(self) -> list[StreamInfo]:
        """Fields and types as the first records of each stream suggest them."""
        found: list[StreamInfo] = []
        with self._client() as client:
            for name in self._streams:
                endpoint = self._options.endpoints[name]
                with closing(list_pages(client, self._options, name)) as pages:
                    records = list(islice((record for page in pages for record in page.records), SAMPLE_RECORDS))
                info = propose(name, infer_schema(iter([Elements(records)])), self._address(name))
                key = tuple(endpoint.primary_key) or info.primary_key
                found.append(StreamInfo(name, info.arrow_schema, key, info.cursor_candidates, info.detail))
        return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per stream: a page is only found from the page before it."""
        return ListedPlan(self._splits(starts), tuple(starts))

    def read(self, split: Split) -> Iterator[Batch]:
        """One stream's records, from the page on that the plan has seen a moment ago."""
        stream = self._streams[split.streams[0]]
        start = split.payload.get("start")
        name, first = self._begun
        self._begun = ("", None)
        client = self._client()
        with client:
            batches = self._batches(
                client,
                stream,
                start=Cursor(start) if isinstance(start, dict) else None,
                first=first if name == stream.name else None,
            )
            yield from one_ahead(batches, interrupt=client.interrupt)

    def _splits(self, starts: Mapping[str, Cursor | None]) -> Iterator[Split]:
        """The streams in the job's order, each known by how its list begins."""
        for name, stream in self._streams.items():
            start = starts.get(name) if self._settings.incremental is not None else None
            asking = self._asking(name, self._changes(stream, start))
            with self._client() as client:
                page = first_page(client, self._options, name, asking=asking)
            self._begun = (name, page)
            payload = {"start": dict(start.value)} if start is not None else {}
            yield Split(name, (name,), _identity(page), payload=payload)

    def _batches(
        self, client: Client, stream: StreamSettings, *, start: Cursor | None, first: Page | None
    ) -> Generator[Batch]:
        changes = self._changes(stream, start)
        reader = JsonReader(self._address(stream.name), stream.name, stream.schema)
        block_bytes = min(BLOCK_BYTES, self._settings.memory_bytes // 16)
        asking = self._asking(stream.name, changes)
        with closing(list_pages(client, self._options, stream.name, asking=asking, first=first)) as pages:
            received = _Received(pages)
            written = Written(blocks(received, block_bytes=block_bytes))
            for batch in reader.batches(written):
                taken = batch if changes is None else changes.take(batch, written)
                if taken.records.num_rows or taken.malformed:
                    yield replace(taken, bytes_read=received.take())
        if changes is not None and (end := changes.end(stream)) is not None:
            yield replace(end, bytes_read=received.take())

    def _asking(self, name: str, changes: Changes | None) -> Asking:
        param, incremental = self._options.endpoints[name].cursor, self._settings.incremental
        return lambda request: asking_for_changes(request, param, changes, incremental)

    def _changes(self, stream: StreamSettings, start: Cursor | None) -> Changes | None:
        if self._settings.incremental is None or stream.schema is None:
            return None
        return Changes.since(start, stream, keeps_known=bool(self._settings.incremental.lookback_days))

    def _client(self) -> Client:
        host = urlsplit(self._service.base_url).netloc
        throttle = open_throttle(self._settings, host=host, identity=self._service.auth.identity)
        # What is under way, what waits its turn to be read, and what is being read.
        share = self._settings.memory_bytes // (2 * (self._options.concurrency + 1))
        return Client(self._service, throttle=throttle, max_body_bytes=max(share, 1 << 20))

    def _address(self, name: str) -> str:
        base, path = self._service.base_url.rstrip("/"), self._options.endpoints[name].path
        return shown(path if "://" in path else f"{base}/{path.lstrip('/')}")


@dataclass(slots=True)
class _Received:
    """Pages on their way, and the bytes of those that came since it was last asked."""

    pages: Iterator[Page]
    size: int = 0

    def __iter__(self) -> Iterator[Page]:
        for page in self.pages:
            self.size += len(page.answer.body)
            yield page

    def take(self) -> int:
        size, self.size = self.size, 0
        return size


def _identity(page: Page) -> str:
    """All that an API tells of a list's content before it is read: its beginning."""
    return hashlib.blake2b(b"\n".join(page.records), digest_size=16).hexdigest()
