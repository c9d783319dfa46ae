from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from dagster_project import Project
from web_site import Site, serve_site


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the tenant acme with one job, which is also the current folder."""
    project = Project(tmp_path / "project")
    project.contract()
    project.job("acme", "orders")
    project.orders("acme", "first.csv", [(1, "ada", "10.50"), (2, "bob", "3.00")])
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with its files in a folder of its own."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server."""
    with serve_site() as site:
        yield site
