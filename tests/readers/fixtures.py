"""The readers as fixtures, for every test of the workspace: `conftest.py` at the root loads them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.readers import spark_reader as spark
from tests.readers.duckdb_reader import DuckDBReader
from tests.readers.pyiceberg_reader import PyIcebergReader
from tests.readers.spark_reader import SparkReader
from tests.readers.view import Reader

REQUIRE_SERVICES = os.environ.get("DATIVO_REQUIRE_SERVICES") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all tests that use Spark in one worker: two Sparks at once are too much for a small machine."""
    for item in items:
        if "spark_reader" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def duckdb_reader() -> Reader:
    """DuckDB with the iceberg extension."""
    return DuckDBReader()


@pytest.fixture(scope="session")
def pyiceberg_reader() -> Reader:
    """PyIceberg's StaticTable."""
    return PyIcebergReader()


@pytest.fixture(scope="session")
def spark_reader() -> Iterator[SparkReader]:
    """PySpark 3.5 with the Iceberg runtime; skips on a machine without, unless DATIVO_REQUIRE_SERVICES=1."""
    if reason := spark.missing():
        (pytest.fail if REQUIRE_SERVICES else pytest.skip)(reason)
    with spark.running_spark() as reader:
        yield reader


@pytest.fixture
def readers(duckdb_reader: Reader, pyiceberg_reader: Reader, spark_reader: Reader) -> tuple[Reader, ...]:
    """All three: `assert len({reader.read(location) ...}) == 1` is what a table's readers owe each other."""
    return duckdb_reader, pyiceberg_reader, spark_reader
