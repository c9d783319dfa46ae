"""Ports and sockets: whether they are free, and whether somebody answers."""

from __future__ import annotations

import socket
from pathlib import Path

from dativo_engine.errors import FatalError

from dativo_dagster.service.processes import holder_of

HIGHEST_PORT = 65535


def refuse_taken(host: str, port: int, *, option: str) -> None:
    """Make sure that a port can be listened on.

    Raises:
        FatalError: it can't; says who holds it, where that can be seen.
    """
    if port > HIGHEST_PORT:
        message = f"port {port} of {host} is no port, the highest is {HIGHEST_PORT}; give another with {option}"
        raise FatalError(message)
    with socket.socket(family_of(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = holder_of(port)
            found = f"is held by {holder}" if holder else f"can't be listened on ({error.strerror})"
            message = f"port {port} of {host} {found}; stop what holds it, or give another with {option}"
            raise FatalError(message) from error


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 where the host is written as one of its addresses."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def listens(path: Path) -> bool:
    """Whether somebody answers on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
