from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.orchestrated.held import HeldFiles, serve_held_files


@pytest.fixture(scope="session")
def held_files() -> Iterator[HeldFiles]:
    """A web server whose files the test holds."""
    with serve_held_files() as files:
        yield files
