"""The HubSpot source: records become rows, and so does what was edited, archived, merged and purged since."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pyarrow as pa
from dativo_config.problems import closest
from pydantic import SecretStr

from dativo_engine.errors import FatalError, GoneError, PermissionDeniedError, RequestRefusedError
from dativo_engine.interfaces import Batch, Cursor, Plan, SourceSettings, Split, StreamInfo, StreamSettings
from dativo_engine.rest import Client, Patience, Rate, RateHeaders, Service, bearer, open_throttle
from dativo_engine.rest.auth import Auth
from dativo_engine.rest.oauth import refresh_token
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.hubspot.api import Api, Newest, Property
from dativo_engine.sources.hubspot.cursor import Standing
from dativo_engine.sources.hubspot.objects import OBJECTS, HubSpotObject, find
from dativo_engine.sources.hubspot.reading import Reading
from dativo_engine.sources.hubspot.records import FIELDS, MERGED, RecordReader, Shape, associated_column
from dativo_engine.sources.hubspot.refusal import words
from dativo_engine.sources.hubspot.spec import HubSpotCredentials, HubSpotOptions
from dativo_engine.sources.listed import ListedPlan

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

DAY_MILLISECONDS = 24 * 3600 * 1000
# What the least of accounts grants an app: 100 requests in ten seconds; the search, 5 in a second for everybody.
RATE = Rate(9, burst=10)
SEARCH_RATE = Rate(4, burst=4)
RATE_HEADERS = (
    RateHeaders("x-hubspot-ratelimit-remaining", window=10),
    # More come at midnight in the account's time zone, which nothing tells.
    RateHeaders("x-hubspot-ratelimit-daily-remaining", window=3600),
)
_log = logging.getLogger(__name__)
PATIENCE = Patience()
# For what a person waits for.
IN_A_HURRY = Patience(tries=2)
# How HubSpot answers for objects that an account does not have, or that a token may not read.
_NOT_THERE = (GoneError, PermissionDeniedError, RequestRefusedError)
BLOCK_BYTES = 8 * 1024 * 1024
_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "number": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}
_OWNER = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "email", "firstName", "lastName", "type")),
        pa.field("userId", pa.int64()),
        *(pa.field(name, pa.timestamp("us", "UTC")) for name in ("createdAt", "updatedAt")),
    ]
)


class HubSpotSource:
    """An account's records, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._options = settings.options if isinstance(settings.options, HubSpotOptions) else HubSpotOptions()
        self._streams = {stream.name: stream for stream in settings.streams}

    def check(self) -> None:
        """Ask for some records of each stream, and for the properties that there are."""
        with self._open(in_a_hurry=True) as api:
            for name, stream in self._streams.items():
                it = find(name)
                next(api.listed(it))
                self._shape(api, stream, it)

    def discover(self) -> list[StreamInfo]:
        """The properties of the job's objects; without any, of all that the account has and the token may read."""
        with self._open(in_a_hurry=True) as api:
            if self._streams:
                return [self._info(api, name, find(name)) for name in self._streams]
            found: list[StreamInfo] = []
            for name in OBJECTS:
                with suppress(*_NOT_THERE):
                    found.append(self._info(api, name, find(name)))
            with suppress(PermissionDeniedError):
                own = [schema.fully_qualified_name for schema in api.schemas()]
                found += [self._info(api, name, find(name)) for name in own]
            return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per stream."""
        return ListedPlan(self._splits(starts), tuple(self._streams))

    def read(self, split: Split) -> Iterator[Batch]:
        """One stream, from where the last run ended."""
        [name] = split.streams
        with self._open() as api:
            yield from one_ahead(self._batches(api, self._streams[name], split.payload), interrupt=api.interrupt)

    def _splits(self, starts: Mapping[str, Cursor | None]) -> Generator[Split]:
        with self._open() as api:
            for name in self._streams:
                yield self._split(api, name, starts.get(name))

    def _split(self, api: Api, name: str, start: Cursor | None) -> Split:
        it, incremental = find(name), self._settings.incremental is not None
        newest = api.newest(it)
        payload: dict[str, JsonValue] = {
            "start": dict(start.value) if start is not None and incremental else None,
            "total": newest.total,
            "changed": newest.changed,
            "now": newest.now,
        }
        identity = f"{newest.total} records, changed {newest.changed}"
        return Split(name, (name,), identity=identity, ordered=True, payload=payload)

    def _batches(self, api: Api, stream: StreamSettings, payload: Mapping[str, JsonValue]) -> Generator[Batch]:
        it = find(stream.name)
        shape = self._shape(api, stream, it)
        block_bytes = min(BLOCK_BYTES, self._settings.memory_bytes // 16)
        reading = Reading(api, it, shape, RecordReader(api, it, shape, stream=stream.name, block_bytes=block_bytes))
        if self._settings.incremental is None:
            return reading.everything()
        start, days = payload["start"], self._options.reconcile_days
        standing = Standing.parse(start) if isinstance(start, Mapping) else None
        if it.is_listed_only:
            return reading.compared(standing or Standing())
        newest = Newest(*(cast("int", payload[name]) for name in ("total", "changed", "now")))
        if standing is None:
            return reading.beginning(newest, keeps_keys=days > 0)
        due = days > 0 and newest.now - standing.reconciled >= days * DAY_MILLISECONDS
        return reading.since(standing, newest, reconcile=due, keeps_keys=days > 0)

    def _shape(self, api: Api, stream: StreamSettings, it: HubSpotObject) -> Shape:
        """Which columns are handed on, and what has to be asked for them."""
        schema, chosen = stream.schema, self._options.properties
        named = [item.name for item in schema.properties] if schema is not None else None
        if it.is_listed_only:
            return Shape((), tuple(named or _OWNER.names), (), schema)
        there = [known.name for known in api.properties(it)]
        associated = [associated_column(other) for other in self._options.associations]
        if named is None or chosen == "all":
            columns = [*FIELDS, *there, *associated]
        elif chosen == "contract":
            _warn_of_unknown(named, (*FIELDS, *there, *associated), it)
            columns = [name for name in named if name in there or name in FIELDS or name in associated]
        else:
            self._refuse_unknown(chosen, there, it)
            columns = [*(name for name in FIELDS if name in named), *chosen, *associated]
        asked = [it.modified, *(name for name in MERGED if name in there), *(name for name in columns if name in there)]
        properties = [name for name in dict.fromkeys(asked) if name not in FIELDS]
        others = tuple(other for other in self._options.associations if associated_column(other) in columns)
        return Shape(tuple(properties), tuple(dict.fromkeys(columns)), others, schema)

    def _refuse_unknown(self, chosen: Sequence[str], there: Sequence[str], it: HubSpotObject) -> None:
        unknown = [name for name in chosen if name not in there]
        if not unknown:
            return
        hint = (len(unknown) == 1 and closest(unknown[0], there)) or "`dativo discover` lists those that there are"
        message = f"source.options.properties: {it.name} have no property {', '.join(unknown)}; {hint}"
        raise FatalError(message)

    def _info(self, api: Api, name: str, it: HubSpotObject) -> StreamInfo:
        if it.is_listed_only:
            next(api.listed(it))
            return StreamInfo(name, _OWNER, ("id",), ("updatedAt",))
        found = api.properties(it)
        moments = [pa.field(column, pa.timestamp("us", "UTC")) for column in ("createdAt", "updatedAt")]
        fields = [pa.field("id", pa.string()), *moments, *map(_field, found)]
        fields += [pa.field(associated_column(other), pa.list_(pa.string())) for other in self._options.associations]
        return StreamInfo(name, pa.schema(fields), ("id",), ("updatedAt",), f"{len(found)} properties")

    @contextmanager
    def _open(self, *, in_a_hurry: bool = False) -> Generator[Api]:
        service = Service(
            self._options.base_url,
            self._auth(),
            setting="source.credentials",
            base_url_setting="source.options.base_url",
            rate_headers=RATE_HEADERS,
            patience=IN_A_HURRY if in_a_hurry else PATIENCE,
            words=words,
        )
        host, identity = service.base_url, service.auth.identity
        throttle = open_throttle(self._settings, host=host, identity=identity, default=RATE)
        search = open_throttle(
            replace(self._settings, rate_limits=None), host=host, identity=f"{identity} search", default=SEARCH_RATE
        )
        most = self._settings.memory_bytes // 4
        with (
            Client(service, throttle=throttle, max_body_bytes=most) as client,
            Client(service, throttle=search, max_body_bytes=most) as searching,
        ):
            yield Api(client, searching, page_size=self._options.page_size)

    def _auth(self) -> Auth:
        match self._settings.credentials:
            case HubSpotCredentials(access_token=SecretStr() as token):
                return bearer(token.get_secret_value())
            case HubSpotCredentials(
                client_id=str() as app, client_secret=SecretStr() as secret, refresh_token=SecretStr() as given
            ):
                url = f"{self._options.base_url.rstrip('/')}/oauth/2026-03/token"
                return refresh_token(url, app, given.get_secret_value(), client_secret=secret.get_secret_value())
            case _:
                message = (
                    "source.credentials: are missing: access_token (a private app), "
                    "or client_id, client_secret and refresh_token (an OAuth app)"
                )
                raise FatalError(message)


def _warn_of_unknown(named: Sequence[str], there: Sequence[str], it: HubSpotObject) -> None:
    """Say which columns stay null; another account, with the same contract, may have their properties."""
    for name in named:
        if name not in there:
            hint = closest(name, there) or "`dativo discover` lists those that there are"
            message = "%s: the contract's column %s is no property of this account, and is null in every row; %s"
            _log.warning(message, it.name, name, hint, extra={"event_type": "unknown_property"})


def _field(known: Property) -> pa.Field:
    return pa.field(known.name, _ARROW_TYPES.get(known.type, pa.string()))
