"""A tenant's run slots: an operating-system lock on a file, so that `kill -9` frees it.

The lease keeps runs of one tenant from getting in each other's way. That no row lands twice does not depend on it:
that is the commit fence's work.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dativo_config.rights import remedy
from dativo_config.tenancy import Tenant

from dativo_engine.errors import FatalError, LeaseHeldError
from dativo_engine.events import Events

POLL_SECONDS = 0.2


@contextmanager
def hold_slot(tenant: Tenant, *, job: str, run_id: str, slots: int, wait: bool, events: Events) -> Generator[None]:
    """Hold one of the tenant's `slots` while the block runs.

    Raises:
        LeaseHeldError: all are taken and `wait` is false; says by whom.
        FatalError: the lease folder can't be written.
    """
    descriptor = _take(tenant, slots)
    if descriptor is None:
        holders = "; ".join(_holders(tenant, slots))
        if not wait:
            message = f"tenant {tenant.id}: all {slots} run slots are taken ({holders}); try later, or pass --wait"
            raise LeaseHeldError(message)
        events.emit("waiting_for_slot", f"Waiting for a run slot of {tenant.id}, held by {holders}", slots=slots)
        while descriptor is None:
            time.sleep(POLL_SECONDS)
            descriptor = _take(tenant, slots)
    try:
        # In a container the process is 1, and the host the container.
        process = f"{os.getpid()} on {os.uname().nodename}"
        holder = {"job": job, "run_id": run_id, "process": process, "since": datetime.now(UTC).isoformat()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def unwritable(folder: Path) -> FatalError:
    """The error of a folder of state that this user may not write; says what to do, in a container too."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    message = f"{there}: the state folder can't be written by user {os.getuid()}; make it writable: {remedy(there)}"
    return FatalError(message)


def _take(tenant: Tenant, slots: int) -> int | None:
    try:
        tenant.lease_folder.mkdir(parents=True, exist_ok=True)
        for slot in range(slots):
            descriptor = os.open(tenant.lease_file(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return descriptor
    except PermissionError as error:
        raise unwritable(tenant.state_root) from error
    return None


def _holders(tenant: Tenant, slots: int) -> list[str]:
    holders: list[str] = []
    for slot in range(slots):
        try:
            holder = json.loads(tenant.lease_file(slot).read_text())
            told = f"job {holder['job']}, run {holder['run_id']}, process {holder['process']}, since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            continue  # freed or being written at this moment, or of another version
        holders.append(told)
    return holders or ["a run that is just starting"]
