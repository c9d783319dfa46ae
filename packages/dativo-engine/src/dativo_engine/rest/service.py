"""An API as its room describes it to the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dativo_engine.rest.auth import Auth, anonymous
from dativo_engine.rest.exchange import Answer
from dativo_engine.rest.throttle import STANDARD_HEADERS, RateHeaders


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often one request is tried. Seconds.

    Attributes:
        read: between two pieces of an answer.
        tries: the first included.
        delay: before the second try; it doubles from try to try, and is jittered upwards by a half at most.
        wait: spent waiting over all tries of a request. An API that asks for more ends the attempt: the run's own
            retries go on from there.
    """

    connect: float = 10
    read: float = 60
    tries: int = 5
    delay: float = 0.5
    longest_delay: float = 30
    wait: float = 120


@dataclass(frozen=True, slots=True)
class Service:
    """One API.

    Attributes:
        base_url: what paths of requests stand below. Credentials go to its host only.
        headers: of every request: a version, an account.
        setting: where a person sets the credentials, for messages.
        rate_headers: how its answers tell what is left of a rate; a request waits where nothing is.
        words: what it says of a failure, where that does not stand in one of the usual places.
    """

    base_url: str
    auth: Auth = field(default_factory=anonymous)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    setting: str = "source.credentials"
    base_url_setting: str = "source.connection.base_url"
    rate_headers: Sequence[RateHeaders] = STANDARD_HEADERS
    patience: Patience = field(default_factory=Patience)
    words: Callable[[Answer], str] | None = None
