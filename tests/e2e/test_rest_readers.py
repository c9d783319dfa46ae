"""A table in S3, in the catalogue of a REST server: other programs read it, and what they roll back is loaded again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest
from pyiceberg.catalog import load_catalog

from tests.e2e.project import Project
from tests.readers.duckdb_reader import connect
from tests.readers.spark_reader import SparkReader
from tools.services.seaweedfs import REGION, S3Server

Row = tuple[int, str]
JOB = """\
tenant_id: acme
source_connector: csv
source:
  files: [{{path: data/acme/orders, object: orders}}]
  incremental: {{strategy: file_modified_time}}
asset_path: assets/orders.yaml
target:
  mode: append
  connection:
    rest: {{uri: "{rest}", warehouse: "s3://{catalog}", credential: "${{secret:client}}"}}
    s3: {{endpoint: "{endpoint}", bucket: {bucket}}}
"""


@dataclass(frozen=True)
class Lake:
    """A job's catalogue on SeaweedFS's own Iceberg REST, and the bucket of its files."""

    project: Project
    s3: S3Server
    catalog: str
    bucket: str

    @property
    def client(self) -> str:
        """The OAuth2 client."""
        return f"{self.s3.access_key_id}:{self.s3.secret_access_key}"

    def load(self, number: int) -> None:
        """Run the job after another file came."""
        self.project.orders(f"{number}.csv", [(number, f"customer {number}", "1.50")])
        self.run()

    def run(self) -> None:
        """Run the job."""
        environment = {
            "DATIVO_SECRET__ACME__CLIENT": self.client,
            "AWS_ACCESS_KEY_ID": self.s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.s3.secret_access_key,
        }
        done = self.project.dativo("run", "--config", "jobs/acme/orders.yaml", environment=environment)
        assert done.exit_code == 0, done.stderr

    def settings(self) -> dict[str, str]:
        """Of a client of the catalogue, as PyIceberg and Spark both name them."""
        return {
            "type": "rest",
            "uri": self.s3.iceberg,
            "warehouse": f"s3://{self.catalog}",
            "credential": self.client,
            "oauth2-server-uri": f"{self.s3.iceberg}/v1/oauth/tokens",
            "s3.endpoint": self.s3.endpoint,
            "s3.access-key-id": self.s3.access_key_id,
            "s3.secret-access-key": self.s3.secret_access_key,
            "s3.region": REGION,
        }

    def spark_settings(self) -> dict[str, str]:
        """The catalogue as Spark's `lake`."""
        more = {
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "s3.path-style-access": "true",
            "client.region": REGION,
            "cache-enabled": "false",
        }
        of_catalog = {
            f"spark.sql.catalog.{self.spark_name}.{name}": value for name, value in (self.settings() | more).items()
        }
        return {f"spark.sql.catalog.{self.spark_name}": "org.apache.iceberg.spark.SparkCatalog", **of_catalog}

    @property
    def spark_name(self) -> str:
        """The catalogue in Spark: one name for each test, since Spark opens it once."""
        return self.catalog.replace("-", "_")

    def by_pyiceberg(self) -> list[Row]:
        """The rows."""
        table = load_catalog("theirs", **self.settings()).load_table(("acme", "orders"))
        return sorted((row["id"], row["customer"]) for row in table.scan().to_arrow().to_pylist())

    def by_duckdb(self) -> list[Row]:
        """The rows."""
        location = load_catalog("theirs", **self.settings()).load_table(("acme", "orders")).metadata_location
        host = self.s3.endpoint.partition("://")[2]
        with connect() as connection:
            connection.execute(
                f"CREATE SECRET (TYPE s3, KEY_ID '{self.s3.access_key_id}', SECRET '{self.s3.secret_access_key}', "
                f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false, REGION '{REGION}')"
            )
            return connection.execute(f"SELECT id, customer FROM iceberg_scan('{location}') ORDER BY id").fetchall()

    def by_spark(self, spark: SparkReader) -> list[Row]:
        """The rows."""
        rows = spark.sql(f"SELECT id, customer FROM {self.spark_name}.acme.orders ORDER BY id", self.spark_settings())
        return [(row["id"], row["customer"]) for row in rows]  # pyright: ignore[reportReturnType]


@pytest.fixture
def lake(project: Project, s3: S3Server) -> Lake:
    """A project whose job appends the orders of new files."""
    catalog = f"tables-{uuid.uuid4().hex[:12]}"
    lake = Lake(project, s3, catalog, f"{catalog}-files")
    s3.make_table_bucket(lake.catalog)
    s3.make_bucket(lake.bucket)
    job = JOB.format(rest=s3.iceberg, catalog=lake.catalog, endpoint=s3.endpoint, bucket=lake.bucket)
    (project.root / "jobs" / "acme" / "orders.yaml").write_text(job)
    return lake


def rows(*numbers: int) -> list[Row]:
    return [(number, f"customer {number}") for number in numbers]


def test_pyiceberg_duckdb_and_spark_read_the_same_rows(lake: Lake, spark_reader: SparkReader) -> None:
    lake.load(1)
    lake.load(2)
    assert lake.by_pyiceberg() == lake.by_duckdb() == lake.by_spark(spark_reader) == rows(1, 2)


def test_what_spark_rolls_back_the_next_run_loads_again(lake: Lake, spark_reader: SparkReader) -> None:
    for number in range(1, 6):
        lake.load(number)
    table = load_catalog("theirs", **lake.settings()).load_table(("acme", "orders"))
    three_back = table.snapshots()[-4].snapshot_id
    call = f"CALL {lake.spark_name}.system.rollback_to_snapshot('acme.orders', {three_back})"
    spark_reader.sql(call, lake.spark_settings())
    assert lake.by_pyiceberg() == rows(1, 2)

    lake.run()
    assert lake.by_pyiceberg() == rows(1, 2, 3, 4, 5)
    lake.run()
    assert lake.by_spark(spark_reader) == rows(1, 2, 3, 4, 5)
