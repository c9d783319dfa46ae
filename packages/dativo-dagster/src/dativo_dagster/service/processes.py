"""The processes below this one, as the kernel tells them (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PROC = Path("/proc")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, as process 1 of a container is anyway.

    A run whose code server was killed goes on, and stays within reach.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap(known: Iterable[int]) -> None:
    """Take the exit codes of adopted children that ended; those `known` are others' to wait for."""
    mine = set(known)
    for pid in _children().get(os.getpid(), ()):
        if pid not in mine:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue  # somebody else did


def descendants(of: int | None = None) -> set[int]:
    """Every live process below this one, or below another."""
    children = _children()
    found: set[int] = set()
    left = [os.getpid() if of is None else of]
    while left:
        fresh = [pid for pid in children.get(left.pop(), ()) if pid not in found]
        found.update(fresh)
        left += fresh
    return found


def has_children(pid: int) -> bool:
    """Whether a process has a live child."""
    return bool(_children().get(pid))


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each; those that are gone are no concern."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def holder_of(port: int) -> str:
    """Which process listens on a TCP port, `python (process 4711)`; empty where that can't be seen."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
    for folder in _PROC.glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in sockets for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
        except OSError:
            continue  # it ended, or is another user's
    return ""


def _listeners(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            # 0A is LISTEN (net/tcp_states.h); the address is HEX:HEX.
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything; state and parent follow its last one.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z" or int(parent) == os.getpid():
            children[int(parent)].append(int(folder.name))
    return children
