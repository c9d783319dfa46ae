"""What became of objects, by the events feed.

An event holds its object as it was then. That is what the object is now, if it is surely the object's last event and
written in the API version that is wanted; else Stripe is asked for the object. Clocks differ, so of two events of one
object within two minutes neither is surely the last.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import msgspec

from dativo_engine.errors import RetryableError
from dativo_engine.jsonrows.values import value_at
from dativo_engine.rest.paging import in_order
from dativo_engine.sources.stripe.api import Api, Head, Listed
from dativo_engine.sources.stripe.cursor import OVERLAP_SECONDS, Follower, Reached
from dativo_engine.sources.stripe.objects import StripeObject

# How many objects are asked for at once.
WIDTH = 4
ReadFeed: TypeAlias = Callable[[Mapping[str, str], str], Listed]


class _Data(msgspec.Struct, frozen=True):
    object: msgspec.Raw
    previous_attributes: msgspec.Raw = msgspec.Raw(b"{}")


class Event(msgspec.Struct, frozen=True):
    """One event. `created` is in seconds since 1970."""

    id: str
    type: str
    created: int
    data: _Data
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of some objects: the ids of those that are gone, and the others as they are now."""

    gone: Sequence[str]
    records: Sequence[msgspec.Raw]


@dataclass(slots=True)
class Changes:
    """What changed in one stream.

    Attributes:
        api_version: what objects are wanted in.
        listed: how far the stream's list was read by earlier runs, where this run reads the list on afterwards: that
            tells what objects created since are now. None: it does not.
        window_bytes: how much of the feed is held at once.
        reached: how far the feed was read; moves on once the changes were read to their end.
        touched: objects that earlier runs read and the list has to tell again.
    """

    api: Api
    stream: StripeObject
    api_version: str
    reached: Reached
    listed: Reached | None
    window_bytes: int
    touched: set[str] = field(default_factory=set[str])
    _recent: dict[str, int] = field(default_factory=dict[str, int])

    def read(self) -> Generator[Changed]:
        """The changes, to be applied in order."""
        start, feed = self.reached, Follower(self.reached)
        for window in windows(self._page, start.since, most_bytes=self.window_bytes):
            feed.note([Head(event.id, event.created) for event in window])
            fresh = [event for event in window if event.id not in start.seen]
            if fresh:
                yield self._settle(fresh, unsure_until=start.latest + OVERLAP_SECONDS)
        self.reached = feed.reached

    def _page(self, params: Mapping[str, str], after: str) -> Listed:
        listed = self.api.page(self.stream.feed, params, after=after)
        if listed is None:
            message = f"the event {after} became too old while the feed was read; run it again"
            raise RetryableError(message)
        return listed

    def _settle(self, events: Sequence[Event], *, unsure_until: int) -> Changed:
        """What became of the objects of some events, which stand the newest first."""
        created: dict[str, int] = {}
        histories: dict[str, list[Event]] = {}
        for event in events:
            head = msgspec.json.decode(event.data.object, type=Head)
            created.setdefault(head.id, head.created)
            histories.setdefault(head.id, []).append(event)
        due = {
            key: history for key, history in histories.items() if not self._is_left_to_list(key, created[key], history)
        }
        now = self._ask([key for key, history in due.items() if not self._is_sure(key, history, unsure_until)])
        gone: list[str] = []
        records: list[msgspec.Raw] = []
        for key, history in due.items():
            record = now[key] if key in now else self._last(history)
            if self.stream.has_members:
                members = [] if record is None else list(self.api.members(self.stream, record))
                gone += _members_gone(self.stream, history, members)
                records += members
            elif record is None:
                gone.append(key)
            else:
                records.append(record)
        self._remember(histories)
        return Changed(gone, records)

    def _is_left_to_list(self, key: str, created: int, history: Sequence[Event]) -> bool:
        """Whether the list tells what the object is now: it is new, and there as far as is known."""
        if self.listed is None or created < self.listed.since or any(self._is_gone(event) for event in history):
            return False
        was_read = key in self.listed.seen
        if was_read and self.stream.has_members:
            return False  # the list does not tell which members it has lost
        if was_read:
            self.touched.add(key)
        return True

    def _is_sure(self, key: str, history: Sequence[Event], unsure_until: int) -> bool:
        """Whether the first of an object's events, the newest first, is surely its last, and holds it as wanted."""
        last = history[0]
        is_as_wanted = last.api_version == self.api_version and not self.stream.expand
        before = [event.created for event in history[1:2]] + [self._recent.get(key, 0)]
        is_last = last.created - max(before) >= OVERLAP_SECONDS and last.created > unsure_until
        return is_last and (is_as_wanted or self._is_gone(last))

    def _ask(self, keys: Sequence[str]) -> dict[str, msgspec.Raw | None]:
        """What objects are now; None: deleted."""
        calls = (partial(self.api.retrieve, self.stream, key) for key in keys)
        with closing(in_order(calls, width=WIDTH, interrupt=self.api.interrupt)) as answers:
            return dict(zip(keys, answers, strict=True))

    def _last(self, history: Sequence[Event]) -> msgspec.Raw | None:
        return None if self._is_gone(history[0]) else history[0].data.object

    def _is_gone(self, event: Event) -> bool:
        return event.type in self.stream.gone

    def _remember(self, histories: Mapping[str, Sequence[Event]]) -> None:
        """Which objects had an event a moment before the next window begins."""
        last = {key: history[0].created for key, history in histories.items()}
        latest = max(last.values())
        both = {**self._recent, **last}
        self._recent = {key: created for key, created in both.items() if created > latest - OVERLAP_SECONDS}


def windows(read: ReadFeed, since: int, until: int | None = None, *, most_bytes: int) -> Generator[Sequence[Event]]:
    """The feed from `since` on in parts, the oldest part first; in each the newest event first.

    Stripe hands out the newest events first. A part that is too large to be held is cut in two by time.

    Args:
        until: the second before which the feed ends; None: that of its newest event, which counts.
    """
    bounds = {"created[gte]": str(since)} | ({} if until is None else {"created[lt]": str(until)})
    events: list[Event] = []
    size, after = 0, ""
    while True:
        listed = read(bounds, after)
        events += [msgspec.json.decode(raw, type=Event) for raw in listed.page.records]
        size += len(listed.page.answer.body)
        if not listed.has_more:
            yield events
            return
        after, until = events[-1].id, until or events[0].created + 1
        expected = size * (until - since) / max(until - events[-1].created, 1)
        if until - since > 1 and size > most_bytes // 8 and expected > most_bytes:
            break
    middle = (since + until) // 2
    yield from windows(read, since, middle, most_bytes=most_bytes)
    yield from windows(read, middle, until, most_bytes=most_bytes)


def _members_gone(stream: StripeObject, history: Sequence[Event], now: Sequence[msgspec.Raw]) -> list[str]:
    """Ids of members that an object had by its events, and has no more."""
    then = dict.fromkeys(key for event in history for key in _members_then(stream, event))
    left = {msgspec.json.decode(member, type=Head).id for member in now}
    return [key for key in then if key not in left]


def _members_then(stream: StripeObject, event: Event) -> Generator[str]:
    for side in (event.data.object, event.data.previous_attributes) if stream.within else ():
        try:
            members = value_at(side, f"{stream.within}.data")
            yield from (head.id for head in msgspec.json.decode(members, type=list[Head]))
        except (KeyError, msgspec.ValidationError):
            continue  # this side says nothing of them
