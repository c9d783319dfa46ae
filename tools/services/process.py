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


class Process:
    """A server's process, which can be killed and started again, and its folder, where its log is."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._log = folder / "log.txt"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, answers: Callable[[], bool]) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time; the end of its log is in the message.
        """
        with self._log.open("ab") as output:
            self._child = subprocess.Popen(
                [*_dying_with_parent(), *self._command],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Servers put sockets and scratch files there.
                env={**os.environ, "TMPDIR": str(self._folder)},
            )
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if self._child.poll() is not None or time.monotonic() > deadline:
                end = self._log.read_text(errors="replace")[-2000:]
                message = f"{self._command} did not start: {end}"
                raise RuntimeError(message)
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does; `start` starts it again."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


@contextmanager
def running(process: Process, answers: Callable[[], bool]) -> Generator[None]:
    """The process, from the moment on that it answers.

    Raises:
        RuntimeError: as `Process.start`.
    """
    try:
        process.start(answers)
        yield
    finally:
        process.stop()


def _dying_with_parent() -> list[str]:
    """A prefix that ties a process to ours, so that it goes even when we are killed. Linux has one."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv is not None else []
