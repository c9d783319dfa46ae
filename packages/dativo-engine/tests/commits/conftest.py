"""Makes `commit_support` importable: the tests' child processes use it too."""

import sys
from pathlib import Path

import pytest
from dativo_config.models.resolved import ResolvedJob

sys.path.insert(0, str(Path(__file__).parent))

from commit_support import make_job


@pytest.fixture
def job(tmp_path: Path) -> ResolvedJob:
    """A job that appends to `acme.orders`, in a project of its own."""
    return make_job(tmp_path)


@pytest.fixture
def keyed_job(tmp_path: Path) -> ResolvedJob:
    """The same with `id` as primary key."""
    return make_job(tmp_path, keyed=True)
