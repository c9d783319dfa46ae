"""The service in a container that publishes port 3000: what it logs, what it answers, and how it ends."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dativo_dagster.service.ports import refuse_taken

from tests.image.container import Project, log_lines

PORT = 3000
_RUNS = "{ runsOrError { ... on Runs { results { rootRunId status } } } }"


@dataclass
class Serving:
    """A container in the foreground of a terminal.

    Attributes:
        log: all that it prints.
    """

    project: Project
    terminal: subprocess.Popen[bytes]
    log: Path

    @classmethod
    @contextmanager
    def by(cls, line: Sequence[str], project: Project) -> Generator[Self]:
        """What a command line serves, once it answers; its container is gone afterwards."""
        refuse_taken("0.0.0.0", PORT, option="--publish")
        log = project.root / f"service-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            terminal = subprocess.Popen(
                line,
                cwd=project.root,
                env=project.engine.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        serving = cls(project, terminal, log)
        try:
            serving.wait_for("orchestrator_ready", seconds=120)
            yield serving
        finally:
            if terminal.poll() is None:
                serving.project.engine.run(["podman", "rm", "--force", "--time=0", serving.container])
                terminal.wait(timeout=30)

    @property
    def container(self) -> str:
        """The id of the one that has this project's state."""
        state = f"--filter=volume={self.project.root}/state"
        return self.project.engine.must(["podman", "ps", "--quiet", state]).split()[0]

    @property
    def events(self) -> list[dict[str, object]]:
        """The log: what the container prints is one JSON object a line."""
        return log_lines(self.log.read_text())

    def wait_for(self, event_type: str, *, seconds: float) -> None:
        """Wait until it tells an event."""
        self.until(lambda: any(event["event_type"] == event_type for event in self.events), event_type, seconds=seconds)

    def until(self, true: Callable[[], object], what: str, *, seconds: float) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not true():
            end = self.log.read_text()[-4000:]
            assert self.terminal.poll() is None, f"it ended before {what}: {end}"
            assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}: {end}"
            time.sleep(0.5)

    def retries(self) -> list[str]:
        """How the runs stand that go on with one that was cut off, as the UI shows them."""
        body = json.dumps({"query": _RUNS}).encode()
        query = urllib.request.Request(f"http://127.0.0.1:{PORT}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(query, timeout=30) as answer:
            runs = json.load(answer)["data"]["runsOrError"]["results"]
        return [run["status"] for run in runs if run["rootRunId"]]

    def stop(self) -> int:
        """`docker stop` as it is typed; answers the exit code of the line that started it."""
        self.project.engine.must(["podman", "stop", self.container])
        return self.terminal.wait(timeout=30)
