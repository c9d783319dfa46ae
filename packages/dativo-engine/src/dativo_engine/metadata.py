"""Addresses that are never asked: there clouds give out their machines' own credentials."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    import httpx

# Beside the link-local addresses.
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


def refuse_host(host: str, asked: str) -> None:
    """No API and no file lives at such an address. `asked`: the request, as messages tell it.

    Raises:
        FatalError: the host is one.
    """
    if _is_metadata(host):
        message = f"{asked}: {host} is an address of the machine's cloud; it is never asked"
        raise FatalError(message)


def refuse_peer(response: httpx.Response, asked: str) -> None:
    """The same for a name that leads there, before the answer is read.

    Raises:
        FatalError: it came from such an address.
    """
    stream = response.extensions.get("network_stream")
    peer = stream.get_extra_info("server_addr") if stream is not None else None
    if peer:
        refuse_host(str(peer[0]), asked)


@lru_cache(maxsize=64)
def _is_metadata(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or address in _METADATA
