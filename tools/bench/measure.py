"""One program, run and measured: wall clock, CPU seconds and peak memory of the whole process tree.

This module and those that use it import nothing large: a child's peak memory begins with its parent's.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took.

    Attributes:
        cpu: user and system seconds of the process and its descendants.
        rss: bytes; the largest sum of resident memory over the process tree, and at least that of its largest process.
    """

    wall: float
    cpu: float
    rss: int
    exit_code: int
    stdout: str


class RunFailedError(Exception):
    """A measured program ended with a code that was not expected; its output is the message."""


def measure(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None, expected: int = 0
) -> Measurement:
    """Run a command to its end. It keeps Python's byte code from run to run, as an installed program does.

    Raises:
        RunFailedError: its exit code is not `expected`.
    """
    environment = {**os.environ, **(environment or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with (folder / "stderr.log").open("w+b") as errors, (folder / "stdout.log").open("w+b") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment
        )
        watch = _Watch(child.pid)
        watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        output.seek(0)
        stdout = output.read().decode()
        if child.returncode != expected:
            errors.seek(0)
            raise RunFailedError(
                f"{' '.join(command)} ended with {child.returncode}:\n{errors.read().decode()[-4000:]}"
            )
    return Measurement(
        wall=wall,
        cpu=max(usage.ru_utime + usage.ru_stime, watch.cpu),
        rss=max(usage.ru_maxrss * 1024, watch.peak),
        exit_code=child.returncode,
        stdout=stdout,
    )


def machine() -> str:
    """A line on what was measured where; the load tells whether others were at work there too."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores = f"{os.cpu_count()} cores ({model[1] if model else 'unknown'})"
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "pyiceberg"))
    return (
        f"Python {platform.python_version()}, {libraries}; {cores}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}; load of the machine {os.getloadavg()[2]:.1f}."
    )


class _Watch(threading.Thread):
    """Samples memory and CPU of a process and its descendants until told to stop.

    A descendant that nobody waited for, as the JVM of PySpark, is in no account of its parent's when it has ended.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._cpu: dict[int, float] = {}
        self._pid = pid
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            tree = _tree(self._pid)
            self.peak = max(self.peak, sum(_resident(pid) for pid in tree))
            self._cpu |= {pid: used for pid in tree if (used := _cpu_seconds(pid))}

    @property
    def cpu(self) -> float:
        """Seconds of all processes, each when it was last seen."""
        return sum(self._cpu.values())

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    found = [pid]
    for parent in found:
        try:
            found += [
                int(child)
                for children in Path(f"/proc/{parent}/task").glob("*/children")
                for child in children.read_text().split()
            ]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        # The command's name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
