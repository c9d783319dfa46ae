"""The page's commands for backup and restore, on tables of the embedded catalogue; and state that is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.page import shown
from tests.docs.documents import REPOSITORY

DATIVO = str(Path(sys.executable).with_name("dativo"))
JOB = "jobs/demo/weather_to_iceberg.yaml"
DAYS = 1461


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example over files, loaded once."""
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    job = tmp_path / JOB
    job.write_text(job.read_text().replace("data/seattle-weather.csv", "data/*.csv"))
    assert rows_read(tmp_path) == DAYS
    return tmp_path


def rows_read(project: Path) -> int:
    """How many a run reads."""
    command = [DATIVO, "run", "--config", JOB, "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rows_read"]


def rows_in_table(project: Path) -> int:
    command = [DATIVO, "table", "show", "--config", JOB, "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    print(done.stdout)
    return json.loads(done.stdout)["rows"]


def add_a_day(project: Path, name: str) -> None:
    data = project / "jobs" / "demo" / "data"
    (header, first, *_) = (data / "seattle-weather.csv").read_text().splitlines()
    (data / f"{name}.csv").write_text(f"{header}\n{name}{first[10:]}\n")


def test_after_a_restore_what_came_later_is_loaded_again_once(project: Path) -> None:
    pack, remove, unpack = [line.removeprefix("$ ") for line in shown("console", "tar --create").splitlines()]
    subprocess.run(pack, shell=True, cwd=project, check=True)
    add_a_day(project, "2026-01-01")
    assert rows_read(project) == 1
    for line in (remove, unpack):
        subprocess.run(line, shell=True, cwd=project, check=True)
    assert rows_in_table(project) == DAYS
    assert rows_read(project) == 1
    assert rows_read(project) == 0
    assert rows_in_table(project) == DAYS + 1


def test_mirrors_that_are_lost_are_made_anew_and_nothing_is_loaded_twice(project: Path) -> None:
    mirrors = project / "state" / "demo" / "jobs"
    shutil.rmtree(mirrors)
    assert rows_read(project) == 0
    assert list(mirrors.iterdir())
    assert rows_in_table(project) == DAYS
