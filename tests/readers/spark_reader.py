"""PySpark with the Iceberg runtime, in one child process per test session, since a session takes seconds to start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

import pyarrow.parquet as pq

from tests.readers.view import Figures, TableView, view

ICEBERG_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.12.0"
REPOSITORY = Path(__file__).resolve().parents[2]
JAR_FOLDER = REPOSITORY / ".cache" / "jars"


def missing() -> str:
    """What this machine lacks for Spark, as a reason to skip; empty: nothing."""
    lacks = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if find_spec("pyspark") is None:
        lacks.append("pyspark (uv sync --group spark)")
    return f"Spark can't run here without {', '.join(lacks)}" if lacks else ""


def runtime_jar() -> Path:
    """The Iceberg runtime for Spark, fetched once from Maven Central into the cache folder."""
    _, artifact, version = ICEBERG_RUNTIME.split(":")
    jar = JAR_FOLDER / f"{artifact}-{version}.jar"
    if not jar.exists():
        copy = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy",
            f"-Dartifact={ICEBERG_RUNTIME}",
            f"-DoutputDirectory={JAR_FOLDER}",
        ]
        subprocess.run(copy, check=True, stdin=subprocess.DEVNULL, timeout=240, cwd=tempfile.gettempdir())
    return jar


class SparkReader:
    """A running Spark; a context manager that stops it."""

    name = "spark"

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="spark-reader-")
        self._log = (Path(self._folder.name) / "spark.log").open("w+b")
        self._requests = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.readers.spark_process", str(runtime_jar())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "SPARK_LOCAL_DIRS": self._folder.name, "PYTHONWARNINGS": "ignore"},
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe(self._process.stdin).close()
        self._process.wait(timeout=60)
        self._pipe(self._process.stdout).close()
        self._log.close()
        self._folder.cleanup()

    def read(self, metadata_location: str) -> TableView:
        """See `Reader.read`. Spark has no type `time`, so no tables with such a column."""
        self._requests += 1
        out = Path(self._folder.name) / str(self._requests)
        request = {"table": str(_as_path_table(metadata_location, out)), "out": str(out)}
        stdin = self._pipe(self._process.stdin)
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        self._answer()
        table = pq.read_table(out / "rows")
        statistics = {folder.name: _figures(folder) for folder in (out / "statistics").iterdir()}
        return view(table.to_pylist(), table.column_names, statistics)

    def _answer(self) -> None:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            self._log.seek(0)
            raise AssertionError(f"Spark ended: {self._log.read()[-4000:].decode(errors='replace')}")

    @staticmethod
    def _pipe(stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream


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
