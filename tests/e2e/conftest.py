"""What the end-to-end tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.readers.view import Reader


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project(tmp_path / "project")


@pytest.fixture
def ids_in_table(project: Project, pyiceberg_reader: Reader) -> Callable[[], list[object]]:
    """The ids that a reader of the table sees now, in order; empty where there is no table."""

    def read() -> list[object]:
        location = project.metadata_location()
        return sorted(row[0] for row in pyiceberg_reader.read(location).rows) if location else []  # pyright: ignore[reportArgumentType]

    return read
