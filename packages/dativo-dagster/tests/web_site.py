"""A web server in this process that can be told to fail."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What the server answers, by path.

    Attributes:
        failures: how many requests for a file's content are answered with 503 before one succeeds.
        on_read: called before a file's content is sent.
        authorizations: the header of this name in every request that had one.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.failures = 0
        self.on_read: Callable[[], None] = lambda: None
        self.reason = "Service Unavailable"
        self.authorizations: list[str] = []

    def put(self, path: str, content: bytes) -> str:
        self.files[path] = content
        return self.address + path


@contextmanager
def serve_site() -> Generator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            if header := self.headers.get("Authorization"):
                site.authorizations.append(header)
            if with_body and site.failures:
                site.failures -= 1
                self.send_error(503, site.reason)
                return
            if with_body:
                site.on_read()
            content = site.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", hashlib.sha256(content).hexdigest())
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()
