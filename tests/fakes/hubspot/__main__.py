"""Serve the fake until interrupted: `python -m tests.fakes.hubspot --port 8421 --contacts 250`."""

from __future__ import annotations

import argparse
import signal
import threading
import time

from tests.fakes.hubspot import TOKEN, FakeHubSpot, Limits, Portal, serve


def main() -> None:
    """Print the address and the token, then answer."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.hubspot", description="A stateful fake of HubSpot.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--contacts", type=int, default=0, help="how many it begins with")
    arguments = parser.parse_args()
    # The limits of a private app in a free account.
    limits = Limits(per_interval=100, per_day=250_000, searches_per_second=5)
    fake = FakeHubSpot(Portal(now=int(time.time() * 1000)), limits)
    for number in range(arguments.contacts):
        person = {"email": f"contact{number}@example.com", "firstname": "Contact", "lastname": str(number)}
        fake.portal.create("contacts", person)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with serve(fake, arguments.port, arguments.host) as url:
        print(f"HUBSPOT_BASE_URL={url}\nHUBSPOT_ACCESS_TOKEN={TOKEN}", flush=True)
        asked_to_stop.wait()


if __name__ == "__main__":
    main()
