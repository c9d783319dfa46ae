"""Free ports on an interface, the loopback unless said otherwise."""

from __future__ import annotations

import random
import socket

# Below what Linux hands out by itself, also with the distance to a gRPC twin added.
_LOWEST, _HIGHEST = 10_000, 22_000
GRPC_DISTANCE = 10_000
LOOPBACK = "127.0.0.1"


def free_ports(count: int, host: str = LOOPBACK) -> list[int]:
    """Ports nobody listens on, nor on their twins `GRPC_DISTANCE` above."""
    found: list[int] = []
    for port in random.sample(range(_LOWEST, _HIGHEST), k=_HIGHEST - _LOWEST):
        if _is_free(host, port) and _is_free(host, port + GRPC_DISTANCE):
            found.append(port)
        if len(found) == count:
            return found
    message = f"{count} free ports were not found"
    raise RuntimeError(message)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
