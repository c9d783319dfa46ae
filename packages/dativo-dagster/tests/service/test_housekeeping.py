"""The daily work: old runs leave the history, and a process of its own maintains a tenant's tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import dagster as dg
from dagster_project import Project
from dativo_dagster.service.housekeeping import delete_old_runs


@dg.op
def load() -> None: ...


@dg.job
def loading() -> None:
    load()


def test_finished_runs_leave_the_history_once_they_are_old_and_others_stay(instance: dg.DagsterInstance) -> None:
    statuses = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    for status in (*statuses, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
        instance.create_run_for_job(loading, status=status)

    assert delete_old_runs(instance, days=1) == 0
    assert delete_old_runs(instance, days=0) == len(statuses)
    assert {run.status for run in instance.get_runs()} == {
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }


def test_one_tenants_tables_are_maintained_and_one_that_cannot_be_holds_up_no_other(
    project: Project, instance: dg.DagsterInstance
) -> None:
    source = {
        "files": [{"path": "data/acme/orders", "object": "orders"}],
        "incremental": {"strategy": "file_modified_time"},
    }
    project.schedules.clear()
    project.add_job("acme", "orders", source=source, target={"mode": "append"})
    project.add_job(
        "acme",
        "out_of_reach",
        target={
            "table": "out_of_reach",
            "connection": {"nessie": {"uri": "${secret:nowhere}"}},
            "warehouse": "s3://lake",
        },
    )
    project.add_job("globex", "orders")
    project.write_runner()
    for number in range(10, 18):
        project.orders("acme", f"{number}.csv", [(number, "ada", "1.00")])
        assert dg.materialize(project.assets()[:1], instance=instance).success

    done = subprocess.run(
        [sys.executable, "-m", "dativo_dagster.service.maintenance", "acme"],
        env={**os.environ, "DATIVO_HOME": str(project.root)},
        capture_output=True,
        text=True,
        check=True,
    )

    events = [json.loads(line) for line in done.stderr.splitlines()]
    told = {event["table"]: event for event in events if event["event_type"].startswith(("table_m", "maintenance_f"))}
    assert {table: event["event_type"] for table, event in told.items()} == {
        "acme.orders": "table_maintained",
        "acme.out_of_reach": "maintenance_failed",
    }
    assert told["acme.orders"]["work"]["small_files"] == 8
    assert "nowhere" in told["acme.out_of_reach"]["message"]
