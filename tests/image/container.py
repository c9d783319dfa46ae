"""A project folder mounted into containers as the guide's `docker run` lines mount it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.image.engine import Engine, Finished

FOLDERS = ("connectors", "assets", "jobs", "configs", "secrets", "state")
READ_ONLY = ("connectors", "assets")
USER = 10001


@dataclass
class Project:
    """A copy of the example project.

    Attributes:
        names: of the containers that were started and not removed by themselves.
    """

    engine: Engine
    image: str
    root: Path
    names: list[str] = field(default_factory=list[str])

    @property
    def mounts(self) -> list[str]:
        """The six volumes of the guide."""
        return [f"--volume={self.root}/{name}:/app/{name}{':ro' if name in READ_ONLY else ''}" for name in FOLDERS]

    def run(self, *command: str, options: Sequence[str] = (), timeout: float = 120) -> Finished:
        """A container to its end, as `docker run --rm` has it."""
        line = ["podman", "run", "--rm", "--no-healthcheck", *options, *self.mounts, self.image, *command]
        return self.engine.run(line, folder=self.root, timeout=timeout)

    def start(self, *command: str, options: Sequence[str] = ()) -> str:
        """A container in the background; answers its name."""
        name = f"dativo-test-{uuid.uuid4().hex[:8]}"
        self.names.append(name)
        self.engine.must(
            ["podman", "run", "--detach", f"--name={name}", *options, *self.mounts, self.image, *command],
            folder=self.root,
        )
        return name

    def logs(self, name: str) -> str:
        """What a container printed."""
        done = self.engine.run(["podman", "logs", name])
        return done.stdout + done.stderr

    def remove_containers(self) -> None:
        """Remove what was started."""
        for name in self.names:
            self.engine.run(["podman", "rm", "--force", "--time=0", name])

    def give_state(self, user: int = USER) -> None:
        """Make `state/` and `secrets/` the image's user's, as an operator does."""
        for folder in ("state", "secrets"):
            path = self.root / folder
            path.mkdir(exist_ok=True)
            self.engine.must(["chown", "-R", f"{user}:0", str(path)])


def events(finished: Finished) -> list[dict[str, object]]:
    """The log lines of a run."""
    return [json.loads(line) for line in finished.stderr.splitlines()]
