"""One account of the fake: its objects, what was told of them, and the clock that both are stamped by."""

from __future__ import annotations

import copy
import hashlib
import itertools
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from tests.fakes.stripe.resources import EVENTS, RESOURCES, Json, Object, Resource

EVENTS_REACH_SECONDS = 30 * 24 * 3600
EMBEDDED = 10
Key: TypeAlias = tuple[int, int, str]


@dataclass(slots=True)
class Clock:
    """What time it is at the fake, in seconds of Unix time."""

    now: float = 1_790_000_000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(slots=True)
class Shelf:
    """Objects of one kind, the newest first. Which of one second comes first is arbitrary, and stays."""

    objects: dict[str, Object] = field(default_factory=dict[str, Object])
    order: list[Key] = field(default_factory=list[Key])

    def put(self, item: Object) -> None:
        """Add an object, or put it in place of the one with its id."""
        if str(item["id"]) not in self.objects:
            insort(self.order, _key(item))
        self.objects[str(item["id"])] = item

    def take(self, item_id: str) -> Object:
        """Take an object away."""
        item = self.objects.pop(item_id)
        del self.order[bisect_left(self.order, _key(item))]
        return item

    def place(self, item_id: str) -> int:
        """Where an object stands."""
        return bisect_left(self.order, _key(self.objects[item_id]))

    def from_place(self, place: int, *, backwards: bool = False) -> Iterator[Object]:
        """The objects from a place on."""
        places = range(place, -1, -1) if backwards else range(place, len(self.order))
        for at in places:
            yield self.objects[self.order[at][2]]


@dataclass(slots=True)
class Account:
    """An account in one mode. Changes are made here; the HTTP interface calls the same methods.

    Attributes:
        api_version: the account's own, which its events are written in.
    """

    id: str
    clock: Clock
    livemode: bool = False
    api_version: str = "2026-10-28.endive"
    events: Shelf = field(default_factory=Shelf)
    shelves: dict[str, Shelf] = field(default_factory=lambda: {name: Shelf() for name in RESOURCES})
    deleted: dict[str, str] = field(default_factory=dict[str, str])
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def create(self, name: str, values: Mapping[str, Json] | None = None, *, skew: float = 0) -> Object:
        """A new object, stamped by a clock that is `skew` seconds off. `created` in the values backdates it."""
        resource, stamp = RESOURCES[name], int(self.clock.now + skew)
        item: Object = {"id": self._new_id(resource.prefix), "object": resource.object, "created": stamp}
        item |= copy.deepcopy(dict(resource.shape)) | {"livemode": self.livemode, "metadata": {}}
        item |= copy.deepcopy(dict(values or {}))
        self._adopt(resource, item)
        self.shelves[name].put(item)
        if resource.events and resource.created_event:
            self._tell(resource, resource.created_event, item, stamp)
        return self.shown(name, item)

    def edit(self, name: str, item_id: str, values: Mapping[str, Json], *, skew: float = 0, told: str = "") -> Object:
        """Change some fields of an object. `told`: the event's name, where it is another than `updated`."""
        resource = RESOURCES[name]
        before = self.shelves[name].objects[item_id]
        item = before | copy.deepcopy(dict(values))
        self._adopt(resource, item)
        self.shelves[name].put(item)
        if resource.events:
            old, new = self.shown(name, before), self.shown(name, item)
            previous = {key: old.get(key) for key in values if old.get(key) != new.get(key)}
            self._tell(resource, told or "updated", item, int(self.clock.now + skew), previous)
        return self.shown(name, item)

    def delete(self, name: str, item_id: str, *, skew: float = 0) -> Object:
        """Delete an object, or cancel it where that is what deleting does. Answers what the API does."""
        resource = RESOURCES[name]
        if resource.deleted == "cancel":
            return self.edit(name, item_id, {"status": "canceled"}, skew=skew, told="deleted")
        item = self.shelves[name].take(item_id)
        self.deleted[item_id] = name
        if resource.events:
            self._tell(resource, "deleted", item, int(self.clock.now + skew))
        return {"id": item_id, "object": resource.object, "deleted": True}

    def shown(self, name: str, item: Object) -> Object:
        """An object as the API shows it: sub-lists cut at ten."""
        resource = RESOURCES[name]
        if not resource.sublist:
            return item
        children = cast("list[Json]", item[resource.sublist])
        url = f"/v1/{name}/{item['id']}/{resource.sublist}"
        if name == "subscriptions":
            url = f"/v1/subscription_items?subscription={item['id']}"
        sublist: Object = {
            "object": "list",
            "data": children[:EMBEDDED],
            "has_more": len(children) > EMBEDDED,
            "url": url,
        }
        return {**item, resource.sublist: sublist}

    def final(self, name: str) -> dict[str, Object]:
        """All objects of a kind as they are now, by id: what a copy has to equal."""
        return {key: self.shown(name, item) for key, item in self.shelves[name].objects.items()}

    def forget_old_events(self) -> None:
        """Drop the events that are older than the feed reaches."""
        oldest = self.clock.now - EVENTS_REACH_SECONDS
        for *_, event_id in self.events.order[bisect_left(self.events.order, (int(-oldest) + 1, 0, "")) :]:
            self.events.take(event_id)

    def _adopt(self, resource: Resource, item: Object) -> None:
        """Make objects of what was given as members of a sub-list."""
        if resource.sublist:
            given = cast("Sequence[Object]", item[resource.sublist])
            item[resource.sublist] = [
                {
                    "id": self._new_id(resource.sublist_prefix),
                    "object": resource.sublist_object,
                    resource.object: item["id"],
                    **child,
                }
                for child in given
            ]

    def _tell(
        self, resource: Resource, what: str, item: Object, stamp: int, previous: Mapping[str, Json] | None = None
    ) -> None:
        name = next(name for name, known in RESOURCES.items() if known is resource)
        data: Object = {"object": copy.deepcopy(self.shown(name, item))}
        if previous is not None:
            data["previous_attributes"] = copy.deepcopy(dict(previous))
        self.events.put(
            {
                "id": self._new_id(EVENTS.prefix),
                "object": "event",
                "api_version": self.api_version,
                "created": stamp,
                "data": data,
                "livemode": self.livemode,
                "pending_webhooks": 0,
                "request": {"id": None, "idempotency_key": None},
                "type": f"{resource.events}.{what}",
            }
        )

    def _new_id(self, prefix: str) -> str:
        number = next(self._numbers)
        return f"{prefix}_1{hashlib.sha256(f'{self.id}{number}'.encode()).hexdigest()[:23]}"


def _key(item: Object) -> Key:
    """The newest first; within a second by something that has nothing to do with the order of creation."""
    item_id = str(item["id"])
    return -int(cast("int", item["created"])), int(hashlib.md5(item_id.encode()).hexdigest()[:8], 16), item_id
