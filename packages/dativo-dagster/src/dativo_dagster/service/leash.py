"""Ties processes to the service: one service a home folder, and no process that outlives it.

The service holds a lock on a file; the kernel frees it, however the service ends. Its children die with it by
`dativo_engine.attached`. Theirs, the code server's run processes, are started by Dagster: they wait for the lock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dativo_engine.errors import FatalError
from dativo_engine.lease import unwritable

LEASH = "DATIVO_SERVICE_LOCK"
# How long a run may take to give up its files before it is killed.
_SECONDS_TO_CLEAN_UP = 5.0


def lock_file(home: Path) -> Path:
    """The file whose lock a service holds while it lives."""
    return home / "service.lock"


@contextmanager
def hold_leash(home: Path) -> Generator[Path]:
    """Be the service of this home folder while the block runs.

    Raises:
        FatalError: another one is, and which process that is; or the folder can't be written.
    """
    file = lock_file(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise unwritable(home) from error
    try:
        _take(descriptor, home)
        os.ftruncate(descriptor, 0)
        # In a container the process is 1, and the host the container.
        os.pwrite(descriptor, f"{os.getpid()} on {os.uname().nodename}".encode(), 0)
        yield file
    finally:
        os.close(descriptor)


def _take(descriptor: int, home: Path) -> None:
    """Lock it: at once, or once the processes that a dead service left behind have ended."""
    give_up = time.monotonic() + _SECONDS_TO_CLEAN_UP + 2
    while not _lock(descriptor, fcntl.LOCK_EX):
        # Another service holds it for itself; those that wait for the end of one share it.
        if not _lock(descriptor, fcntl.LOCK_SH) or time.monotonic() > give_up:
            holder = lock_file(home).read_text().strip() or "just starting"
            message = f"{home}: a service runs on this folder already, process {holder}; stop it, or set STATE_DIR"
            raise FatalError(message)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.1)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(home: Path) -> bool:
    """Whether a service runs on this home folder."""
    try:
        descriptor = os.open(lock_file(home), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def end_with_service(environment: Mapping[str, str]) -> None:
    """End this process soon after the service that started it is gone. Without such a service: nothing."""
    if file := environment.get(LEASH):
        threading.Thread(target=_wait_for_end, args=(Path(file),), name="service-leash", daemon=True).start()


def _wait_for_end(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_CLEAN_UP)
    os.kill(os.getpid(), signal.SIGKILL)
