"""The image's health check: which command lines ask the service, and which have none to ask."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import REPOSITORY

DOCKERFILE = REPOSITORY / "deploy" / "docker" / "Dockerfile"
SERVICE = ("start", "orchestrated", "--runner-config", "/app/configs/runner.yaml")


def health(tmp_path: Path, *command: str, status: int) -> int:
    """The exit code of the check beside this command, where `dativo status` ends with `status`."""
    (line,) = [text.strip() for text in DOCKERFILE.read_text().splitlines() if text.strip().startswith('CMD ["sh"')]
    shell, option, script = json.loads(line.removeprefix("CMD "))
    process = tmp_path / "cmdline"
    process.write_bytes(b"".join(f"{word}\0".encode() for word in ("/opt/dativo/bin/python", "dativo", *command)))
    asked = tmp_path / "dativo"
    asked.write_text(f'#!/bin/sh\n[ "$*" = status ] && exit {status}\nexit 99\n')
    asked.chmod(0o755)
    check = [shell, option, script.replace("/proc/1/cmdline", str(process))]
    return subprocess.run(check, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False).returncode


@pytest.mark.parametrize("command", [SERVICE, ("start", "--port", "3100", "orchestrated"), ("start",)])
@pytest.mark.parametrize("status", [0, 2])
def test_beside_the_service_its_own_word_counts(tmp_path: Path, command: tuple[str, ...], status: int) -> None:
    assert health(tmp_path, *command, status=status) == status


@pytest.mark.parametrize(
    "command",
    [("run", "--config", "/app/jobs/acme/start.yaml"), ("start", "oneshot"), ("start", "oneshot", *SERVICE[2:])],
)
def test_beside_jobs_that_run_once_no_service_is_asked(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert health(tmp_path, *command, status=2) == 0
