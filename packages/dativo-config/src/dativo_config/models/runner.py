"""The runner file: schedules, limits, and what tenants share. Data only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import Field, SecretStr, field_validator, model_validator

from dativo_config.models.job import Model, RetryConfig
from dativo_config.timezones import is_timezone


class Schedule(Model):
    """When one job runs. Exactly one of `cron` (five fields) and `interval_seconds`."""

    name: str = Field(description="The schedule's name.")
    config: str = Field(description="The job file.")
    cron: str | None = Field(default=None, description="Five fields: minute, hour, day of month, month, day of week.")
    interval_seconds: float | None = Field(default=None, gt=0, description="Seconds between two starts.")
    timezone: str = Field(default="UTC", description="The time zone of `cron`.")
    enabled: bool = Field(default=True, description="Whether it runs.")
    max_concurrent_runs: int = Field(
        default=1, ge=1, description="Runs of this schedule at once, bounded by the tenant's limit."
    )
    overlap: Literal["skip", "queue"] = Field(
        default="skip", description="What happens when a run is due and the last one is not over."
    )
    catch_up: Literal["none", "last"] = Field(
        default="last", description="Whether runs that were due while the service was down are made up for."
    )
    max_catchup_runs: int = Field(
        default=1, ge=0, le=1, description="How many: one run reads all that is new; 0 is as `catch_up: none`."
    )
    tags: dict[str, str] = Field(default={}, description="Labels shown with its runs.")

    @field_validator("cron")
    @classmethod
    def _has_five_fields(cls, cron: str | None) -> str | None:
        return None if cron is None else _checked_cron(cron)

    @field_validator("timezone")
    @classmethod
    def _exists(cls, timezone: str) -> str:
        if not is_timezone(timezone):
            raise ValueError(f"{timezone!r} is no time zone; expected one like UTC or Europe/Berlin")
        return timezone

    @model_validator(mode="after")
    def _has_one_rhythm(self) -> Self:
        if (self.cron is None) == (self.interval_seconds is None):
            found = "neither" if self.cron is None else "both"
            raise ValueError(f"expected exactly one of cron and interval_seconds, found {found}")
        return self


def _checked_cron(cron: str) -> str:
    if cron.startswith("@"):
        raise ValueError(f"expected five fields, like 0 2 * * *, found {cron!r}")
    count = len(cron.split())
    if count != 5:
        raise ValueError(f"expected five fields (minute, hour, day, month, day of week), found {count} in {cron!r}")
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no cron expression: {str(error)[:1].lower()}{str(error)[1:]}") from None
    return cron


class Orchestrator(Model):
    """Dagster and its limits."""

    type: Literal["dagster"] = Field(description="dagster is the only one.")
    schedules: list[Schedule] = Field(description="Which jobs run when.")
    concurrency_per_tenant: int = Field(default=1, ge=1, description="Runs of one tenant at once.")
    max_concurrent_runs: int = Field(default=10, ge=1, description="Runs of all tenants at once.")
    retry_config: RetryConfig | None = Field(
        default=None, description="Retries of jobs that set none; also taken under `runner`."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+",
        description="Where people find the UI, path prefix included, as alerts link to it; default: this machine's.",
    )


class Shared(Model):
    """What the operator opens to jobs beyond their tenant's walls.

    Branches and namespaces may be written by jobs of any tenant. Folders are absolute paths outside the project that
    local sources may read; `{tenant}` in one stands for the job's tenant: `/data/{tenant}`.
    """

    branches: list[str] = Field(default=[], description="Branches that jobs of any tenant may write to.")
    namespaces: list[str] = Field(default=[], description="Namespaces that jobs of any tenant may write to.")
    folders: list[str] = Field(
        default=[],
        description="Folders outside the project that local sources may read; `{tenant}` is the job's tenant.",
    )


AlertEvent = Literal["run_failure", "contract_failure"]


class AlertTarget(Model):
    """Where one tenant's alerts go."""

    webhook: SecretStr | None = Field(
        default=None, description="The URL that is posted to, `${secret:NAME}`; the tenant's own secret comes first."
    )
    events: list[AlertEvent] = Field(
        default=["run_failure", "contract_failure"],
        description="A run that failed for good; rows or rules that broke the contract, also in a run that went on.",
    )


class Alerts(AlertTarget):
    """Whom the service tells of failures: a webhook that takes a JSON body with `text`, as Slack's do."""

    tenants: dict[str, AlertTarget] = Field(
        default={},
        description="Tenants whose alerts go elsewhere, or of other events; without a `webhook` to the same one.",
    )

    def of(self, tenant: str) -> AlertTarget:
        """Where a tenant's alerts go: to its own webhook, else to everybody's; which events, it may say either way."""
        own = self.tenants.get(tenant, self)
        return own if own.webhook is not None else own.model_copy(update={"webhook": self.webhook})


class Kept(Model):
    """What the service removes once a day, when it is older."""

    run_days: int = Field(default=30, ge=1, description="Runs in Dagster's history, with their logs.")
    snapshot_days: int = Field(default=7, ge=0, description="Snapshots of tables that a newer one replaced,")
    snapshots: int = Field(default=5, ge=1, description="and how many stay whatever their age.")
    rejected_days: int = Field(default=90, ge=0, description="Rejected rows in the quarantine.")


class Runner(Model):
    """The block under `runner:`."""

    mode: Literal["orchestrated", "oneshot"] = Field(description="Serve the schedules, or run every listed job once.")
    orchestrator: Orchestrator = Field(description="The service.")
    retry_config: RetryConfig | None = Field(default=None, description="Retries of jobs that set none.")
    timeout_seconds: float | None = Field(
        default=None, gt=0, description="How long a run may take, for jobs that set nothing; default: 6 hours."
    )
    shared: Shared = Field(default=Shared(), description="What is opened to jobs beyond their tenant's walls.")
    alerts: Alerts = Field(default=Alerts(), description="Whom the service tells of failures.")
    kept: Kept = Field(default=Kept(), description="How long the service keeps history.")


class RunnerFile(Model):
    """The whole file."""

    schema_: str | None = Field(default=None, alias="$schema", description="For editors.")
    runner: Runner = Field(description="All settings.")
