"""One statement in Spark over an Iceberg warehouse of folders, for `make bench-merge`; rows are printed as JSON.

The changes are there as the view `changes`, the table as `lake.<name>`.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession


def main(jar: str, warehouse: str, changes: str, statement: str) -> None:
    """Run it."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jar)
        .config("spark.driver.memory", "4g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.lake.type", "hadoop")
        .config("spark.sql.catalog.lake.warehouse", warehouse)
        .getOrCreate()
    )
    spark.read.parquet(changes).createOrReplaceTempView("changes")
    rows = spark.sql(statement).collect()
    print(json.dumps([[str(value) for value in row] for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
