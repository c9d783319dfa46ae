"""What is in the account: records of every object type, and all that may happen to them.

The lists, batch reads and associations see each change at once; the search sees it once its index has caught up
(`index_lag`), as the real one's does.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

BEGINNING = int(datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp() * 1000)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Object: TypeAlias = dict[str, Json]
Properties: TypeAlias = dict[str, str]

# Object type -> what its own properties are, by HubSpot's type names. All have those of `COMMON` besides.
COMMON: Mapping[str, str] = {
    "hs_object_id": "number",
    "hs_createdate": "datetime",
    "hs_merged_object_ids": "enumeration",
}
STANDARD: Mapping[str, Mapping[str, str]] = {
    "contacts": {
        "email": "string", "firstname": "string", "lastname": "string", "phone": "string", "createdate": "datetime",
        "lastmodifieddate": "datetime", "lifecyclestage": "enumeration", "hs_email_optout": "bool",
        "num_associated_deals": "number", "total_revenue": "number", "date_of_birth": "date",
        "hs_calculated_merged_vids": "enumeration", "hubspot_owner_id": "enumeration",
    },
    "companies": {"name": "string", "domain": "string", "numberofemployees": "number", "createdate": "datetime"},
    "deals": {"dealname": "string", "amount": "number", "closedate": "datetime", "dealstage": "enumeration"},
    "tickets": {"subject": "string", "hs_pipeline_stage": "enumeration"},
    "products": {"name": "string", "price": "number"},
    "line_items": {"name": "string", "quantity": "number", "price": "number"},
    "calls": {"hs_call_title": "string", "hs_timestamp": "datetime"},
    "emails": {"hs_email_subject": "string", "hs_timestamp": "datetime"},
    "meetings": {"hs_meeting_title": "string", "hs_timestamp": "datetime"},
    "notes": {"hs_note_body": "string", "hs_timestamp": "datetime"},
    "tasks": {"hs_task_subject": "string", "hs_timestamp": "datetime"},
}  # fmt: skip


def modified_property(object_type: str) -> str:
    """The property that says when a record was last changed."""
    return "lastmodifieddate" if object_type == "contacts" else "hs_lastmodifieddate"


def iso(milliseconds: int) -> str:
    """A moment as HubSpot writes it, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a record. Times are epoch milliseconds."""

    id: int
    type: str
    properties: Properties
    created: int
    updated: int
    archived_at: int | None = None

    def value(self, name: str) -> str | None:
        """A property's value as the API tells it: a string, or null."""
        field = own_field(self.type, name)
        if field is None:
            return self.properties.get(name)
        number: int = getattr(self, field)
        return str(number) if name == "hs_object_id" else iso(number)


def own_field(object_type: str, name: str) -> str | None:
    """The field of a record that a property is told from; None: it is one of its `properties`."""
    if name == modified_property(object_type):
        return "updated"
    return {"hs_object_id": "id", "createdate": "created", "hs_createdate": "created"}.get(name)


@dataclass
class Shelf:
    """The records of one type, with their ids in order."""

    properties: dict[str, str]
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    live: list[int] = field(default_factory=list[int])
    archived: list[int] = field(default_factory=list[int])
    indexed: dict[int, Record] = field(default_factory=dict[int, Record])

    def put(self, record: Record) -> None:
        """Take a new version of a record."""
        self.drop(record.id)
        self.records[record.id] = record
        insort(self.archived if record.archived_at is not None else self.live, record.id)

    def drop(self, record_id: int) -> None:
        """Forget a record altogether."""
        before = self.records.pop(record_id, None)
        if before is not None:
            ids = self.archived if before.archived_at is not None else self.live
            ids.pop(bisect_right(ids, record_id) - 1)


@dataclass(frozen=True, slots=True)
class Owner:
    """A user that records can belong to."""

    id: int
    email: str
    first_name: str
    last_name: str
    updated: int
    archived: bool = False


