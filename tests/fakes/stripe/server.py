"""The fake over real HTTP, on the loopback interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from tests.fakes.listening import listening
from tests.fakes.stripe.answers import Request, Response
from tests.fakes.stripe.api import FakeStripe

# What only the fake has, for tests in other processes: POST {"advance": seconds}, answers {"now": seconds}.
CLOCK = "/_fake/clock"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], fake: FakeStripe) -> None:
        super().__init__(address, _Handler)
        self.fake = fake
        # One request at a time: a hook changes objects between two pages, not in the middle of one.
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the only one that makes handlers
    disable_nagle_algorithm: ClassVar[bool] = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            if url.path == CLOCK:
                response = self._set_clock(body)
            else:
                response = self.server.fake.answer(Request(self.command, url.path, url.query, headers, body))
        self.send_response_only(response.status)
        for name, value in {"content-length": str(len(response.body)), **response.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def _set_clock(self, body: str) -> Response:
        clock = self.server.fake.clock
        clock.advance(json.loads(body)["advance"] if body else 0)
        return Response(200, json.dumps({"now": clock.now}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: tests look at `FakeStripe.requests`."""

    def handle(self) -> None:
        """Whoever asked may be gone before the answer."""
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def serve(fake: FakeStripe, port: int = 0, host: str = "127.0.0.1") -> Generator[str]:
    """Answer requests from threads until the block ends; gives the URL."""
    with listening(_Server((host, port), fake)) as url:
        yield url
