"""Start the servers that tests and examples need, until interrupted.

python -m tools.services nessie > services.env

Prints their settings as the lines of an environment file, once all of them answer. The catalogues nessie and
iceberg-rest bring the S3 of their tables. With `--host` and the address of a bridge, containers reach them too.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack

from tools.services.nessie import nessie
from tools.services.ports import LOOPBACK
from tools.services.postgres import postgres
from tools.services.seaweedfs import seaweedfs

SERVICES = ("seaweedfs", "nessie", "iceberg-rest", "postgres")
TABLE_BUCKET = "tables"


def main() -> None:
    """Run the servers named on the command line."""
    arguments = argparse.ArgumentParser(description="Start servers for tests and examples, until interrupted.")
    arguments.add_argument("services", nargs="+", choices=SERVICES)
    arguments.add_argument("--host", default=LOOPBACK, help="to listen on; postgres keeps to the loopback")
    given = arguments.parse_args()
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with ExitStack() as started:
        for environment in start(given.services, started, host=given.host):
            for variable, value in environment.items():
                print(f"{variable}={value}")
        sys.stdout.flush()
        asked_to_stop.wait()


def start(names: Collection[str], started: ExitStack, *, host: str = LOOPBACK) -> Iterator[Mapping[str, str]]:
    """The variables of each server, once it answers; `started` stops them."""
    if "postgres" in names:
        yield started.enter_context(postgres()).environment()
    if not {"seaweedfs", "nessie", "iceberg-rest"} & set(names):
        return
    s3 = started.enter_context(seaweedfs(host))
    yield s3.environment()
    if "nessie" in names:
        yield started.enter_context(nessie(s3, host=host)).environment()
    if "iceberg-rest" in names:
        # SeaweedFS's own: it honours the requirements of a commit, which the tests of the fence rely on.
        s3.make_table_bucket(TABLE_BUCKET)
        yield s3.rest_environment(TABLE_BUCKET)


if __name__ == "__main__":
    main()
