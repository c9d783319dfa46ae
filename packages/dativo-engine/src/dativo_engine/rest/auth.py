"""How requests say who asks: a token, a user, a key. Tokens that have to be got first are in `oauth`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from dativo_engine.rest.exchange import Answer, Request

Send: TypeAlias = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request carries. They go to the service's own host only."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    params: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Auth(Protocol):
    """Who asks.

    Attributes:
        identity: what tells one credential from another; only a hash of it is ever written.
        secrets: what no message may hold.
    """

    @property
    def identity(self) -> str: ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    def credentials(self, send: Send) -> Credentials:
        """For the next request. `send` asks a token server, without credentials of its own."""
        ...

    def renewed(self, refused: Credentials, send: Send) -> Credentials | None:
        """Others, after the service answered 401 to these; None: there are no others."""
        ...


@dataclass(frozen=True, slots=True)
class _Fixed:
    """The same with every request."""

    identity: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    carried: Credentials = field(default_factory=Credentials)

    def credentials(self, send: Send) -> Credentials:  # noqa: ARG002 - nobody is asked
        return self.carried

    def renewed(self, refused: Credentials, send: Send) -> Credentials | None:  # noqa: ARG002 - there are no others
        return None


def anonymous() -> Auth:
    """Nobody in particular."""
    return _Fixed()


def bearer(token: str) -> Auth:
    """`Authorization: Bearer TOKEN`."""
    return header("Authorization", token, prefix="Bearer ")


def basic(user: str, password: str = "") -> Auth:
    """`Authorization: Basic ...`; some APIs take a key as the user, without password."""
    pair = f"{user}:{password}"
    told = base64.b64encode(pair.encode()).decode()
    carried = Credentials(headers={"Authorization": f"Basic {told}"})
    return _Fixed(pair, (told, *((password,) if password else (user,))), carried)


def header(name: str, value: str, *, prefix: str = "") -> Auth:
    """A key in a header."""
    return _Fixed(value, (value,), Credentials(headers={name: prefix + value}))


def query(name: str, value: str) -> Auth:
    """A key in the URL's query."""
    return _Fixed(value, (value,), Credentials(params={name: value}))
