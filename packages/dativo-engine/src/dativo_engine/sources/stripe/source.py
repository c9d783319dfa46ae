"""The Stripe source: lists become rows, and so does what the events feed tells of them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from dativo_config.problems import closest

from dativo_engine.errors import FatalError, PermissionDeniedError
from dativo_engine.interfaces import Batch, Cursor, Plan, SourceSettings, Split, StreamInfo
from dativo_engine.jsonrows.reader import infer_schema
from dativo_engine.jsonrows.values import Elements
from dativo_engine.rest import Client, Patience, Service, bearer, open_throttle
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.listed import ListedPlan
from dativo_engine.sources.proposal import propose
from dativo_engine.sources.stripe.api import Api, Listed, server_time
from dativo_engine.sources.stripe.cursor import Standing
from dativo_engine.sources.stripe.objects import OBJECTS, StripeObject
from dativo_engine.sources.stripe.reading import Reading, Way
from dativo_engine.sources.stripe.spec import CREATED, EVENTS, StripeCredentials, StripeOptions, mode_of
from dativo_engine.sources.stripe.types import proposed

# The feed reaches thirty days back; one hour is for reading it.
FEED_REACHES_SECONDS = 30 * 24 * 3600 - 3600
PATIENCE = Patience()
# For what a person waits for.
IN_A_HURRY = Patience(tries=2)
_log = logging.getLogger(__name__)


class StripeSource:
    """An account's objects, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._options = settings.options if isinstance(settings.options, StripeOptions) else StripeOptions()
        self._schemas = {stream.name: stream.schema for stream in settings.streams}

    def check(self) -> None:
        """Read one object of each stream and, where they are followed, one event."""
        with self._open(in_a_hurry=True) as client:
            api = Api(client, page_size=1)
            for name in self._schemas:
                stream = self._stream(name)
                api.page(stream, {})
                if self._way(name).by_events:
                    api.page(stream.feed, {})

    def discover(self) -> list[StreamInfo]:
        """Fields and types as each list's first page suggests them."""
        found: list[StreamInfo] = []
        with self._open(in_a_hurry=True) as client:
            for name in self._schemas:
                api = Api(client, page_size=self._options.page_size)
                way = Way(by_events=False, by_created=False)
                reading = self._reading(api, name, way, now=0)
                schema = infer_schema(iter([Elements(records)] if (records := reading.sample()) else []))
                found.append(propose(name, proposed(schema), f"API version {self._options.api_version}"))
        return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per stream."""
        return ListedPlan(self._splits(starts), tuple(self._schemas))

    def read(self, split: Split) -> Iterator[Batch]:
        """One stream, from where the last run ended."""
        [name] = split.streams
        start, now = split.payload["start"], split.payload["now"]
        assert isinstance(now, int)  # noqa: S101 - as `_split` wrote it
        with self._open() as client:
            reading = self._reading(Api(client, page_size=self._options.page_size), name, self._way(name), now=now)
            batches = reading.since(Standing.of(start)) if isinstance(start, Mapping) else reading.everything()
            yield from one_ahead(batches, interrupt=client.interrupt)

    def _splits(self, starts: Mapping[str, Cursor | None]) -> Generator[Split]:
        with self._open() as client:
            for name in self._schemas:
                yield self._split(Api(client, page_size=1), name, starts.get(name))

    def _split(self, api: Api, name: str, cursor: Cursor | None) -> Split:
        newest = self._newest(api, name)
        now = server_time(newest.page.answer)
        start = self._start(name, cursor, now=now)
        return Split(
            id=name,
            streams=(name,),
            identity=newest.heads[0].id if newest.heads else "nothing",
            ordered=True,
            payload={"start": None if start is None else dict(start.cursor().value), "now": now},
        )

    def _newest(self, api: Api, name: str) -> Listed:
        """What happened last: the newest event about the stream's objects, else the newest object."""
        stream = self._stream(name)
        if stream.events:
            try:
                return api.first(stream.feed)
            except PermissionDeniedError:
                if self._way(name).by_events:
                    raise
        return api.first(stream)

    def _start(self, name: str, cursor: Cursor | None, *, now: int) -> Standing | None:
        """Where the run goes on; None: everything is read."""
        way = self._way(name)
        if cursor is None or not (way.by_events or way.by_created):
            return None
        start = _standing(name, cursor)
        if start.realm and self._realm and start.realm != self._realm:
            message = (
                f"{name}: what was read so far is of {start.realm}, and source.credentials.api_key is for "
                f"{self._realm}; write to another table, or begin again with `dativo run --full-refresh`"
            )
            raise FatalError(message)
        if (way.by_events and start.events is None) or (way.by_created and start.objects is None):
            return None
        if way.by_events and now - start.checked > FEED_REACHES_SECONDS:
            checked = datetime.fromtimestamp(start.checked, UTC)
            _log.warning(
                "%s: the events feed was last read on %s and reaches 30 days back: everything is read again; objects "
                "that were deleted meanwhile stay in the table until `dativo run --full-refresh`",
                name,
                f"{checked:%Y-%m-%d %H:%M} UTC",
                extra={"event_type": "full_read"},
            )
            return None
        return replace(start, events=start.events if way.by_events else None)

    @property
    def _realm(self) -> str:
        """Whose objects are read, as people say it; empty: the key does not tell."""
        credentials = self._settings.credentials
        mode = mode_of(credentials) if isinstance(credentials, StripeCredentials) else ""
        account = f" of {self._options.account}" if self._options.account else ""
        return f"{mode} mode{account}" if mode else ""

    def _way(self, name: str) -> Way:
        stream, incremental = self._stream(name), self._settings.incremental
        if incremental is None:
            return Way(by_events=False, by_created=False)
        if incremental.strategy == CREATED and not stream.by_created:
            message = (
                f"source.incremental.strategy: Stripe's list of {name} can't be asked for new objects; "
                f"write strategy: {EVENTS}, or leave incremental out"
            )
            raise FatalError(message)
        by_events = incremental.strategy == EVENTS and bool(stream.events)
        follows_list = incremental.strategy == CREATED or by_events or stream.immutable
        return Way(by_events, by_created=stream.by_created and follows_list)

    def _stream(self, name: str) -> StripeObject:
        if name not in OBJECTS:
            hint = closest(name, OBJECTS) or "`dativo connectors stripe` lists them"
            message = f"source.objects: Stripe has no {name!r} that can be read; {hint}"
            raise FatalError(message)
        stream = OBJECTS[name]
        return replace(stream, expand=(*stream.expand, *self._options.expand.get(name, ())))

    def _reading(self, api: Api, name: str, way: Way, *, now: int) -> Reading:
        return Reading(
            api,
            name,
            self._stream(name),
            self._schemas[name],
            way,
            self._options.api_version,
            self._realm,
            now,
            self._settings.memory_bytes,
        )

    @contextmanager
    def _open(self, *, in_a_hurry: bool = False) -> Generator[Client]:
        credentials, options = self._settings.credentials, self._options
        if not isinstance(credentials, StripeCredentials):
            message = "source.credentials.api_key: is needed and missing: a key of Stripe's dashboard"
            raise FatalError(message)
        headers = {"Stripe-Version": options.api_version}
        if options.account is not None:
            headers["Stripe-Account"] = options.account
        auth = bearer(credentials.api_key.get_secret_value())
        service = Service(
            options.base_url,
            auth,
            headers,
            setting="source.credentials.api_key",
            base_url_setting="source.options.base_url",
            patience=IN_A_HURRY if in_a_hurry else PATIENCE,
        )
        throttle = open_throttle(self._settings, host=options.base_url, identity=auth.identity)
        with Client(service, throttle=throttle, max_body_bytes=self._settings.memory_bytes // 4) as client:
            yield client


def _standing(name: str, cursor: Cursor) -> Standing:
    try:
        return Standing.of(cursor.value)
    except (KeyError, TypeError) as error:
        message = f"{name}: its cursor is none of Stripe's; `dativo state reset` makes the next run read everything"
        raise FatalError(message) from error
