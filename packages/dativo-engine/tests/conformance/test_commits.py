"""The committer of this package keeps the specification, over the embedded catalogue and warehouses of each kind."""

import uuid
from pathlib import Path

import pytest
from dativo_config.models.job import Connection, ObjectStore
from dativo_engine.testing import CommitConformance, CommitWorld, StateConformance
from pydantic import SecretStr
from typing_extensions import override

from tools.services.seaweedfs import S3Server


class TestEmbeddedCatalogue(CommitConformance):
    pass


@pytest.mark.xdist_group("s3")
class TestEmbeddedCatalogueWithTablesInS3(CommitConformance):
    @pytest.fixture
    @override
    def world(self, tmp_path: Path, s3: S3Server) -> CommitWorld:
        bucket = f"lake-{uuid.uuid4().hex[:12]}"
        s3.make_bucket(bucket)
        store = ObjectStore(
            endpoint=s3.endpoint,
            access_key_id=SecretStr(s3.access_key_id),
            secret_access_key=SecretStr(s3.secret_access_key),
        )
        return CommitWorld(tmp_path, connection=Connection(s3=store), warehouse=f"s3://{bucket}/tables")


class TestMirror(StateConformance):
    pass
