"""Serve the fake until interrupted: `python -m tests.fakes.stripe --port 8420 --customers 250`."""

from __future__ import annotations

import argparse
import signal
import threading
import time

from tests.fakes.stripe import TEST_KEY, Clock, FakeStripe, serve


def main() -> None:
    """Print the address and the key, then answer."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.stripe", description="A stateful fake of Stripe.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--customers", type=int, default=0, help="how many it begins with")
    arguments = parser.parse_args()
    fake = FakeStripe(clock=Clock(time.time()))
    for number in range(arguments.customers):
        values = {"email": f"customer{number}@example.com", "name": f"Customer {number}"}
        fake.account().create("customers", {**values, "created": int(fake.clock.now) - number})
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with serve(fake, arguments.port, arguments.host) as url:
        print(f"STRIPE_BASE_URL={url}\nSTRIPE_API_KEY={TEST_KEY}", flush=True)
        asked_to_stop.wait()


if __name__ == "__main__":
    main()
