"""An API that answers at once: a list of customers as Stripe writes them, from bytes that were made before.

    GET /<records>/v1/customers?limit=100&starting_after=<id>      -> {"data": [...], "has_more": ..., "next": ...}
    GET /<records>/v1/events?...                                   -> a list without events

One process, one thread, no framework; run as a program it prints its port and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from email.utils import formatdate

PAGE = 100
_PLACE = b"########"
_ASKED = re.compile(rb"GET /(\d+)/v1/customers\??(\S*) HTTP")
_EVENTS = re.compile(rb"GET /\d+/v1/events\?")
_NO_EVENTS = b'{"object": "list", "data": [], "has_more": false, "url": "/v1/events"}'
_AFTER = re.compile(rb"starting_after=cus_(\d{8})\d\d")


def customer(number: int) -> dict[str, object]:
    """A customer, with a place for the page's number in its id."""
    return {
        "id": f"cus_{_PLACE.decode()}{number:02}",
        "object": "customer",
        "address": {
            "city": "Köln",
            "country": "DE",
            "line1": f"Street {number}",
            "line2": None,
            "postal_code": "50667",
        },
        "balance": number * -7,
        "created": 1_700_000_000 + number,
        "currency": "eur",
        "default_source": None,
        "delinquent": number % 3 == 0,
        "description": f'A customer, the {number}th of its page; with "quotes" and a \\ in its description',
        "discount": None,
        "email": f"customer{number}@example.com",
        "invoice_prefix": f"A{number:07}",
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {"order": str(number), "segment": "retail"},
        "name": f"Ann Example {number}",
        "next_invoice_sequence": number + 1,
        "phone": None,
        "preferred_locales": ["de", "en"],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def pages() -> tuple[bytes, bytes]:
    """A page in the middle of the list and the last one, pretty-printed as Stripe does; the page's number left open."""
    data = [customer(number) for number in range(PAGE)]
    last_id = str(data[-1]["id"])
    return tuple(
        json.dumps(
            {"object": "list", "data": data, "has_more": more, "next": last_id if more else None}, indent=2
        ).encode()
        for more in (True, False)
    )  # pyright: ignore[reportReturnType] - two of them


class Double(asyncio.Protocol):
    """One connection, kept open."""

    middle, last = pages()

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue] - of TCP

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head, self._rest = self._rest[:end], self._rest[end + 4 :]
            assert self._transport is not None
            self._transport.write(self.answer(head))

    def answer(self, head: bytes) -> bytes:
        """The whole answer to a request."""
        if _EVENTS.match(head):
            return _answer(b"200 OK", _NO_EVENTS)
        asked = _ASKED.match(head)
        if asked is None:
            return _answer(b"404 Not Found", b"{}")
        after = _AFTER.search(asked[2])
        page = int(after[1]) + 1 if after else 0
        body = self.middle if (page + 1) * PAGE < int(asked[1]) else self.last
        return _answer(b"200 OK", body.replace(_PLACE, b"%08d" % page))


def _answer(status: bytes, body: bytes) -> bytes:
    # The length stands last, where `ceiling_of` looks for it.
    head = b"HTTP/1.1 %b\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, _date(), len(body)) + body


def _date() -> bytes:
    return formatdate(usegmt=True).encode()


async def serve() -> None:
    """Listen on this machine; print the port; end with the input."""
    server = await asyncio.get_running_loop().create_server(Double, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
