"""Podman and buildah with a store and settings of our own: nothing of the machine's is used or changed.

The settings are those that also work inside a container or a small virtual machine: runc, and explicit limits, because
the right to raise them is missing there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STORE = Path(os.environ.get("DATIVO_IMAGE_STORE", REPOSITORY / ".cache" / "image"))
PROGRAMS = ("podman", "buildah", "runc", "netavark", "mmdebstrap")
PACKAGES = (
    "buildah podman runc iptables netavark aardvark-dns golang-github-containers-common catatonit uidmap mmdebstrap"
)
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{store}/storage"
runroot = "{store}/run"
"""
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


class MissingError(RuntimeError):
    """A program that this needs is not installed; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


class Engine:
    """The two programs, and where they keep what they make."""

    def __init__(self, store: Path = STORE) -> None:
        """Write the settings.

        Raises:
            MissingError: a program is not installed.
        """
        # Debian keeps some of podman's programs where no PATH leads.
        missing = [
            name for name in PROGRAMS if shutil.which(name) is None and not Path(f"/usr/lib/podman/{name}").exists()
        ]
        if missing:
            message = f"{', '.join(missing)} not installed; on Debian: apt install {PACKAGES}"
            raise MissingError(message)
        self.store = store.resolve()
        self.store.mkdir(parents=True, exist_ok=True)
        (self.store / "storage.conf").write_text(STORAGE.format(store=self.store))
        (self.store / "containers.conf").write_text(CONTAINERS)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the programs must find in theirs."""
        return {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(self.store / "storage.conf"),
            "CONTAINERS_CONF": str(self.store / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(self._scratch),
        }

    @property
    def _scratch(self) -> Path:
        folder = self.store / "scratch"
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, command: Sequence[str], *, folder: Path | None = None, timeout: float | None = None) -> Finished:
        """A command to its end, whatever its exit code."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def must(self, command: Sequence[str], *, folder: Path | None = None) -> str:
        """A command that may not fail; answers what it printed.

        Raises:
            RuntimeError: it failed; the end of what it said is in the message.
        """
        done = self.run(command, folder=folder)
        if done.exit_code:
            message = f"{' '.join(command)} ended with {done.exit_code}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            raise RuntimeError(message)
        return done.stdout

    def has(self, image: str) -> bool:
        """Whether the store holds an image."""
        return self.run(["podman", "image", "exists", image]).exit_code == 0

    def size(self, image: str) -> int:
        """Bytes of an image."""
        return int(self.must(["podman", "image", "inspect", "--format", "{{.Size}}", image]))
