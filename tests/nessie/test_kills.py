"""`kill -9` of dativo and of Nessie at random moments: the next run makes it right, and leaves nothing over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from lake import DATIVO, Lake

from tools.services import nessie as nessie_server
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

KILLS = int(os.environ.get("DATIVO_KILLS", "0")) or 4
# What a run spends on starting, before it asks anybody anything, is less interesting.
EARLIEST = 0.3


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


@pytest.mark.timeout(3600)
def test_dativo_killed_at_random_moments_and_run_again(lake: Lake) -> None:
    chance = random.Random("dativo on Nessie")
    config = lake.job(lake.acme, mode="merge")
    lake.arrive(lake.acme, [(0, "first")])
    lake.run(config)
    began = time.monotonic()
    lake.arrive(lake.acme, [(0, "second")])
    lake.run(config)
    lasts = time.monotonic() - began
    expected = {0: "second"}
    for number in range(1, KILLS + 1):
        expected |= {0: str(number), number: "new"}
        lake.arrive(lake.acme, [(0, str(number)), (number, "new")])
        child = start(lake, config)
        moment = chance.uniform(EARLIEST, 1) * lasts
        time.sleep(moment)
        child.kill()
        assert child.wait() in (-signal.SIGKILL, 0)
        lake.run(config)
        assert lake.rows(lake.acme, lake.acme) == sorted(expected.items()), (
            f"killed after {moment:.2f} s of {lasts:.2f}"
        )
        assert lake.run_branches(lake.acme) == []


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("nessie")  # skips where it is not installed
def test_nessie_killed_at_random_moments_while_a_run_goes_on(lake: Lake, s3: S3Server) -> None:
    chance = random.Random("Nessie itself")
    with nessie_server.nessie(s3, persistent=True) as server:
        lake.uri = lake.server = server.uri
        config = lake.job(lake.acme, mode="merge")
        lake.arrive(lake.acme, [(0, "first")])
        began = time.monotonic()
        lake.run(config)
        lasts = time.monotonic() - began
        expected = {0: "first"}
        for number in range(1, KILLS // 2 + 1):
            expected |= {0: str(number), number: "new"}
            lake.arrive(lake.acme, [(0, str(number)), (number, "new")])
            child = start(lake, config)
            time.sleep(chance.uniform(EARLIEST, 1) * lasts)
            kill_and_start(server)
            child.wait()
            lake.run(config)
            assert lake.rows(lake.acme, lake.acme) == sorted(expected.items())
            assert lake.run_branches(lake.acme) == []


def kill_and_start(server: NessieServer) -> None:
    """What a machine that is restarted does to it."""
    server.process.kill()
    server.process.start(server.answers)
