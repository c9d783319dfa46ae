"""The runner file: schedules, limits, and what tenants share. Data only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dativo_config.models.job import Model, RetryConfig


class Schedule(Model):
    """When one job runs. Exactly one of `cron` (five fields) and `interval_seconds`."""

    name: str
    config: str
    cron: str | None = None
    interval_seconds: float | None = Field(default=None, gt=0)
    timezone: str = "UTC"
    enabled: bool = True
    max_concurrent_runs: int = Field(default=1, ge=1)
    overlap: Literal["skip", "queue"] = "skip"
    catch_up: Literal["none", "last"] = "last"
    max_catchup_runs: int = Field(default=1, ge=0)
    tags: dict[str, str] = {}


class Orchestrator(Model):
    """Dagster and its limits."""

    type: Literal["dagster"]
    schedules: list[Schedule]
    concurrency_per_tenant: int = Field(default=1, ge=1)
    max_concurrent_runs: int = Field(default=10, ge=1)
    retry_config: RetryConfig | None = None


class Shared(Model):
    """What the operator opens to jobs beyond their tenant's walls.

    Branches and namespaces may be written by jobs of any tenant. Folders are absolute paths outside the project that
    local sources may read; `{tenant}` in one stands for the job's tenant: `/data/{tenant}`.
    """

    branches: list[str] = []
    namespaces: list[str] = []
    folders: list[str] = []


class Runner(Model):
    """The block under `runner:`."""

    mode: Literal["orchestrated", "oneshot"]
    orchestrator: Orchestrator
    retry_config: RetryConfig | None = None
    timeout_seconds: float | None = Field(default=None, gt=0)
    shared: Shared = Shared()


class RunnerFile(Model):
    """The whole file."""

    schema_: str | None = Field(default=None, alias="$schema")
    runner: Runner
