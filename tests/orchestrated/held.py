"""Files on a web server that no run can read to the end before the test says so: "while a run goes on" is a fact."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# While a file is held its reader gets a byte now and then, or it would take the server for dead.
SECONDS_BETWEEN_BYTES = 5.0


class HeldFile:
    """A CSV file of orders, whose second half comes once it is released.

    Attributes:
        reads: how many readers have had its first half.
        refusals: how many readers to come are answered with 503.
    """

    def __init__(self, address: str, ids: Iterable[int]) -> None:
        rows = "".join(f"{number},1.50\n" for number in ids)
        self.address = address
        self.content = f"id,amount\n{rows}".encode()
        self.reads = 0
        self.refusals = 0
        self._released = threading.Event()

    def release(self) -> None:
        """Let every reader have the rest, those to come too."""
        self._released.set()

    def parts(self) -> Generator[bytes]:
        """What one reader gets, as it may have it."""
        sent = len(self.content) // 2
        yield self.content[:sent]
        self.reads += 1
        while not self._released.wait(SECONDS_BETWEEN_BYTES) and sent < len(self.content):
            yield self.content[sent : sent + 1]
            sent += 1
        yield self.content[sent:]


class HeldFiles:
    """The server's files."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.files: dict[str, HeldFile] = {}

    def add(self, ids: Iterable[int]) -> HeldFile:
        """A new file, held."""
        path = f"/{len(self.files)}.csv"
        self.files[path] = HeldFile(self._address + path, ids)
        return self.files[path]


@contextmanager
def serve_held_files() -> Generator[HeldFiles]:
    """The server. Whatever is still held at its end is released."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            file = held.files[self.path]
            if with_body and file.refusals:
                file.refusals -= 1
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(file.content)))
            self.send_header("ETag", hashlib.sha256(file.content).hexdigest())
            self.end_headers()
            try:
                for part in file.parts() if with_body else ():
                    self.wfile.write(part)
                    self.wfile.flush()
            except ConnectionError:
                self.close_connection = True  # the reader was killed

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held = HeldFiles(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield held
        finally:
            for file in held.files.values():
                file.release()
            server.shutdown()
            thread.join()
