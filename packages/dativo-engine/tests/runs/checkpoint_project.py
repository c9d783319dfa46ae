"""A project of one CSV job, as the tests of interrupted runs load it."""

from __future__ import annotations

from pathlib import Path

from dativo_config.load import load
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.connectors import specs

JOB = """\
tenant_id: acme
source_connector: csv
source:
  files: [{{path: "jobs/acme/data/*.csv", object: orders}}]
  incremental: {{strategy: file_modified_time}}
asset_path: assets/orders.yaml
target_connector: iceberg
schema_validation_mode: {validation}
target: {{mode: {mode}, checkpoint: {{rows: 1}}}}
"""
CONTRACT = """\
apiVersion: v3.0.2
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: note, logicalType: string}
"""


def make_project(root: Path, *, mode: str = "append", validation: str = "warn") -> ResolvedJob:
    """The job; its input is what the test writes to `data_file`."""
    data_file(root).parent.mkdir(parents=True, exist_ok=True)
    (root / "assets").mkdir(exist_ok=True)
    (root / "assets" / "orders.yaml").write_text(CONTRACT)
    (root / "jobs" / "acme" / "orders.yaml").write_text(JOB.format(mode=mode, validation=validation))
    return load_job(root)


def load_job(root: Path) -> ResolvedJob:
    return load([root / "jobs" / "acme" / "orders.yaml"], specs()).jobs[0]


def data_file(root: Path, name: str = "a") -> Path:
    return root / "jobs" / "acme" / "data" / f"{name}.csv"


def stored(job: ResolvedJob, table: str = "orders") -> list[int]:
    """The keys in the table, or, of the quarantine, the record numbers."""
    column = "id" if table == "orders" else "row"
    return sorted(open_catalog(job).load_table(("acme", table)).scan().to_arrow()[column].to_pylist())


def data_files(root: Path) -> set[Path]:
    return set((root / "state").rglob("*.parquet"))
