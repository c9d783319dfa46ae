"""Parameters as Stripe writes them in queries and bodies: `created[gte]=1`, `types[]=a`, `expand[0]=data.customer`."""

from __future__ import annotations

import re
from typing import cast
from urllib.parse import parse_qsl

from tests.fakes.stripe.resources import Json, Object


def parse_form(text: str) -> Object:
    """Nested values; everything in them is text."""
    found: Object = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = [part.rstrip("]") for part in name.split("[")]
        _put(found, first, rest, value)
    return found


def typed(value: Json, like: Json) -> Json:
    """A value of a form as the type of the field that it is for."""
    if isinstance(like, bool):
        return value == "true"
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value) and (isinstance(like, int)):
        return int(value)
    return None if value == "" else value


def _put(where: Object, name: str, rest: list[str], value: str) -> None:
    if not rest:
        where[name] = value
    elif rest == [""] or rest[0].isdigit():
        items = where.setdefault(name, [])
        cast("list[Json]", items).append(value)
    else:
        inner = where.setdefault(name, {})
        _put(cast("Object", inner), rest[0], rest[1:], value)
