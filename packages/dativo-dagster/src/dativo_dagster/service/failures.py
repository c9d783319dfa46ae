"""Why a run failed, for each tenant whose part of it did: "Materialize all" is one run of many tenants' jobs."""

from __future__ import annotations

import dagster as dg

from dativo_dagster.assets import TENANT_TAG
from dativo_dagster.names import tenant_of

NOBODY = ""  # a run of no tenant's tables


def failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    """The reason by tenant; none: the run did not fail."""
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return {}
    steps = _step_failures(instance, run.run_id)
    if tenant := run.tags.get(TENANT_TAG):
        return {tenant: next(reversed(steps.values()), None) or _run_failure(instance, run.run_id)}
    owners = _owners(instance, run)
    if failed := {owners[step]: reason for step, reason in steps.items() if step in owners}:
        return failed
    # It ended between the steps, or its process died: nobody's tables were all loaded.
    return dict.fromkeys(owners.values() or [NOBODY], _run_failure(instance, run.run_id))


def _owners(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    """The tenant of each step's tables, as the run meant to load them."""
    found: dict[str, str] = {}
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED):
        event = entry.dagster_event
        if event is not None and event.step_key and event.asset_key:
            found[event.step_key] = tenant_of(event.asset_key)
    return found


def _step_failures(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """What each step that failed said."""
    found: dict[str, str] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is not None and event.step_key:
            data = event.step_failure_data
            user = data.user_failure_data
            found[event.step_key] = _in_one_line(
                (user and user.description) or (data.error and data.error.message), entry
            )
    return found


def _run_failure(instance: dg.DagsterInstance, run_id: str) -> str:
    """What Dagster said of the run."""
    entries = list(instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE))
    return _in_one_line(None, entries[-1]) if entries else "the run ended without a reason"


def _in_one_line(told: str | None, entry: dg.EventLogEntry) -> str:
    return " ".join((told or entry.user_message or entry.message).split())
