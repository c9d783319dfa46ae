"""How much memory a run may take, and how it is shared out among the rooms that hold rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dativo_engine.errors import FatalError

MEBIBYTE = 1024 * 1024
DEFAULT_LIMIT = 1024 * MEBIBYTE
SMALLEST_LIMIT = 384 * MEBIBYTE
# What Python, pyarrow, pyiceberg and sqlalchemy hold before the first row, measured as resident memory.
BASE = 190 * MEBIBYTE
CONTAINER_SHARE = 0.7
CGROUP = Path("/sys/fs/cgroup")
# Of both versions of cgroups: the limit, and what counts against it and can't be given back as file caches can.
CGROUP_FILES = (
    ("memory.max", "memory.stat", ("anon", "shmem", "slab_unreclaimable")),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", ("total_rss", "total_shmem")),
)
_STAT = re.compile(r"^(\w+) (\d+)$", re.MULTILINE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes for each room: the source's read-ahead, the enforcer's keys, the writers' buffers."""

    limit: int
    source: int
    keys: int
    writers: int


def budget(environment: Mapping[str, str]) -> Budget:
    """Share out `DATIVO_MEMORY_LIMIT`, or the smallest of 1 GiB, 70 % of the container's limit and what it has left.

    Raises:
        FatalError: the limit can't be read, or is too small to run in.
    """
    limit = _limit(environment)
    if limit < SMALLEST_LIMIT:
        raise FatalError(
            f"DATIVO_MEMORY_LIMIT: {limit // MEBIBYTE} MiB is too little; give at least "
            f"{SMALLEST_LIMIT // MEBIBYTE} MiB"
        )
    free = limit - BASE
    # The rest stays free: Parquet encoders and casts hold copies of what is accounted for here.
    return Budget(limit=limit, source=free // 5, keys=free // 5, writers=free * 3 // 10)


def parse_size(text: str) -> int:
    """Bytes of `512m`, `1GiB`, `800000000`.

    Raises:
        ValueError: not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not a size; write it like 512m, 1GiB or 800000000"
        raise ValueError(message)
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _limit(environment: Mapping[str, str]) -> int:
    setting = environment.get("DATIVO_MEMORY_LIMIT")
    if setting:
        try:
            return parse_size(setting)
        except ValueError as error:
            message = f"DATIVO_MEMORY_LIMIT: {error}"
            raise FatalError(message) from error
    share = container_share(CGROUP, own=_own_memory())
    return DEFAULT_LIMIT if share is None else min(DEFAULT_LIMIT, share)


def container_share(cgroup: Path, *, own: int) -> int | None:
    """How much of a container's memory a run that begins now may take; None: there is no container, or no limit.

    Beside it there may be a service with its processes, and other runs. It is never so little that nothing could run.

    Args:
        own: bytes of this process, which count as its own.
    """
    shares: list[int] = []
    for limit_file, stat_file, kinds in CGROUP_FILES:
        try:
            text = (cgroup / limit_file).read_text().strip()
            told = dict(_STAT.findall((cgroup / stat_file).read_text()))
        except OSError:
            continue  # the other version of cgroups, or none
        if text.isdigit():
            others = max(sum(int(told.get(kind, 0)) for kind in kinds) - own, 0)
            left = max(int(text) - others, SMALLEST_LIMIT)
            shares.append(min(round(int(text) * CONTAINER_SHARE), left))
    return min(shares, default=None)


def _own_memory() -> int:
    """What this process holds that no file backs, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
