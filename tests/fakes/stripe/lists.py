"""Lists: which parameters one takes, and the page that they mean."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, cast

from tests.fakes.stripe.account import Shelf
from tests.fakes.stripe.answers import invalid, missing
from tests.fakes.stripe.resources import Json, Object, Resource

_PAGING = ("limit", "starting_after", "ending_before", "expand")
_BOUNDS = ("gt", "gte", "lt", "lte")
_FOREVER = 2**40
Keep: TypeAlias = Callable[[Object], bool]


@dataclass(frozen=True, slots=True)
class Paging:
    """The part of a request that says which page."""

    limit: int
    starting_after: str
    ending_before: str
    least: int
    greatest: int


def paging(resource: Resource, params: Mapping[str, Json]) -> Paging:
    """Read paging parameters, refusing whatever the real API would.

    Raises:
        ApiError: a parameter is unknown or has a value that it can't have.
    """
    known = {*_PAGING, *(name.removeprefix("!") for name in resource.filters)}
    if resource.by_created:
        known.add("created")
    for name in params:
        if name not in known:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
    for name in (name for name in resource.filters if name.startswith("!")):
        if name[1:] not in params:
            raise invalid(f"Missing required param: {name[1:]}.", name[1:], "parameter_missing")
    after, before = str(params.get("starting_after", "")), str(params.get("ending_before", ""))
    if after and before:
        message = "Received both starting_after and ending_before parameters. Please pass in only one."
        raise invalid(message, "starting_after")
    return Paging(_limit(str(params.get("limit", "10"))), after, before, *_created(params.get("created")))


def page(resource: Resource, shelf: Shelf, asked: Paging, keep: Keep) -> tuple[list[Object], bool]:
    """The objects of a page, the newest first, and whether there are more behind it in the direction asked for."""
    anchor = asked.starting_after or asked.ending_before
    if anchor and anchor not in shelf.objects:
        raise missing(resource.object, anchor, "starting_after" if asked.starting_after else "ending_before")
    if asked.ending_before:
        place = shelf.place(anchor) - 1
    elif asked.starting_after:
        place = max(shelf.place(anchor) + 1, bisect_left(shelf.order, (-asked.greatest, -1, "")))
    else:
        place = bisect_left(shelf.order, (-asked.greatest, -1, ""))
    backwards = bool(asked.ending_before)
    found: list[Object] = []
    for item in shelf.from_place(place, backwards=backwards):
        created = cast("int", item["created"])
        if created > asked.greatest if backwards else created < asked.least:
            break
        if asked.least <= created <= asked.greatest and keep(item):
            found.append(item)
        if len(found) > asked.limit:
            break
    kept = found[: asked.limit]
    return kept[::-1] if backwards else kept, len(found) > asked.limit


def sublist_page(resource: Resource, children: list[Object], params: Mapping[str, Json]) -> tuple[list[Object], bool]:
    """A page of a list inside an object, in its own order."""
    asked = paging(resource, params)
    ids = [child["id"] for child in children]
    if asked.starting_after and asked.starting_after not in ids:
        raise missing(resource.object, asked.starting_after, "starting_after")
    first = ids.index(asked.starting_after) + 1 if asked.starting_after else 0
    found = list(islice(children, first, first + asked.limit + 1))
    return found[: asked.limit], len(found) > asked.limit


def keeps(resource: Resource, params: Mapping[str, Json]) -> Keep:
    """The filters of a request as one question.

    Raises:
        ApiError: the filters contradict each other.
    """
    if resource.object == "event":
        return _event_filter(params)
    wanted = {name: str(params[name]) for name in resource.filters if name in params and params[name] != "all"}
    hidden = {name: value for name, value in resource.hidden.items() if name not in params}

    def keep(item: Object) -> bool:
        return all(str(item.get(name)).lower() == value.lower() for name, value in wanted.items()) and not any(
            item.get(name) == value for name, value in hidden.items()
        )

    return keep


def _event_filter(params: Mapping[str, Json]) -> Keep:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    if "types" in params:
        types = cast("list[str]", params["types"])
        if not 1 <= len(types) <= 20:
            raise invalid("Array types exceeded maximum 20 allowed elements.", "types")
        for name in types:
            if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name):
                raise invalid(f"Invalid types[]: {name}", "types")
        return lambda event: event["type"] in types
    if "type" in params:
        pattern = re.escape(str(params["type"])).replace(r"\*", ".*")
        return lambda event: re.fullmatch(pattern, str(event["type"])) is not None
    return lambda _: True


def _limit(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise invalid(f"Invalid integer: {text}", "limit", "parameter_invalid_integer")
    limit = int(text)
    if limit > 100:
        message = f"This value must be less than or equal to 100 (currently {limit})."
        raise invalid(message, "limit", "parameter_invalid_integer")
    if limit < 1:
        message = f"This value must be greater than or equal to 1 (currently {limit})."
        raise invalid(message, "limit", "parameter_invalid_integer")
    return limit


def _created(given: Json) -> tuple[int, int]:
    """The least and the greatest second that are asked for."""
    if given is None:
        return 0, _FOREVER
    if isinstance(given, str):
        second = _second(given, "created")
        return second, second
    bounds = cast("Object", given)
    least, greatest = 0, _FOREVER
    for name, text in bounds.items():
        if name not in _BOUNDS:
            raise invalid(f"Received unknown parameter: created[{name}]", f"created[{name}]", "parameter_unknown")
        second = _second(str(text), f"created[{name}]")
        if name.startswith("g"):
            least = max(least, second + (name == "gt"))
        else:
            greatest = min(greatest, second - (name == "lt"))
    return least, greatest


def _second(text: str, param: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise invalid(f"Invalid integer: {text}", param, "parameter_invalid_integer")
    return int(text)
