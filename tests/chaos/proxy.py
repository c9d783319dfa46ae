"""A server that stands before another one and does to chosen requests what networks and servers do."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, get_args
from urllib.parse import urlsplit

from typing_extensions import override

from tests.fakes.listening import listening

Brief = Literal["reset", "lost", "cut", "late", "trickled", "429", "500", "503"]
Fault = Brief | Literal["never", "401", "expired"]
"""reset: before the server gets the request; lost: its answer, after it was carried out; cut: half of the body arrives;
late: everything takes a second longer; trickled: the answer comes byte by byte; the numbers: the server answers so and
does nothing; expired: what Amazon says to a session token
that has expired; never: it carries the request out, and the answer does not come as long as anyone waits."""
FAULTS: tuple[Brief, ...] = get_args(Brief)
LATE_SECONDS = 1.0
# Between two bytes, of which so many come alone.
TRICKLE_SECONDS = 0.02
TRICKLED = 50
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


@dataclass
class Trouble:
    """What happens to which requests, over all proxies that share it; without a choice to none.

    Attributes:
        at: which one, counted from 1; 0: none by its number.
        every: a pattern; each one that begins so.
        first: a pattern; the first one that begins so.
        requests: how many came so far.
        met: the request that it happened to last.
    """

    at: int = 0
    every: str = ""
    first: str = ""
    fault: Fault = "reset"
    requests: int = 0
    met: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, fault: Fault = "reset", *, at: int = 0, every: str = "", first: str = "") -> None:
        """Choose anew, and count anew."""
        with self._lock:
            self.at, self.every, self.first, self.fault, self.requests, self.met = at, every, first, fault, 0, ""

    def next(self, request: str) -> Fault | None:
        """The request that comes now, and its fate."""
        with self._lock:
            self.requests += 1
            first = bool(self.first and not self.met and re.match(self.first, request))
            if self.requests != self.at and not first and not (self.every and re.match(self.every, request)):
                return None
            self.met = request
            return self.fault


@contextmanager
def proxy(target: str, trouble: Trouble) -> Generator[str]:
    """The address of a proxy before the server at `target`."""

    class Handler(_Handler):
        """Of this proxy."""

        upstream = urlsplit(target).netloc
        fate = trouble

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with listening(server) as url:
        yield url


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""
    fate = Trouble()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.fate.next(f"{self.command} {self.path}")
        if fault == "reset":
            self._reset()
        elif fault == "cut":
            self._send_half(body)
            self._reset()
        elif fault in ("401", "429", "500", "503"):
            self._answer(int(fault), [("Content-Type", "text/plain")], b"the proxy says no")
        elif fault == "expired":
            self._answer(400, [("Content-Type", "application/xml")], EXPIRED)
        else:
            if fault == "late":
                time.sleep(LATE_SECONDS)
            status, headers, content = self._ask(body)
            if fault == "lost":
                self._reset()
            elif fault == "never":
                self.connection.recv(1)  # until the client gives up
                self._reset()
            elif fault == "trickled":
                self._answer(status, headers, content, alone=TRICKLED)
            else:
                self._answer(status, headers, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the base class's names

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            self._send_head(connection)
            connection.send(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _send_half(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        self._send_head(connection)
        connection.send(body[: len(body) // 2])
        connection.close()

    def _send_head(self, connection: http.client.HTTPConnection) -> None:
        # With the host that the client signed for.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        connection.endheaders()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, alone: int = 0) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            for byte in content[:alone]:
                self.wfile.write(bytes([byte]))
                time.sleep(TRICKLE_SECONDS)
            self.wfile.write(content[alone:])

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
