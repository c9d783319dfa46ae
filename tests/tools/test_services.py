"""The launcher: what it starts answers, and nothing of it is left behind, however it ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import httpx
import pytest

from tools.services import nessie as nessie_server
from tools.services.seaweedfs import S3Server

ROOT = Path(__file__).parents[2]
SECONDS = 20


@pytest.mark.usefixtures("s3")  # skips where the server is not installed
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_goes_with_its_launcher(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tools.services", "seaweedfs"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout is not None
        settings = dict(launcher.stdout.readline().strip().split("=", 1) for _ in range(4))
        server = S3Server(settings["S3_ENDPOINT"], settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"])
        server.make_bucket("lake")
        launcher.send_signal(how)
    deadline = time.monotonic() + SECONDS
    while listens(server.endpoint) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listens(server.endpoint)


@pytest.mark.usefixtures("postgres")  # skips where it is not installed
def test_a_database_goes_with_its_launcher_though_another_user_runs_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tools.services", "postgres"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout is not None
        settings = dict(launcher.stdout.readline().strip().split("=", 1) for _ in range(5))
        address = ("127.0.0.1", int(settings["PGPORT"]))
        socket.create_connection(address, 1).close()
        launcher.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while accepts(address) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not accepts(address)


@pytest.mark.usefixtures("nessie")  # skips where it is not installed
def test_a_persistent_nessie_that_was_killed_starts_again_with_its_branches(s3: S3Server) -> None:
    with nessie_server.nessie(s3, persistent=True) as server:
        trees = f"{server.uri}/api/v2/trees"
        main = httpx.get(f"{trees}/main").json()["reference"]
        httpx.post(trees, params={"name": "acme", "type": "BRANCH"}, json=main).raise_for_status()
        server.process.kill()
        server.process.start(server.answers)
        assert {tree["name"] for tree in httpx.get(trees).json()["references"]} == {"main", "acme"}


def accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True


def listens(endpoint: str) -> bool:
    try:
        urlopen(endpoint, timeout=1).close()
    except HTTPError as refusal:
        refusal.close()
        return True
    except (URLError, OSError):
        return False
    return True
