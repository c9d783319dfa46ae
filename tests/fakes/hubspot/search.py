"""The search endpoint: its request's rules, filters and order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import Literal, TypeAlias

import msgspec

from tests.fakes.hubspot.answers import invalid
from tests.fakes.hubspot.portal import Record, own_field

MAX_LIMIT, CEILING = 200, 10_000
MAX_GROUPS, MAX_FILTERS, MAX_FILTERS_IN_ALL = 5, 6, 18
# HubSpot's guide: a request whose body exceeds 3,000 characters is answered with a 400.
MAX_BODY = 3_000

Value: TypeAlias = float | str
COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "EQ": eq, "NEQ": ne, "LT": lt, "LTE": le, "GT": gt, "GTE": ge
}  # fmt: skip


class Filter(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One condition."""

    property_name: str
    operator: str
    value: str | None = None
    high_value: str | None = None
    values: Sequence[str] = ()


class FilterGroup(msgspec.Struct, forbid_unknown_fields=True):
    """Conditions that hold together."""

    filters: Sequence[Filter] = ()


class Sort(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An order."""

    property_name: str
    direction: Literal["ASCENDING", "DESCENDING"]


class SearchRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is searched for. Groups hold one or the other. HubSpot's OpenAPI requires every field."""

    filter_groups: Sequence[FilterGroup]
    sorts: Sequence[Sort]
    properties: Sequence[str]
    limit: int
    after: str | int


def parse(body: str) -> SearchRequest:
    """The request in a body.

    Raises:
        ApiError: it breaks a rule.
    """
    if len(body) > MAX_BODY:
        raise invalid(f"The request body is longer than {MAX_BODY:,} characters")
    try:
        request = msgspec.json.decode(body, type=SearchRequest)
        request.after = int(request.after)
    except (msgspec.MsgspecError, ValueError) as error:
        raise invalid(f"Invalid input JSON: {error}") from error
    if not 1 <= request.limit <= MAX_LIMIT:
        raise invalid(f"limit {request.limit} is not between 1 and {MAX_LIMIT}")
    if request.after + request.limit > CEILING:
        raise invalid(f"There was a problem with the request: paging beyond {CEILING:,} results")
    if len(request.sorts) > 1:
        raise invalid("Only one sort can be applied to a search")
    counts = [len(group.filters) for group in request.filter_groups]
    if len(counts) > MAX_GROUPS or max(counts, default=0) > MAX_FILTERS or sum(counts) > MAX_FILTERS_IN_ALL:
        raise invalid("There are too many filters or filter groups in the search request")
    return request


def find(records: Collection[Record], kinds: Mapping[str, str], request: SearchRequest) -> list[Record]:
    """All records that a request looks for, in its order."""
    found = list(records) if not request.filter_groups else []
    for group in request.filter_groups:
        matching = records
        for it in group.filters:
            matching = _filtered(matching, it, kinds)
        found = list({record.id: record for record in (*found, *matching)}.values())
    # Without an order, and among equal values, nothing says which record comes first: never the order of the ids.
    found.sort(key=lambda record: record.id * 2_654_435_761 % 1_000_003)
    for sort in request.sorts:
        value = _reader(found, sort.property_name, kinds)
        known = [(told, number) for number, record in enumerate(found) if (told := value(record)) is not None]
        known.sort(key=lambda pair: pair[0], reverse=sort.direction == "DESCENDING")
        unknown = [record for record in found if value(record) is None]
        found = [*(found[number] for _, number in known), *unknown]
    return found


def _filtered(records: Iterable[Record], it: Filter, kinds: Mapping[str, str]) -> list[Record]:
    records = list(records)
    kind, value = kinds.get(it.property_name, ""), _reader(records, it.property_name, kinds)

    def given(written: str | None) -> Value:
        if written is None:
            raise invalid(f"Operator {it.operator} lacks its value")
        return _comparable(written, kind)

    if it.operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return [record for record in records if (value(record) is not None) is (it.operator == "HAS_PROPERTY")]
    if it.operator in ("IN", "NOT_IN"):
        among = {_comparable(entry, kind) for entry in it.values}
        return [record for record in records if (value(record) in among) is (it.operator == "IN")]
    if it.operator == "BETWEEN":
        low, high = given(it.value), given(it.high_value)
        return [it for it in records if (found := value(it)) is not None and ge(found, low) and le(found, high)]
    if it.operator not in COMPARISONS:
        raise invalid(f"Invalid operator {it.operator!r}")
    compare, other = COMPARISONS[it.operator], given(it.value)
    return [record for record in records if (found := value(record)) is not None and compare(found, other)]


def _reader(records: Sequence[Record], name: str, kinds: Mapping[str, str]) -> Callable[[Record], Value | None]:
    """What these records' property is compared by."""
    if name not in kinds:
        raise invalid(f"Property {name!r} does not exist", name)
    field = own_field(records[0].type, name) if records else None
    if field is not None:
        return attrgetter(field)

    def read(record: Record) -> Value | None:
        written = record.value(name)
        return None if written is None else _comparable(written, kinds[name])

    return read


def _comparable(written: str, kind: str) -> Value:
    try:
        if kind == "number":
            return float(written)
        if kind in ("datetime", "date"):
            return float(written) if written.isdigit() else datetime.fromisoformat(written).timestamp() * 1000
    except ValueError as error:
        raise invalid(f"{written!r} is no {kind}") from error
    return written
