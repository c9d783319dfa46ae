"""What helps where this process may not read or write a file of the project: in the image too."""

from __future__ import annotations

import os
from pathlib import Path

from dativo_config.project import IMAGE_HOME


def remedy(path: Path) -> str:
    """How to let this process's user at a file or folder. Of one that a container mounts, what to run on its host."""
    user = os.getuid()
    as_owner = 'run a container as its owner: --user "$(id -u):0"'
    if path.is_relative_to(IMAGE_HOME) and path != IMAGE_HOME:
        below = path.relative_to(IMAGE_HOME)
        mounted = IMAGE_HOME / below.parts[0]
        return f"chown -R {user}:0 {below} where the host has what is mounted at {mounted}, or {as_owner}"
    return f"chown -R {user} {path}, or {as_owner}"
