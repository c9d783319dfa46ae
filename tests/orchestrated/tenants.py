"""A project of several tenants, each with jobs that append CSV files to a table, and a runner file that lists them."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

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
      - {name: amount, logicalType: number, physicalType: "decimal(12, 2)", logicalTypeOptions: {minimum: 0}}
"""
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tenants:
    """The project folder."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Tenants:
        """An empty project with one contract."""
        for folder in ("jobs", "assets", "configs", "data"):
            (root / folder).mkdir(parents=True)
        (root / "assets" / "orders.yaml").write_text(CONTRACT)
        return cls(root)

    @property
    def runner_file(self) -> Path:
        """`configs/runner.yaml`."""
        return self.root / "configs" / "runner.yaml"

    def job(self, tenant: str, name: str = "orders", *, source: str | Sequence[str] = "", extra: str = "") -> str:
        """Write a job that appends what is new in `source` to a table of its own name.

        `source` is a folder or file, or several; `data/<tenant>/<name>` where none is named.
        """
        paths = [source or f"data/{tenant}/{name}"] if isinstance(source, str) else source
        files = ", ".join(f"{{path: '{path}', object: orders}}" for path in paths)
        (self.root / "data" / tenant / name).mkdir(parents=True, exist_ok=True)
        file = self.root / "jobs" / tenant / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            f"tenant_id: {tenant}\nsource_connector: csv\nsource:\n"
            f"  files: [{files}]\n"
            "  incremental: {strategy: file_modified_time}\n"
            f"asset_path: assets/orders.yaml\ntarget: {{mode: append, table: {name}}}\n{extra}"
        )
        return f"jobs/{tenant}/{name}.yaml"

    def orders(self, tenant: str, ids: Iterable[int], *, job: str = "orders", amount: str = "1.50") -> None:
        """Add a data file. It appears whole: a run never sees half of it."""
        ids = list(ids)
        folder = self.root / "data" / tenant / job
        hidden = self.root / f".{tenant}-{job}-{ids[0]}.csv"
        hidden.write_text("\n".join(["id,amount", *(f"{number},{amount}" for number in ids)]) + "\n")
        hidden.rename(folder / f"{ids[0]}.csv")

    def runner(self, schedules: Sequence[Mapping[str, object]], *, mode: str = "oneshot", **settings: object) -> None:
        """Write the runner file; `settings` go under `orchestrator`."""
        orchestrator = {"type": "dagster", **settings, "schedules": [dict(schedule) for schedule in schedules]}
        hidden = self.root / ".runner.yaml"
        hidden.write_text(yaml.safe_dump({"runner": {"mode": mode, "orchestrator": orchestrator}}))
        hidden.replace(self.runner_file)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """A child's environment: this one's, without what would change where it looks; byte code is kept."""
        foreign = ("DATIVO_", "DAGSTER_", "AWS_", "S3_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, **(extra or {})}

    def ids(self, tenant: str, table: str = "orders") -> list[int]:
        """The ids in a table, sorted, each as often as it is there."""
        from pyiceberg.table import StaticTable

        catalog = self.root / "state" / tenant / "catalog.db"
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?"
        if not catalog.exists():
            return []
        with closing(sqlite3.connect(catalog)) as connection:
            found = connection.execute(query, (tenant, table)).fetchone()
        if found is None:
            return []
        files = [task.file.file_path for task in StaticTable.from_metadata(found[0]).scan().plan_files()]
        columns = [pq.read_table(file.removeprefix("file://"), columns=["id"]).column("id") for file in files]
        return sorted(int(value) for column in columns for value in column.to_pylist())


def schedule(config: str, name: str = "", **settings: object) -> dict[str, object]:
    """A schedule as the runner file has it; nightly unless told otherwise."""
    rhythm = {} if "interval_seconds" in settings else {"cron": "0 3 * * *"}
    return {"name": name or Path(config).stem, "config": config, **rhythm, **settings}


def events_of(log: str) -> list[Event]:
    """A log's events; each line must be one."""
    return [json.loads(line) for line in log.splitlines()]


def intervals(events: Iterable[Event], tenant: str) -> list[tuple[datetime, datetime]]:
    """From when to when each run of a tenant held its slot: from its secrets to its end; sorted."""
    began: dict[str, datetime] = {}
    found: list[tuple[datetime, datetime]] = []
    for event in events:
        if event.get("tenant_id") != tenant:
            continue
        at = datetime.fromisoformat(event["timestamp"])
        if event["event_type"] == "infra_validated":
            began[event["run_id"]] = at
        elif event["event_type"] == "metrics_complete" and event["run_id"] in began:
            found.append((began[event["run_id"]], at))
    return sorted(found)


def overlaps(found: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The intervals that begin before the one before them ends."""
    return [after for before, after in pairwise(found) if after[0] < before[1]]
