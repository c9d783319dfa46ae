"""Makes `lake` importable, and gives each test tenants of its own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lake import Lake

from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server


@pytest.fixture
def lake(tmp_path: Path, nessie: NessieServer, s3: S3Server) -> Lake:
    """A project whose jobs write to Nessie and S3."""
    return Lake(tmp_path / "project", nessie.uri, nessie.bucket, s3)
