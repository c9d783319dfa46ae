"""PySpark with the Iceberg runtime, in one child process per test session, since a session takes seconds to start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

from tests.readers.view import Figures, TableView, view
from tools.services import maven

ICEBERG_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.12.0"
# What it needs besides for tables in S3.
AWS_BUNDLE = "org.apache.iceberg:iceberg-aws-bundle:1.12.0"
JARS = (ICEBERG_RUNTIME, AWS_BUNDLE)
REPOSITORY = Path(__file__).resolve().parents[2]
# Spark asks the name service for the machine's own name, which not every machine or container has there.
LOOPBACK = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}


def missing() -> str:
    """What this machine lacks for Spark, as a reason to skip; empty: nothing."""
    lacks = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if find_spec("pyspark") is None:
        lacks.append("pyspark (uv sync --group spark)")
    return f"Spark can't run here without {', '.join(lacks)}" if lacks else ""


@contextmanager
def running_spark() -> Generator[SparkReader]:
    """Start Spark, and stop it afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="spark-reader-") as folder,
        (Path(folder) / "spark.log").open("w+b") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.readers.spark_process", ",".join(str(maven.jar(name)) for name in JARS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, **LOOPBACK, "SPARK_LOCAL_DIRS": folder, "PYTHONWARNINGS": "ignore"},
        ) as process,  # closes the child's input at the end, which ends it, and waits
    ):
        reader = SparkReader(process, Path(folder), log)
        reader.wait()
        yield reader


class SparkReader:
    """A running Spark."""

    name = "spark"

    def __init__(self, process: subprocess.Popen[str], folder: Path, log: IO[bytes]) -> None:
        self._process = process
        self._folder = folder
        self._log = log
        self._requests = 0

    def read(self, metadata_location: str) -> TableView:
        """See `Reader.read`. Spark has no type `time`, so no tables with such a column."""
        out = self._out()
        self._ask({"table": str(_as_path_table(metadata_location, out)), "out": str(out)})
        table = pq.read_table(out / "rows")
        statistics = {folder.name: _figures(folder) for folder in (out / "statistics").iterdir()}
        return view(table.to_pylist(), table.column_names, statistics)

    def sql(self, statement: str, settings: Mapping[str, str]) -> list[dict[str, object]]:
        """The rows of a statement, with Spark's settings of the catalogues that it names."""
        out = self._out()
        self._ask({"sql": statement, "settings": dict(settings), "out": str(out)})
        return pq.read_table(out / "rows").to_pylist()

    def _out(self) -> Path:
        self._requests += 1
        return self._folder / str(self._requests)

    def _ask(self, request: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        self.wait()

    def wait(self) -> None:
        """Wait until Spark has answered.

        Raises:
            AssertionError: it ended; with the end of its log.
        """
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            self._log.seek(0)
            raise AssertionError(f"Spark ended: {self._log.read()[-4000:].decode(errors='replace')}")


def _figures(folder: Path) -> Figures:
    row = pq.read_table(folder).to_pylist()[0]
    return row["nulls"], row["lowest"], row["highest"]


def _as_path_table(metadata_location: str, folder: Path) -> Path:
    """A folder that Spark takes for the table: it finds metadata by a version hint, which catalogues don't write."""
    metadata = folder / "table" / "metadata"
    metadata.mkdir(parents=True)
    shutil.copyfile(metadata_location.removeprefix("file://"), metadata / "v1.metadata.json")
    (metadata / "version-hint.text").write_text("1")
    return metadata.parent
