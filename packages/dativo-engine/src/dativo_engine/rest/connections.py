"""The sockets behind a client's requests, so that one thread can end what another waits for."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any
from weakref import WeakSet

# Of a connection, whether direct or through a proxy, which TLS may go on in.
_OPENED = (".connect_tcp.complete", ".start_tls.complete")


class Connections:
    """What a client has open. Closing a socket would not wake the thread that reads from it; shutting it down does."""

    def __init__(self) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = Lock()
        self._are_cut = False

    def trace(self, event: str, facts: Mapping[str, Any]) -> None:
        """Take note of each new connection: httpx calls this with httpcore's events, as its extension `trace`."""
        if event.endswith(_OPENED):
            opened: socket.socket = facts["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.add(opened)
                if self._are_cut:
                    _cut(opened)

    def cut(self) -> None:
        """End every request that is under way; one that opens a connection later fails too."""
        with self._lock:
            self._are_cut = True
            for opened in self._sockets:
                _cut(opened)


def _cut(opened: socket.socket) -> None:
    with suppress(OSError):  # it is closed, or the other side has hung up
        # Not by TLS's own method: that takes the session away from the thread that reads in it.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
