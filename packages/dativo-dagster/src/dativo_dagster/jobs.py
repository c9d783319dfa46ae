"""The Dagster job that runs one of ours: what its schedules and the launch button start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import dagster as dg
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.retry import retry_policy

from dativo_dagster.assets import JOB_TAG, TENANT_TAG, labels
from dativo_dagster.wiring import Wiring

if TYPE_CHECKING:
    # What `define_asset_job` answers; Dagster exports the function only.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def asset_job(wiring: Wiring, *, default_retries: int) -> UnresolvedAssetJobDefinition:
    """All assets of the job and their checks, in the run's own process."""
    job = wiring.job
    return dg.define_asset_job(
        wiring.name,
        selection=dg.AssetSelection.assets(*wiring.keys.values()),
        description=f"{job.name} of tenant {job.tenant.id}: {wiring.file}",
        executor_def=dg.in_process_executor,
        config={"loggers": {"console": {}}},  # Dagster takes a code location's own logger only where it is named
        tags={
            TENANT_TAG: job.tenant.id,
            JOB_TAG: job.name,
            **labels(job, job.streams[0].contract),  # a job has one contract
            dg.MAX_RUNTIME_SECONDS_TAG: str(longest_run_seconds(job, default_retries=default_retries)),
        },
    )


def longest_run_seconds(job: ResolvedJob, *, default_retries: int) -> int:
    """The time limit of a run with all its attempts: `timeout_seconds` bounds one, which is then tried again."""
    policy = retry_policy(job, default_retries=default_retries)
    waits = sum(
        min(policy.initial_delay_seconds * policy.backoff_multiplier**retry, policy.max_delay_seconds) * 1.1  # jitter
        for retry in range(policy.max_retries)
    )
    return math.ceil(job.timeout_seconds * (policy.max_retries + 1) + waits)
