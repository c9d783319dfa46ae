"""The seed case: two tenants with two jobs each on Nessie and S3, read by Spark, DuckDB and PyIceberg alike."""

from __future__ import annotations

from lake import Lake

from tests.readers.duckdb_reader import connect
from tests.readers.spark_reader import SparkReader
from tools.services.seaweedfs import REGION


def test_spark_duckdb_and_pyiceberg_read_the_same_rows_on_each_tenant_s_branch(
    lake: Lake, spark_reader: SparkReader
) -> None:
    expected: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for tenant in (lake.acme, lake.globex):
        for name in ("orders", "customers"):
            config = lake.job(tenant, name, mode="merge")
            lake.arrive(tenant, [(1, "first"), (2, name)], name=name)
            lake.run(config)
            lake.arrive(tenant, [(1, tenant)], name=name)
            lake.run(config)
            expected[tenant, name] = [(1, tenant), (2, name)]
    for (tenant, name), rows in expected.items():
        assert lake.rows(tenant, tenant, name) == rows
        assert by_duckdb(lake, tenant, name) == rows
        assert by_spark(lake, spark_reader, tenant, name) == rows
        assert lake.rows("main", tenant, name) is None


def by_duckdb(lake: Lake, tenant: str, name: str) -> list[tuple[int, str]]:
    """The rows, from the files that the branch names."""
    table = lake.table(tenant, tenant, name)
    assert table is not None
    host = lake.s3.endpoint.partition("://")[2]
    with connect() as connection:
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{lake.s3.access_key_id}', SECRET '{lake.s3.secret_access_key}', "
            f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false, REGION '{REGION}')"
        )
        query = f"SELECT id, customer FROM iceberg_scan('{table.metadata_location}') ORDER BY id"
        return connection.execute(query).fetchall()


def by_spark(lake: Lake, spark: SparkReader, tenant: str, name: str) -> list[tuple[int, str]]:
    """The rows, by Nessie's own catalogue for Spark, which speaks its API and no Iceberg REST."""
    catalog = f"nessie_{tenant.replace('-', '_')}"
    settings = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".catalog-impl": "org.apache.iceberg.nessie.NessieCatalog",
        ".uri": f"{lake.server}/api/v2",
        ".ref": tenant,
        ".warehouse": f"s3://{lake.bucket}/{lake.prefix}",
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": lake.s3.endpoint,
        ".s3.access-key-id": lake.s3.access_key_id,
        ".s3.secret-access-key": lake.s3.secret_access_key,
        ".s3.path-style-access": "true",
        ".client.region": REGION,
        ".cache-enabled": "false",
    }
    named = {f"spark.sql.catalog.{catalog}{setting}": value for setting, value in settings.items()}
    rows = spark.sql(f"SELECT id, customer FROM {catalog}.`{tenant}`.{name} ORDER BY id", named)
    return [(row["id"], row["customer"]) for row in rows]  # pyright: ignore[reportReturnType]
