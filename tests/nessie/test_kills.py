"""`kill -9` of dativo, of Nessie and of the S3 server at random moments: the next run makes it right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lake import DATIVO, Lake

from tools.services import nessie as nessie_server
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server, seaweedfs

# In all: half of them dativo's, a quarter each of the servers'. `make test-nessie` asks for 100.
KILLS = int(os.environ.get("DATIVO_KILLS", "0")) or 8
# What a run spends on starting, before it asks anybody anything, is less interesting.
EARLIEST = 0.3
# And this part of it, at most, comes after its first staged object.
STAGED = 0.2
# How often a moment is drawn for each kill, at most.
MOST_DRAWN = 5
Note = Callable[[str, object], None]

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Kill:
    """Whose end it is, and how it comes, while a run goes on in a child."""

    whose: str
    of: Callable[[subprocess.Popen[bytes]], None]


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_dativo_killed_at_random_moments_and_run_again(lake: Lake, mode: str, record_property: Note) -> None:
    kill = Kill("dativo", lambda child: child.send_signal(signal.SIGKILL))
    prove(lake, kill, kills=KILLS // 4, note=record_property, mode=mode)


@pytest.mark.usefixtures("nessie")  # skips where it is not installed
def test_nessie_killed_at_random_moments_while_a_run_goes_on(lake: Lake, s3: S3Server, record_property: Note) -> None:
    with nessie_server.nessie(s3, persistent=True) as server:
        lake.uri = lake.server = server.uri
        prove(lake, Kill("nessie", lambda _: restart(server)), kills=KILLS // 4, note=record_property)


@pytest.mark.usefixtures("nessie")
def test_the_s3_server_killed_at_random_moments_while_a_run_goes_on(lake: Lake, record_property: Note) -> None:
    with seaweedfs() as s3, nessie_server.nessie(s3) as server:
        lake.uri = lake.server = server.uri
        lake.endpoint, lake.s3 = s3.endpoint, s3
        prove(lake, Kill("s3", lambda _: restart(s3)), kills=KILLS // 4, note=record_property)


def prove(lake: Lake, kill: Kill, *, kills: int, note: Note, mode: str = "merge") -> None:
    """Kill at random moments, half of them after the first staged object; a run after each finds everything right.

    A moment that came after the run's end is drawn again.
    """
    chance = random.Random(kills)
    config = lake.job(lake.acme, mode=mode)
    expected = arrive(lake, 1, mode)
    lake.run(config)
    began = time.monotonic()
    expected |= arrive(lake, 2, mode)
    lake.run(config)
    lasts = time.monotonic() - began
    killed, number = 0, 2
    while killed < kills:
        number += 1
        assert number < MOST_DRAWN * kills + 3, f"runs ended before {kills - killed} of the kills"
        expected |= arrive(lake, number, mode)
        child = start(lake, config)
        told = wait(lake, child, chance, lasts, staged=killed % 2 == 0)
        if child.poll() is None:
            kill.of(child)
            killed += 1
            note("kill", f"{kill.whose}|{told}")
        child.wait()
        lake.run(config)
        assert lake.rows(lake.acme, lake.acme) == sorted(expected.items()), told
        assert lake.run_branches(lake.acme) == [], told


def arrive(lake: Lake, number: int, mode: str) -> dict[int, str]:
    """A new row, and in merge mode a change of an old one; answers what the table has to have of them."""
    rows = {number: "new"} | ({0: str(number)} if mode == "merge" else {})
    lake.arrive(lake.acme, list(rows.items()))
    return rows


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
        time.sleep(chance.uniform(EARLIEST, 1) * lasts)
        return "at any moment"
    folder = f"{lake.prefix}/{lake.acme}/orders/data/"
    before = len(lake.objects(folder))
    while child.poll() is None and len(lake.objects(folder)) == before:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, STAGED) * lasts)
    return "after the first staged object"


def restart(server: NessieServer | S3Server) -> None:
    """What a machine that is restarted does to it."""
    assert server.process is not None
    server.process.kill()
    server.process.start(server.answers)
