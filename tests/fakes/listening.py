"""Servers of tests: each in a thread of its own, on the loopback interface."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import HTTPServer


@contextmanager
def listening(server: HTTPServer) -> Generator[str]:
    """Answer requests until the block ends; gives the URL. The server is closed then."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{server.server_address[0]}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
