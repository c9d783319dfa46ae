"""The Spark side of `spark_reader`: one session that answers a line per request until its input ends.

A request is `{"table": folder, "out": folder}`, the table laid out as Spark loads it by its path. The rows go to
`<out>/rows` as Parquet, and nulls, lowest and highest of each column to `<out>/statistics`. Iceberg answers those
three from the manifests alone where it can, so wrong statistics of a data file show here.

Or it is `{"sql": statement, "settings": settings of Spark, "out": folder}`, whose rows go to `<out>/rows`.
"""

# Spark is in a dependency group of its own, and its types do not know its builder.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType


def main(jars: str) -> None:
    """Serve requests from stdin."""
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars", jars)
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .getOrCreate()
    )
    print(json.dumps({"ready": spark.version}), flush=True)
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        (run_statement if "sql" in request else answer)(spark, **request)
        print(json.dumps({"done": number}), flush=True)


def run_statement(spark: SparkSession, *, sql: str, settings: dict[str, str], out: str) -> None:
    """Run a statement, with catalogues that the settings name."""
    for name, value in settings.items():
        spark.conf.set(name, value)
    spark.sql(sql).coalesce(1).write.parquet(f"{out}/rows")


def answer(spark: SparkSession, *, table: str, out: str) -> None:
    """Write what was asked for."""
    rows = spark.read.format("iceberg").load(table)
    rows.coalesce(1).write.parquet(f"{out}/rows")
    complex_types = (ArrayType, BinaryType, MapType, StructType)
    for field in rows.schema.fields:
        if not isinstance(field.dataType, complex_types):
            column = f.col(f"`{field.name}`")
            figures = rows.agg(
                (f.count(f.lit(1)) - f.count(column)).alias("nulls"),
                f.min(column).alias("lowest"),
                f.max(column).alias("highest"),
            )
            figures.coalesce(1).write.parquet(f"{out}/statistics/{field.name}")


if __name__ == "__main__":
    main(sys.argv[1])
