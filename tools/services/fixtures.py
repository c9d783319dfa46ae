"""Servers as pytest fixtures, one of each per session: skipped where they can't run, unless they must."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tools.services import nessie as nessie_server
from tools.services import postgres as postgres_server
from tools.services import seaweedfs
from tools.services import stripe_mock as stripe_mock_server
from tools.services.nessie import NessieServer
from tools.services.postgres import PostgresServer
from tools.services.seaweedfs import S3Server


@pytest.fixture(scope="session")
def s3() -> Generator[S3Server]:
    """SeaweedFS's S3."""
    skip_without(seaweedfs.missing())
    with seaweedfs.seaweedfs() as server:
        yield server


@pytest.fixture(scope="session")
def nessie(s3: S3Server) -> Generator[NessieServer]:
    """Nessie, its tables in the bucket `lake` of `s3`. A test that uses it keeps to branches of its own."""
    skip_without(nessie_server.missing())
    with nessie_server.nessie(s3) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """PostgreSQL. A test that uses it keeps to namespaces and tables of its own."""
    skip_without(postgres_server.missing())
    with postgres_server.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def stripe_mock() -> Generator[str]:
    """The URL of stripe-mock."""
    skip_without(stripe_mock_server.missing())
    with stripe_mock_server.stripe_mock() as url:
        yield url


def skip_without(reason: str) -> None:
    """Skip for a reason, if there is one; fail where no service may be missing."""
    if reason:
        (pytest.fail if os.environ.get("DATIVO_REQUIRE_SERVICES") == "1" else pytest.skip)(reason)
