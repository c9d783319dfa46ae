"""syslog-ng: a log shipper, from Debian's packages, unpacked and not installed: a machine has one system log."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tools.services.process import Process, running

PACKAGES = ("syslog-ng-core", "syslog-ng-mod-http")
UNPACKED = Path(__file__).resolve().parents[2] / ".cache" / "syslog-ng"


def missing() -> str:
    """Why it can't be started; empty: it can. It is fetched on the first use."""
    return "" if _program() is not None else "syslog-ng can't be fetched: it takes Debian's apt-get and packages"


@contextmanager
def syslog_ng(settings: str, folder: Path, answers: Callable[[], bool]) -> Generator[None]:
    """A shipper with these settings, from the moment on that its work is seen.

    Args:
        settings: as its file has them.
        folder: where it keeps what it must remember.
        answers: whether its work is seen.

    Raises:
        RuntimeError: it can't be fetched, ended, or nothing was seen of its work.
    """
    program = _program()
    if program is None:
        raise RuntimeError(missing())
    file = folder / "syslog-ng.conf"
    file.write_text(settings)
    where = {"persist-file": "persist", "pidfile": "pid", "control": "control"}
    kept = [f"--{option}={folder / name}" for option, name in where.items()]
    modules = f"--module-path={next(UNPACKED.glob('usr/lib/syslog-ng/[0-9]*'))}"
    libraries = ":".join(str(path) for path in _libraries())
    command = ["env", f"LD_LIBRARY_PATH={libraries}", str(program), "--foreground", "--no-caps", "--stderr"]
    with running(Process([*command, f"--cfgfile={file}", modules, *kept], folder), answers):
        yield


def _libraries() -> list[Path]:
    return [
        UNPACKED / "usr" / "lib" / "syslog-ng",
        *UNPACKED.glob("usr/lib/*-linux-gnu"),
        *UNPACKED.glob("lib/*-linux-gnu"),
    ]


def _program() -> Path | None:
    program = UNPACKED / "usr" / "sbin" / "syslog-ng"
    if program.exists():
        return program
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    packages = UNPACKED / "packages"
    (packages / "partial").mkdir(parents=True, exist_ok=True)
    # With what they depend on and the machine has not; no lock, so that it takes no root.
    options = ["--download-only", "--no-install-recommends", "--yes", "--option=Debug::NoLocking=1"]
    fetch = ["apt-get", "install", *options, f"--option=Dir::Cache::archives={packages}", *PACKAGES]
    try:
        subprocess.run(fetch, check=True, capture_output=True, timeout=120)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg", "--extract", package, UNPACKED], check=True, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        shutil.rmtree(UNPACKED)
        return None
    return program
