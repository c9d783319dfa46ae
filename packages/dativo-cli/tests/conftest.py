"""A project as `dativo init` makes it, and the command run in it: in this process, or as a user does in a child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dativo_cli.main import main

DATIVO = str(Path(sys.executable).with_name("dativo"))
JOB = "jobs/demo/orders_to_iceberg.yaml"
CONTRACT = "assets/orders/v1.0/orders.yaml"
ORDERS = "data/demo/orders.csv"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """The answer of a command with `--json`."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, object]]:
        """The log: off a terminal one JSON object a line."""
        return [json.loads(line) for line in self.err.splitlines()]


@dataclass(frozen=True, slots=True)
class Project:
    """A project, which is also the current folder."""

    root: Path
    capture: pytest.CaptureFixture[str]

    def dativo(self, *arguments: str) -> Answer:
        """Run a command in this process."""
        self.capture.readouterr()
        code = main(arguments)
        captured = self.capture.readouterr()
        return Answer(code, captured.out, captured.err)

    def child(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Answer:
        """Run a command in a process of its own, its streams being pipes."""
        done = subprocess.run(
            [DATIVO, *arguments],
            cwd=self.root,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the project."""
        path = self.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def add_bad_order(self) -> None:
        """An order without a customer and with a negative amount."""
        with (self.root / ORDERS).open("a") as stream:
            stream.write("1007,,nobody@example.com,paid,-1.00,2025-03-01T00:00:00Z\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """A new project."""
    root = tmp_path / "my-project"
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my-project"]) == 0
    monkeypatch.chdir(root)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Project(root, capsys)
