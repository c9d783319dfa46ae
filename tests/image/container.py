"""A project folder mounted into containers as the guide's `docker run` lines mount it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tools.image.engine import REPOSITORY, Engine, Finished

FOLDERS = ("connectors", "assets", "jobs", "configs", "secrets", "state")
EXAMPLE = ("connectors", "assets", "jobs", "configs")
READ_ONLY = ("connectors", "assets")


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

    @classmethod
    def copy(cls, engine: Engine, image: str, root: Path) -> Self:
        """What a clone of the repository has of it."""
        for folder in EXAMPLE:
            shutil.copytree(REPOSITORY / folder, root / folder)
        (root / "tools").mkdir()
        shutil.copy(REPOSITORY / "tools" / "example_secrets.py", root / "tools")
        shutil.copy(REPOSITORY / "Makefile", root)
        return cls(engine, image, root)

    def make_example_secrets(self, environment: Mapping[str, str] | None = None, *, user: int = 0) -> None:
        """`make example-secrets` from the start, by a user whose folder it is."""
        shutil.rmtree(self.root / "secrets", ignore_errors=True)
        self.engine.must(["chown", "-R", f"{user}:{user}", str(self.root)])
        values = [f"{name}={value}" for name, value in (environment or {}).items()]
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        make = ["make", "--silent", "example-secrets", "PYTHON=/usr/bin/python3"]
        self.engine.must(["env", *values, *as_user, *make], folder=self.root)

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

    def empty_state(self) -> None:
        """Throw away what runs left."""
        for left in (self.root / "state").iterdir():
            shutil.rmtree(left)

    def give_state_to_root(self) -> None:
        """What Docker does with a folder to mount that is not there."""
        self.engine.must(["chown", "-R", "0:0", str(self.root / "state")])


def events(finished: Finished) -> list[dict[str, object]]:
    """The log of a run."""
    return log_lines(finished.stderr)


def log_lines(printed: str) -> list[dict[str, object]]:
    """One JSON object a line; podman has lines of its own to say where there is no systemd."""
    return [json.loads(line) for line in printed.splitlines() if not _of_podman(line)]


def _of_podman(line: str) -> bool:
    return line.startswith(("time=", "Error: unable to start container"))
