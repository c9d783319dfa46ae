"""A small valid project, and the two connectors that its jobs use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dativo_config.load import Loaded, LoadSettings, examine, examine_project, examine_runner
from dativo_config.models.connector import ConnectorSpec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

JOB = """\
tenant_id: acme
source_connector: csv
source:
  files:
    - path: jobs/acme/data/orders.csv
      object: orders
  incremental:
    strategy: file_modified_time
  options:
    delimiter: ";"
    skip_rows: 1
asset_path: assets/shop/orders.yaml
target_connector: iceberg
target:
  mode: append
  partitioning: ["day(created_at)"]
  parquet_target_size_mb: 160
schema_validation_mode: warn
timeout_seconds: 600
logging:
  redaction: true
  level: INFO
retry_config:
  max_retries: 3
  initial_delay_seconds: 1
"""

API_JOB = """\
tenant_id: acme
source_connector_path: connectors/shop.yaml
source:
  objects: [customers]
  incremental:
    strategy: updated_after
    cursor_field: updated_at
  credentials:
    api_key: "${secret:shop_key}"
asset_path: assets/shop/customers.yaml
target:
  mode: append
"""

RECIPE = """\
name: shop
type: shop
roles: [source]
rate_limits:
  requests_per_second: 5
options:
  page_size: 50
"""

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: shop-orders
name: Orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalName: orders
    properties:
      - name: id
        logicalType: integer
        required: true
        primaryKey: true
        primaryKeyPosition: 1
      - name: created_at
        logicalType: timestamp
        required: true
      - name: amount
        logicalType: number
        physicalType: decimal(12, 2)
      - name: email
        logicalType: string
        classification: pii
        logicalTypeOptions:
          maxLength: 200
    quality:
      - name: not_empty
        type: library
        metric: rowCount
        mustBeGreaterThan: 0
"""

CUSTOMERS = """\
apiVersion: v3.1.0
kind: DataContract
id: shop-customers
version: 1.0.0
status: active
schema:
  - name: customers
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: updated_at, logicalType: timestamp}
      - {name: vip, logicalType: boolean}
"""

RUNNER = """\
runner:
  mode: orchestrated
  orchestrator:
    type: dagster
    concurrency_per_tenant: 1
    max_concurrent_runs: 10
    schedules:
      - name: orders_hourly
        config: jobs/acme/orders.yaml
        cron: "0 * * * *"
        timezone: UTC
        enabled: true
      - name: customers_often
        config: /app/jobs/acme/customers.yaml
        interval_seconds: 300
  retry_config:
    max_retries: 3
  timeout_seconds: 3600
"""

FILES = {
    "jobs/acme/orders.yaml": JOB,
    "jobs/acme/customers.yaml": API_JOB,
    "connectors/shop.yaml": RECIPE,
    "assets/shop/orders.yaml": CONTRACT,
    "assets/shop/customers.yaml": CUSTOMERS,
    "configs/runner.yaml": RUNNER,
}


class CsvOptions(BaseModel):
    """As a connector's spec would have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    delimiter: str = Field(default=",", max_length=1)
    skip_rows: int = Field(default=0, ge=0)
    header: bool = True
    null_values: tuple[str, ...] = ()


class ShopOptions(BaseModel):
    """Options of an API."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    page_size: int = 100


class ShopCredentials(BaseModel):
    """Credentials of an API."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    api_key: SecretStr


CONNECTORS = {
    "csv": ConnectorSpec(
        name="csv",
        summary="files",
        options=CsvOptions,
        inputs="files",
        incremental_strategies=("file_modified_time",),
        local_paths=True,
        allowed_in_cloud=True,
    ),
    "shop": ConnectorSpec(
        name="shop",
        summary="an API",
        options=ShopOptions,
        credentials=ShopCredentials,
        inputs="objects",
        objects=("customers", "plans"),
        incremental_strategies=("updated_after", "events"),
        strategy_objects={"events": ("plans",)},
        cursor_field=("updated_after",),
        allowed_in_cloud=False,
        environment={"SHOP_API_KEY": "api_key"},
    ),
}


@dataclass(frozen=True)
class ProjectFolder:
    """A project folder whose files a test changes before it loads them."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def change(self, name: str, old: str, new: str) -> int:
        """Replace the only occurrence of a text; the number of the line it began on."""
        text = (self.root / name).read_text()
        assert text.count(old) == 1, (old, text.count(old))
        (self.root / name).write_text(text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1

    def examine(self, name: str = "jobs/acme/orders.yaml", **settings: object) -> Loaded:
        return examine([self.root / name], CONNECTORS, settings=self.settings(**settings))

    def examine_all(self) -> Loaded:
        return examine_project(self.root, CONNECTORS, settings=self.settings())

    def examine_runner(self, name: str = "configs/runner.yaml") -> Loaded:
        return examine_runner(self.root / name, CONNECTORS, settings=self.settings())

    def settings(self, **settings: object) -> LoadSettings:
        return LoadSettings(environment=self.variables, **settings)  # pyright: ignore[reportArgumentType]


def told(loaded: Loaded) -> list[str]:
    """Problems as `file:line: message; hint`, for short assertions."""
    return [
        f"{problem.position.file.name}:{problem.position.line}: {problem.message}; {problem.hint}"
        for problem in loaded.problems
    ]
