"""The tools that `make bench-merge` sets beside dativo: each in a virtual environment of its own, made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.readers.spark_reader import ICEBERG_RUNTIME
from tools.bench.measure import Measurement, measure
from tools.services import maven

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "tools" / "bench" / "peers"
PACKAGES = {
    "spark": ["pyspark==3.5.9"],
    "pyiceberg": ["pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]==0.12.0"],
    "dlt": ["dlt[pyiceberg,parquet]==1.31.0", "pyiceberg[sql-sqlite]"],
    "ingestr": ["ingestr==1.1.22"],
}
MERGE = (
    "MERGE INTO lake.bench.orders t USING changes c ON t.id = c.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
)
DLT_LIMIT_SECONDS = 600


class Peers:
    """Tools that merge a Parquet file into the table of a dativo project.

    Attributes:
        work: the project; the table is `bench.orders` of tenant `bench`.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self._tenant = work / "state" / "bench"

    def install(self) -> None:
        """Make the environments that are not there."""
        for name, packages in PACKAGES.items():
            folder = self.work / "peers" / name
            python = folder / "bin" / "python"
            if not python.exists():
                uv = shutil.which("uv") or str(REPOSITORY / ".cache" / "uv" / "bin" / "uv")
                subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
                subprocess.run([uv, "pip", "install", "-q", "--python", python, *packages], check=True)

    def pyiceberg(self, changes: Path) -> Measurement:
        """`Table.upsert`, through dativo's own catalogue."""
        return self._run("pyiceberg", "pyiceberg_upsert.py", self._tenant / "catalog.db", "bench.orders", changes)

    def spark(self, changes: Path) -> Measurement:
        """`MERGE INTO`, copy-on-write, on a local machine of two threads and 4 GB of heap."""
        return self.spark_sql(changes, MERGE)

    def spark_sql(self, changes: Path, statement: str) -> Measurement:
        """One statement over `lake.bench.orders`, which is a table of folders: Spark has no driver for SQLite."""
        self._as_folder_table()
        return self._run(
            "spark", "spark_sql.py", maven.jar(ICEBERG_RUNTIME), self._tenant / "warehouse", changes, statement
        )

    def ingestr(self, changes: Path) -> Measurement:
        """`ingestr ingest` with the strategy merge: equality deletes."""
        target = f"iceberg+sqlite://{self._tenant}/catalog.db?catalog_name=dativo"
        command = [str(self.work / "peers" / "ingestr" / "bin" / "ingestr"), "ingest", "--yes", "--progress", "log"]
        command += ["--source-uri", f"parquet://{changes}", "--source-table", "orders"]
        command += ["--dest-uri", f"{target}&warehouse=file://{self._tenant}/warehouse", "--dest-table", "bench.orders"]
        command += ["--incremental-strategy", "merge", "--primary-key", "id"]
        command += ["--no-load-timestamp", "--schema-naming", "direct"]
        return measure(command, folder=self.work, environment=_environment())

    def dlt_base(self, base: Path) -> None:
        """Dlt's own table with the same rows, for dlt merges only into what it has written. Kept."""
        finished = self.work / "dlt" / "base_is_complete"
        if not finished.exists():
            shutil.rmtree(finished.parent, ignore_errors=True)
            self._run("dlt", "dlt_merge.py", finished.parent, base, "append")
            finished.touch()

    def dlt(self, changes: Path) -> Measurement:
        """Dlt's merge with the strategy upsert; it goes on with what its last run left."""
        program = ["timeout", str(DLT_LIMIT_SECONDS)]
        return self._run("dlt", "dlt_merge.py", self.work / "dlt", changes, "merge", before=program)

    def _as_folder_table(self) -> None:
        metadata = self._tenant / "warehouse" / "bench" / "orders" / "metadata"
        if not (metadata / "version-hint.text").exists():
            newest = max(metadata.glob("*.metadata.json"), key=lambda file: file.stat().st_mtime_ns)
            shutil.copyfile(newest, metadata / "v1.metadata.json")
            (metadata / "version-hint.text").write_text("1")

    def _run(self, peer: str, program: str, *arguments: Path | str, before: list[str] | None = None) -> Measurement:
        python = self.work / "peers" / peer / "bin" / "python"
        command = [*(before or []), str(python), str(PROGRAMS / program), *map(str, arguments)]
        return measure(command, folder=self.work, environment=_environment())


def _environment() -> dict[str, str]:
    """Without what would send a peer to this workspace's modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
