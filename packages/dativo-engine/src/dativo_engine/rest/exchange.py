"""A request to an API and its answer, as the rest of the kit sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

Params: TypeAlias = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        path: below the service's `base_url`, or a whole URL.
        params: added to the URL's own query; a sequence repeats the parameter.
        json: the body of a POST. `form`: the same, as a web form.
        repeatable: whether asking twice changes nothing at the other side; only then it is asked again.
        place: where in a list it stands, as a message tells it: `offset 200`. Never holds a secret.
    """

    path: str
    params: Params = field(default_factory=dict[str, str])
    method: Literal["GET", "POST"] = "GET"
    json: Mapping[str, JsonValue] | None = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeatable: bool = True
    place: str = ""

    def with_params(self, place: str = "", **params: str) -> Request:
        """The same, with these parameters instead of those of the same name."""
        return replace(self, params={**self.params, **params}, place=place or self.place)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        asked: the request as a message tells it: method, URL without query, place.
        url: the URL that answered, query included. May hold secrets.
        headers: names in lower case.
        body: decompressed.
    """

    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)


def shown(url: str) -> str:
    """A URL as it may be told: without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
