"""The committer of this package keeps the specification, over catalogues and warehouses of each kind."""

import uuid
from pathlib import Path

import pytest
from dativo_config.models.job import Connection, ObjectStore, RestConnection, SqlConnection
from dativo_engine.testing import CommitConformance, CommitWorld, StateConformance
from late_requests import LateRequests
from pydantic import SecretStr
from typing_extensions import override

from tools.services.postgres import PostgresServer
from tools.services.seaweedfs import S3Server


def name_of_its_own() -> str:
    return f"lake-{uuid.uuid4().hex[:12]}"


def store(s3: S3Server, bucket: str, prefix: str | None = None) -> ObjectStore:
    return ObjectStore(
        endpoint=s3.endpoint,
        bucket=bucket,
        prefix=prefix,
        access_key_id=SecretStr(s3.access_key_id),
        secret_access_key=SecretStr(s3.secret_access_key),
    )


class TestEmbeddedCatalogue(CommitConformance):
    pass


@pytest.mark.xdist_group("s3")
class TestEmbeddedCatalogueWithTablesInS3(CommitConformance):
    @pytest.fixture
    @override
    def world(self, tmp_path: Path, s3: S3Server) -> CommitWorld:
        bucket = name_of_its_own()
        s3.make_bucket(bucket)
        return CommitWorld(tmp_path, connection=Connection(s3=store(s3, bucket, "tables")))


@pytest.mark.xdist_group("s3")
class TestRestCatalogue(LateRequests, CommitConformance):
    """SeaweedFS's own, where each table bucket is a catalogue."""

    @pytest.fixture
    @override
    def world(self, tmp_path: Path, s3: S3Server) -> CommitWorld:
        bucket = name_of_its_own()
        s3.make_table_bucket(bucket)
        s3.make_bucket(f"{bucket}-files")
        rest = RestConnection(
            uri=s3.iceberg,
            warehouse=f"s3://{bucket}",
            credential=SecretStr(f"{s3.access_key_id}:{s3.secret_access_key}"),
        )
        return CommitWorld(tmp_path, connection=Connection(rest=rest, s3=store(s3, f"{bucket}-files")))


class TestSqlCatalogue(LateRequests, CommitConformance):
    """PostgreSQL, with tables on this machine's disk."""

    @pytest.fixture
    @override
    def world(self, tmp_path: Path, postgres: PostgresServer) -> CommitWorld:
        uri = SecretStr(postgres.make_database())
        return CommitWorld(tmp_path, connection=Connection(sql=SqlConnection(uri=uri)))


class TestMirror(StateConformance):
    pass
