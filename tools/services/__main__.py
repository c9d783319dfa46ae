"""Start the servers that tests and examples need, until interrupted.

python -m tools.services seaweedfs > services.env

Prints their settings as the lines of an environment file, once all of them answer.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import ExitStack

from tools.services.seaweedfs import seaweedfs

SERVICES = {"seaweedfs": seaweedfs}


def main() -> None:
    """Run the servers named on the command line."""
    arguments = argparse.ArgumentParser(description="Start servers for tests and examples, until interrupted.")
    arguments.add_argument("services", nargs="+", choices=SERVICES)
    names: list[str] = arguments.parse_args().services
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with ExitStack() as started:
        for name in dict.fromkeys(names):
            server = started.enter_context(SERVICES[name]())
            for variable, value in server.environment().items():
                print(f"{variable}={value}")
        sys.stdout.flush()
        asked_to_stop.wait()


if __name__ == "__main__":
    main()
