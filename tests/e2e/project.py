"""A project of one tenant in a folder, and the `dativo` command run in it as a user would: in a child process."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

DATIVO = str(Path(sys.executable).with_name("dativo"))
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, physicalType: long, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: customer, logicalType: string, required: true}
      - {name: amount, logicalType: number, physicalType: "decimal(12, 2)", logicalTypeOptions: {minimum: 0}}
"""
JOB = """\
tenant_id: acme
source_connector: csv
source:
  files: [{path: data/acme/orders, object: orders}]
asset_path: assets/orders.yaml
target_connector: iceberg
"""
INCREMENTAL = "  incremental: {strategy: file_modified_time}\n"


@dataclass(frozen=True, slots=True)
class Finished:
    """What one command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, object]]:
        """The log: every line of stderr is one JSON object."""
        return [json.loads(line) for line in self.stderr.splitlines()]

    @property
    def event_types(self) -> list[object]:
        """The names of the events, in order."""
        return [event["event_type"] for event in self.events]

    @property
    def result(self) -> dict[str, object]:
        """The one object that `run --json` prints."""
        return json.loads(self.stdout)


class Project:
    """One tenant `acme`, one contract, jobs that load the CSV files of one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data" / "acme" / "orders"
        for folder in (self.data, root / "jobs" / "acme", root / "assets", root / "configs"):
            folder.mkdir(parents=True)
        (root / "assets" / "orders.yaml").write_text(CONTRACT)

    @property
    def warehouse(self) -> Path:
        """Where the embedded catalogue keeps the tables."""
        return self.root / "state" / "acme" / "warehouse"

    def job(self, name: str = "orders", *, append: bool = False, extra: str = "") -> str:
        """Write a job file; append reads new files only, without it each run replaces the table.

        Args:
            extra: further top-level YAML; not `target` where it appends.

        Returns:
            The file as `--config` takes it.
        """
        text = JOB.replace("asset_path", f"{INCREMENTAL}asset_path") + "target: {mode: append}\n" if append else JOB
        file = f"jobs/acme/{name}.yaml"
        (self.root / file).write_text(text + extra)
        return file

    def orders(self, file: str, rows: Sequence[Sequence[object]]) -> None:
        """Write a data file of orders: id, customer, amount."""
        lines = ["id,customer,amount", *(",".join(map(str, row)) for row in rows)]
        (self.data / file).write_text("\n".join(lines) + "\n")

    def many_orders(self, file: str, first: int, count: int) -> None:
        """Write a data file of good orders with ids from `first`."""
        self.orders(
            file, [(number, f"customer {number % 97}", f"{number % 1000}.50") for number in range(first, first + count)]
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line of `dativo` with these arguments."""
        return [DATIVO, *arguments]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a child: this one's, without what would change where it looks."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATIVO_", "AWS_", "S3_"))}
        return {**kept, "COLUMNS": "120", **(extra or {})}

    def dativo(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command; the caller ends it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def metadata_location(self, table: str = "orders") -> str | None:
        """What the catalogue says is the table's current metadata; None: there is no such table."""
        catalog = self.root / "state" / "acme" / "catalog.db"
        if not catalog.exists():
            return None
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = 'acme' AND table_name = ?"
        with closing(sqlite3.connect(catalog)) as connection:
            found = connection.execute(query, (table,)).fetchone()
        return found[0] if found else None

    def data_files(self) -> set[Path]:
        """Every Parquet file in the warehouse, visible or not."""
        return set(self.warehouse.rglob("*.parquet"))
