"""What helps where a file of the project is missing, or may not be read or written: in the image too."""

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


def where_from(path: Path) -> str:
    """How a file that is not there comes into a container; empty for any other place."""
    if not path.is_relative_to(IMAGE_HOME) or path == IMAGE_HOME:
        return ""
    folder = path.relative_to(IMAGE_HOME).parts[0]
    return f'a container has what is mounted into it: --volume "$(pwd)/{folder}:{IMAGE_HOME / folder}"'
