"""A project folder of CSV jobs, and its definitions in Dagster."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import yaml
from dativo_dagster import build_definitions

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.2.0
status: active
domain: shop
tags: [gold]
team: {name: "Orders team"}
description: {purpose: "Every order of the shop."}
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, physicalType: long, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: customer, logicalType: string, required: true, classification: pii, description: "Who bought."}
      - {name: amount, logicalType: number, physicalType: "decimal(12, 2)", logicalTypeOptions: {minimum: 0}}
    quality:
      - {name: enough orders, type: library, metric: rowCount, mustBeGreaterThan: 0}
"""


@dataclass(frozen=True)
class Project:
    """Jobs and schedules in a folder. Every job is listed in the runner file, hourly unless written otherwise."""

    root: Path
    schedules: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    settings: dict[str, object] = field(default_factory=dict[str, object])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def contract(self, text: str = CONTRACT, *, name: str = "orders") -> None:
        self.write(f"assets/{name}.yaml", text)

    def job(self, tenant: str, name: str, *, schedule: dict[str, object] | None = None, **changes: object) -> str:
        """Write a job that replaces its table by a folder's files, and the runner file that lists it."""
        file = self.add_job(tenant, name, schedule=schedule, **changes)
        self.write_runner()
        return file

    def add_job(self, tenant: str, name: str, *, schedule: dict[str, object] | None = None, **changes: object) -> str:
        """As `job`, but for the runner file."""
        job: dict[str, object] = {
            "tenant_id": tenant,
            "source_connector": "csv",
            "source": {"files": [{"path": f"data/{tenant}/orders", "object": "orders"}]},
            "asset_path": "assets/orders.yaml",
            "target_connector": "iceberg",
            **changes,
        }
        file = f"jobs/{tenant}/{name}.yaml"
        self.write(file, yaml.safe_dump(job))
        timing = {"cron": "0 * * * *"} if schedule is None else schedule
        self.schedules.append({"name": f"{tenant} {name}", "config": file, **timing})
        return file

    def write_runner(self) -> None:
        orchestrator = {"type": "dagster", "schedules": self.schedules, **self.settings}
        self.write(
            "configs/runner.yaml", yaml.safe_dump({"runner": {"mode": "orchestrated", "orchestrator": orchestrator}})
        )

    def orders(self, tenant: str, file: str, rows: Sequence[Sequence[object]]) -> None:
        lines = ["id,customer,amount", *(",".join(map(str, row)) for row in rows)]
        self.write(f"data/{tenant}/orders/{file}", "\n".join(lines) + "\n")

    def definitions(self) -> dg.Definitions:
        return build_definitions(self.root / "configs" / "runner.yaml")

    def assets(self) -> list[dg.AssetsDefinition]:
        """What `materialize` takes."""
        return [each for each in self.definitions().assets or () if isinstance(each, dg.AssetsDefinition)]

    def metadata_location(self, tenant: str = "acme", table: str = "orders") -> str | None:
        """Where the embedded catalogue has the table's current metadata; None: there is no such table."""
        catalog = self.root / "state" / tenant / "catalog.db"
        if not catalog.exists():
            return None
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_name = ?"
        with closing(sqlite3.connect(catalog)) as connection:
            found = connection.execute(query, (table,)).fetchone()
        return found[0] if found else None

    def specs(self) -> dict[str, dg.AssetSpec]:
        """The assets by their key as text."""
        return {spec.key.to_user_string(): spec for spec in self.definitions().resolve_all_asset_specs()}