@dataclass
class Portal:
    """One account, and the scenario that a test plays in it.

    Attributes:
        now: the account's clock, in epoch milliseconds; it stands still unless told.
        index_lag: milliseconds until the search sees a change made now.
        skew: milliseconds by which the stamp of a change made now is off the clock.
    """

    now: int = BEGINNING
    index_lag: Callable[[], int] = lambda: 0
    skew: Callable[[], int] = lambda: 0
    shelves: dict[str, Shelf] = field(default_factory=dict[str, Shelf])
    owners: dict[int, Owner] = field(default_factory=dict[int, Owner])
    schemas: dict[str, str] = field(default_factory=dict[str, str])
    associations: dict[tuple[str, int, str], list[int]] = field(
        default_factory=lambda: defaultdict[tuple[str, int, str], list[int]](list)
    )

    def __post_init__(self) -> None:
        self._ids = itertools.count(101, 50)
        self._pending: list[tuple[int, int, str, int, Record | None]] = []
        self._changes = itertools.count()
        self._indexed_change: dict[tuple[str, int], int] = {}
        for name, own in STANDARD.items():
            self.shelves[name] = Shelf({**COMMON, modified_property(name): "datetime", **own})

    # ---- what may happen ------------------------------------------------------------------------------------

    def create(self, object_type: str, properties: Properties | None = None) -> int:
        """A new record; answers its id."""
        record_id = next(self._ids)
        stamp = self._stamp()
        self._put(Record(record_id, object_type, dict(properties or {}), stamp, stamp))
        return record_id

    def create_many(self, object_type: str, rows: Iterable[Properties]) -> list[int]:
        """New records of one moment, as an import makes them."""
        return [self.create(object_type, row) for row in rows]

    def edit(self, object_type: str, record_id: int, properties: Properties) -> None:
        """Change some properties."""
        record = self.shelves[object_type].records[record_id]
        self._put(replace(record, properties={**record.properties, **properties}, updated=self._stamp()))

    def archive(self, object_type: str, record_id: int) -> None:
        """Delete as people do: to be restored for 90 days. What was archived keeps its modification time."""
        record = self.shelves[object_type].records[record_id]
        self._put(replace(record, archived_at=self._stamp()))

    def restore(self, object_type: str, record_id: int) -> None:
        """Bring back what was archived. The modification time does not move: nothing promises that it does."""
        self._put(replace(self.shelves[object_type].records[record_id], archived_at=None))

    def purge(self, object_type: str, record_id: int) -> None:
        """Delete for good (GDPR): no list and no search ever tells."""
        self.shelves[object_type].drop(record_id)
        self._index(object_type, record_id, None)

    def merge(self, object_type: str, primary: int, other: int) -> None:
        """Fold `other` into `primary`, which names it from then on."""
        shelf = self.shelves[object_type]
        kept, lost = shelf.records[primary], shelf.records[other]
        merged = [*_ids(kept.properties), *_ids(lost.properties), str(other)]
        shelf.drop(other)
        self._index(object_type, other, None)
        properties = {**lost.properties, **kept.properties, "hs_merged_object_ids": ";".join(merged)}
        self._put(replace(kept, properties=properties, updated=self._stamp()))

    def associate(self, object_type: str, record_id: int, other_type: str, other: int) -> None:
        """Associate two records, both ways. The modification times do not move."""
        self.associations[object_type, record_id, other_type].append(other)
        self.associations[other_type, other, object_type].append(record_id)

    def add_property(self, object_type: str, name: str, kind: str = "string") -> None:
        """A custom property."""
        self.shelves[object_type].properties[name] = kind

    def add_schema(self, type_id: str, name: str, properties: Mapping[str, str]) -> None:
        """A custom object, to be named by its type id or `p<portal>_<name>`."""
        self.schemas[type_id] = name
        self.shelves[type_id] = Shelf({**COMMON, "hs_lastmodifieddate": "datetime", **properties})

    def add_owner(self, email: str, first_name: str = "Ada", last_name: str = "Byron") -> int:
        """A new owner."""
        owner = Owner(next(self._ids), email, first_name, last_name, self.now)
        self.owners[owner.id] = owner
        return owner.id

    def change_owner(self, owner_id: int, *, email: str | None = None, archived: bool = False) -> None:
        """Edit an owner, or take its seat away."""
        owner = self.owners[owner_id]
        self.owners[owner_id] = replace(owner, email=email or owner.email, archived=archived, updated=self.now)

    # ---- what can be seen -----------------------------------------------------------------------------------

    def shelf(self, object_type: str) -> Shelf | None:
        """The records of a type, by any of its names."""
        by_name = {f"p123_{name}": type_id for type_id, name in self.schemas.items()}
        return self.shelves.get(by_name.get(object_type, object_type))

    def page(self, shelf: Shelf, *, archived: bool, after: int, limit: int) -> list[Record]:
        """Records behind an id, in the order of their ids."""
        ids = shelf.archived if archived else shelf.live
        start = bisect_right(ids, after)
        return [shelf.records[record_id] for record_id in ids[start : start + limit]]

    def searchable(self, shelf: Shelf) -> Collection[Record]:
        """Records as the search has them by now."""
        due = [change for change in self._pending if change[0] <= self.now]
        self._pending = [change for change in self._pending if change[0] > self.now]
        for _, number, object_type, record_id, record in sorted(due, key=lambda change: change[1]):
            self._apply(number, object_type, record_id, record)
        return shelf.indexed.values()

    def current(self, object_type: str) -> dict[int, Record]:
        """The live records: what a table should hold."""
        shelf = self.shelves[object_type]
        return {record_id: shelf.records[record_id] for record_id in shelf.live}

    def survivor(self, shelf: Shelf, record_id: int) -> Record | None:
        """The record that an id leads to: itself, or the one it was merged into."""
        if record_id in shelf.records:
            return shelf.records[record_id]
        sought = str(record_id)
        return next((it for it in shelf.records.values() if sought in _ids(it.properties)), None)

    def _put(self, record: Record) -> None:
        self.shelves[record.type].put(record)
        self._index(record.type, record.id, None if record.archived_at is not None else record)

    def _index(self, object_type: str, record_id: int, record: Record | None) -> None:
        lag, number = self.index_lag(), next(self._changes)
        if lag:
            self._pending.append((self.now + lag, number, object_type, record_id, record))
        else:
            self._apply(number, object_type, record_id, record)

    def _apply(self, number: int, object_type: str, record_id: int, record: Record | None) -> None:
        if self._indexed_change.get((object_type, record_id), -1) > number:
            return
        self._indexed_change[object_type, record_id] = number
        indexed = self.shelves[object_type].indexed
        if record is None:
            indexed.pop(record_id, None)
        else:
            indexed[record_id] = record

    def _stamp(self) -> int:
        return self.now + self.skew()


def _ids(properties: Properties) -> list[str]:
    return [part for part in properties.get("hs_merged_object_ids", "").split(";") if part]
