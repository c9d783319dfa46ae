"""Servers on this machine that answer as a test tells them, and clients that ask them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dativo_engine.rest import Client, Patience, Service
from rest_server import Answering, Server

QUICK = Patience(connect=2, read=0.5, tries=3, delay=0.01, wait=2)


@pytest.fixture
def serve() -> Generator[Callable[[Answering], Server]]:
    """Start a server that answers each request with what the function returns for it."""
    with ExitStack() as servers:
        yield lambda answering: servers.enter_context(Server(answering))


@pytest.fixture
def client() -> Generator[Callable[..., Client]]:
    """A client of a server, which does not wait long."""
    with ExitStack() as clients:

        def make(server: Server | str, **fields: object) -> Client:
            url = server if isinstance(server, str) else server.url
            limit = fields.pop("max_body_bytes", 1 << 20)
            throttle = fields.pop("throttle", None)
            service = Service(url, **{"patience": QUICK, **fields})  # pyright: ignore[reportArgumentType]
            return clients.enter_context(Client(service, max_body_bytes=limit, throttle=throttle))  # pyright: ignore[reportArgumentType]

        yield make
