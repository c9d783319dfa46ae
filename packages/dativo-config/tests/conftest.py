"""A project folder for each test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests share config_project.py

from config_project import FILES, ProjectFolder


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path / "project")
    for name, text in FILES.items():
        folder.write(name, text)
    folder.write("jobs/acme/data/orders.csv", "id;created_at;amount;email\n")
    return folder
