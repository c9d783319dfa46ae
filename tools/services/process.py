"""A server as a child process with a folder of its own; both are gone afterwards, even if we are killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 2


@contextmanager
def service_folder(name: str) -> Generator[Path]:
    """An empty folder; folders that crashed launchers left behind are removed on the way."""
    root = Path(tempfile.gettempdir()) / f"dativo-services-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    for left in root.iterdir():
        if not Path(f"/proc/{left.name.partition('-')[0]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{name}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: Sequence[str], folder: Path, answers: Callable[[], bool]) -> Generator[None]:
    """The command as a process, from the moment on that it answers.

    Raises:
        RuntimeError: it ended, or did not answer in time; the end of its log is in the message.
    """
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_dying_with_parent(), *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Servers put sockets and scratch files there.
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        _wait(process, log, answers)
        yield
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            end = log.read_text(errors="replace")[-2000:]
            message = f"{process.args} did not start: {end}"
            raise RuntimeError(message)
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _dying_with_parent() -> list[str]:
    """A prefix that ties a process to ours, so that it goes even when we are killed. Linux has one."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv is not None else []
