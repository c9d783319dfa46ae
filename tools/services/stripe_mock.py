"""stripe-mock: Stripe's own judge of requests. It answers by the published API, and refuses what that does not know."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tools.services.ports import free_ports
from tools.services.process import Process, running, service_folder

VERSION = "v0.203.0"
BUILT = Path(__file__).resolve().parents[2] / ".cache" / "go" / f"stripe-mock-{VERSION}"
BUILD_SECONDS = 240


def missing() -> str:
    """Why it can't be started; empty: it can. Where there is a Go it is built on the first use."""
    return "" if _program() is not None else "stripe-mock can't be built: it takes Go and a module proxy"


def _program() -> Path | None:
    built = BUILT / "stripe-mock"
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        return None
    command = ["nice", go, "install", f"github.com/stripe/stripe-mock@{VERSION}"]
    try:
        subprocess.run(
            command, env={**os.environ, "GOBIN": str(BUILT)}, capture_output=True, check=True, timeout=BUILD_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return built


@contextmanager
def stripe_mock() -> Generator[str]:
    """A server on a free loopback port; gives its URL.

    Raises:
        RuntimeError: it can't be built, or did not start.
    """
    program = _program()
    if program is None:
        raise RuntimeError(missing())
    http, https = free_ports(2)
    command = [str(program), "-http-addr", f"127.0.0.1:{http}", "-https-addr", f"127.0.0.1:{https}"]
    with service_folder("stripe-mock") as folder, running(Process(command, folder), lambda: _answers(http)):
        yield f"http://127.0.0.1:{http}"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
