"""Jars of Maven Central, fetched once into the user's own Maven repository."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path.home() / ".m2" / "repository"
FETCH_SECONDS = 600
STANDARD_ERROR = 2


def missing() -> str:
    """What this machine lacks for it, as a reason to skip; empty: nothing."""
    return "" if shutil.which("mvn") else "Maven is not installed (on Debian: apt install maven)"


def jar(coordinates: str) -> Path:
    """Where a jar is, `group:artifact:version` or `group:artifact:version:jar:classifier`; without what it depends on.

    Raises:
        subprocess.CalledProcessError: Maven could not fetch it.
    """
    group, artifact, version, *rest = coordinates.split(":")
    name = "-".join([artifact, version, *rest[1:]]) + ".jar"
    path = REPOSITORY.joinpath(*group.split("."), artifact, version, name)
    if not path.exists():
        get = ["dependency:get", f"-Dartifact={coordinates}", "-Dtransitive=false"]
        command = ["mvn", "-q", "-B", f"-Dmaven.repo.local={REPOSITORY}", *get]
        # Not in this folder: Maven would look for a pom.xml there. Its escape codes, there even with -q, are no output
        # of ours.
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=STANDARD_ERROR,
            timeout=FETCH_SECONDS,
            cwd=tempfile.gettempdir(),
        )
    return path
