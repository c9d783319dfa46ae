"""`kill -9` of dativo, of Nessie and of the S3 server at random moments: the next run makes it right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from lake import DATIVO, Lake

from tools.services import nessie as nessie_server
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server, seaweedfs

# In all: half of them dativo's, a quarter each of the servers'. `make test-nessie` asks for 100.
KILLS = int(os.environ.get("DATIVO_KILLS", "0")) or 8
# What a run spends on starting, before it asks anybody anything, is less interesting.
EARLIEST = 0.3
# And this part of it, at most, comes after its first staged file.
STAGED = 0.2
Kill = Callable[[subprocess.Popen[bytes]], None]
Note = Callable[[str, object], None]

pytestmark = pytest.mark.timeout(3600)


def test_dativo_killed_at_random_moments_and_run_again(lake: Lake, record_property: Note) -> None:
    prove(lake, lambda child: child.send_signal(signal.SIGKILL), kills=KILLS // 2, note=record_property)


@pytest.mark.usefixtures("nessie")  # skips where it is not installed
def test_nessie_killed_at_random_moments_while_a_run_goes_on(lake: Lake, s3: S3Server, record_property: Note) -> None:
    with nessie_server.nessie(s3, persistent=True) as server:
        lake.uri = lake.server = server.uri
        prove(lake, lambda _: restart(server), kills=KILLS // 4, note=record_property)


@pytest.mark.usefixtures("nessie")
def test_the_s3_server_killed_at_random_moments_while_a_run_goes_on(lake: Lake, record_property: Note) -> None:
    with seaweedfs() as s3, nessie_server.nessie(s3) as server:
        lake.uri = lake.server = server.uri
        lake.endpoint, lake.s3 = s3.endpoint, s3
        prove(lake, lambda _: restart(s3), kills=KILLS // 4, note=record_property)


def prove(lake: Lake, kill: Kill, *, kills: int, note: Note) -> None:
    """Kill at random moments, half of them after the first staged file; a run after each finds everything right."""
    chance = random.Random(kills)
    config = lake.job(lake.acme, mode="merge")
    lake.arrive(lake.acme, [(0, "first")])
    lake.run(config)
    began = time.monotonic()
    lake.arrive(lake.acme, [(0, "second")])
    lake.run(config)
    lasts = time.monotonic() - began
    expected = {0: "second"}
    for number in range(1, kills + 1):
        expected |= {0: str(number), number: "new"}
        lake.arrive(lake.acme, [(0, str(number)), (number, "new")])
        child = start(lake, config)
        told = wait(lake, child, chance, lasts, staged=number % 2 == 0)
        kill(child)
        code = child.wait()
        lake.run(config)
        assert lake.rows(lake.acme, lake.acme) == sorted(expected.items()), told
        assert lake.run_branches(lake.acme) == [], told
        note("kills", f"{told}|exit code {code}")


def start(lake: Lake, config: str) -> subprocess.Popen[bytes]:
    """A run; the caller ends it."""
    return subprocess.Popen(
        [DATIVO, "run", "--config", config],
        cwd=lake.root,
        env=lake.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait(lake: Lake, child: subprocess.Popen[bytes], chance: random.Random, lasts: float, *, staged: bool) -> str:
    """Wait for a moment of a run, and tell which it was."""
    if not staged:
        moment = chance.uniform(EARLIEST, 1) * lasts
        time.sleep(moment)
        return f"after {moment:.2f} s of {lasts:.2f}"
    journals = lake.root / "state" / lake.acme / "staged" / "orders"
    while child.poll() is None and not any(journals.glob("*.staged")):
        time.sleep(0.005)
    moment = chance.uniform(0, STAGED) * lasts
    time.sleep(moment)
    return f"{moment:.2f} s after the first staged file, of {lasts:.2f}"


def restart(server: NessieServer | S3Server) -> None:
    """What a machine that is restarted does to it."""
    assert server.process is not None
    server.process.kill()
    server.process.start(server.answers)
