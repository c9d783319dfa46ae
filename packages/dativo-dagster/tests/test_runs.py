from __future__ import annotations

import base64
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster_project import CONTRACT, Project
from dativo_config.tenancy import Tenant
from dativo_dagster.code_location import defs
from dativo_engine.events import EventLog
from dativo_engine.lease import hold_slot
from web_site import Site

from tests.readers.view import Reader

DATIVO = str(Path(sys.executable).with_name("dativo"))
RETRIES = {"max_retries": 3, "initial_delay_seconds": 0.01, "max_delay_seconds": 0.05}


def materialize(
    project: Project, instance: dg.DagsterInstance, selection: dg.AssetSelection | None = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize(project.assets(), instance=instance, selection=selection, raise_on_error=False)


def logged(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The engine's events in the run's log, by their names."""
    messages = [entry.user_message for entry in instance.all_logs(run_id) if not entry.is_dagster_event]
    return [message.partition(":")[0] for message in messages]


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_run_materialises_its_table_and_says_what_it_did(
    project: Project, instance: dg.DagsterInstance, pyiceberg_reader: Reader
):
    result = materialize(project, instance)

    assert result.success
    location = project.metadata_location()
    assert location is not None
    assert [row[0] for row in pyiceberg_reader.read(location).rows] == [1, 2]
    told = metadata(result)
    assert {name: told[name] for name in ("status", "rows_read", "rows_accepted", "rows_rejected", "rows_added")} == {
        "status": "committed",
        "rows_read": 2,
        "rows_accepted": 2,
        "rows_rejected": 0,
        "rows_added": 2,
    }
    assert told["run_id"] == result.run_id
    assert str(told["snapshot_id"]).isdecimal()
    assert isinstance(told["stamp"], dict)
    assert told["stamp"]["run_id"] == result.run_id
    assert told["stamp"]["snapshot_id"] == told["snapshot_id"], "a number that JavaScript would round"
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert len(result.get_asset_check_evaluations()) == 2
    events = logged(instance, result.run_id)
    assert events[:4] == ["job_started", "tenant_inferred", "secrets_loaded", "infra_validated"]
    assert events[-2:] == ["metrics_complete", "job_finished"]


def test_an_increment_with_nothing_in_it_materialises_no_rows(project: Project, instance: dg.DagsterInstance):
    source = {
        "files": [{"path": "data/acme/orders", "object": "orders"}],
        "incremental": {"strategy": "file_modified_time"},
    }
    project.schedules.clear()
    project.job("acme", "orders", source=source)
    materialize(project, instance)

    result = materialize(project, instance)

    assert result.success
    assert metadata(result)["status"] == "unchanged"
    assert metadata(result)["rows_added"] == 0
    assert {evaluation.description for evaluation in result.get_asset_check_evaluations()} == {"nothing new was read"}


def test_a_source_that_fails_twice_is_tried_again_by_dagster(
    project: Project, instance: dg.DagsterInstance, site: Site, pyiceberg_reader: Reader
):
    address = site.put("/orders.csv", b"id,customer,amount\n7,eve,1.00\n")
    site.failures = 2
    project.schedules.clear()
    project.job("acme", "orders", source={"files": [{"path": address, "object": "orders"}]}, retry_config=RETRIES)

    result = materialize(project, instance)

    assert result.success
    events = logged(instance, result.run_id)
    assert [name for name in events if name in {"job_started", "retry_attempt", "job_finished", "job_error"}] == [
        "job_started",
        "retry_attempt",
        "retry_attempt",
        "job_finished",
    ]
    assert events.count("metrics_complete") == events.count("secrets_loaded") == 1
    kinds = [event.event_type_value for event in result.all_events]
    assert kinds.count("STEP_UP_FOR_RETRY") == kinds.count("STEP_RESTARTED") == 2
    assert metadata(result)["attempt"] == 3
    location = project.metadata_location()
    assert location is not None
    assert [row[0] for row in pyiceberg_reader.read(location).rows] == [7]


def test_retries_end_where_the_policy_does(project: Project, instance: dg.DagsterInstance, site: Site):
    site.failures = 100
    source = {"files": [{"path": site.put("/orders.csv", b""), "object": "orders"}]}
    project.schedules.clear()
    project.job("acme", "orders", source=source, retry_config={**RETRIES, "max_retries": 1})

    result = materialize(project, instance)

    assert not result.success
    events = logged(instance, result.run_id)
    assert events.count("retry_attempt") == 1
    assert events[-1] == "job_error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_terminated_leaves_nothing_and_is_not_tried_again(
    project: Project, instance: dg.DagsterInstance, site: Site, number: signal.Signals
):
    """As a code server does it: a signal to the run's process."""
    address = site.put("/orders.csv", b"id,customer,amount\n7,eve,1.00\n")
    site.on_read = lambda: os.kill(os.getpid(), number)
    project.schedules.clear()
    project.job("acme", "orders", source={"files": [{"path": address, "object": "orders"}]}, retry_config=RETRIES)

    materialize(project, instance)

    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE  # CANCELED where the UI asked for it
    assert "retry_attempt" not in logged(instance, run.run_id)
    assert logged(instance, run.run_id)[-1] == "job_error"
    assert project.metadata_location() is None


def test_broken_rows_fail_the_run_and_its_checks_and_are_not_tried_again(
    project: Project, instance: dg.DagsterInstance
):
    project.orders("acme", "second.csv", [(3, "", "-1.00"), (4, "dan", "x")])

    result = materialize(project, instance)

    assert not result.success
    assert "retry_attempt" not in logged(instance, result.run_id)
    assert project.metadata_location() is None
    evaluations = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    broken = evaluations["rows_keep_the_contract"]
    assert (broken.passed, broken.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "column customer, required: 1 row not" in (broken.description or "")
    sample = broken.metadata["rejected_sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert {(record.data["column"], record.data["found"]) for record in sample.records} >= {
        ("customer", "1"),
        ("amount", "1"),
    }
    assert evaluations["enough_orders"].passed
    failure = result.failure_data_for_node("load__ACME__ORDERS")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.metadata["error_code"].value == "VALIDATION_FAILED"
    assert failure.user_failure_data.metadata["exit_code"].value == 2


def test_a_contract_that_no_row_can_keep_fails_its_check(project: Project, instance: dg.DagsterInstance):
    project.write("data/acme/orders/first.csv", "id,amount\n1,2.00\n")

    result = materialize(project, instance)

    assert not result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "required columns are missing: customer" in (evaluation.description or "")


def test_in_warn_mode_good_rows_land_and_the_check_is_a_warning(project: Project, instance: dg.DagsterInstance):
    project.schedules.clear()
    project.job("acme", "orders", schema_validation_mode="warn")
    project.orders("acme", "second.csv", [(3, "", "1.00")])

    result = materialize(project, instance)

    assert result.success
    told = metadata(result)
    assert (told["rows_accepted"], told["rows_rejected"]) == (2, 1)
    assert "customer" in str(told["rejected_sample"])
    evaluations = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert evaluations["rows_keep_the_contract"].severity == dg.AssetCheckSeverity.WARN
    assert not evaluations["rows_keep_the_contract"].passed
    command = shlex.split(str(told["quarantine_command"]))
    shown = subprocess.run([DATIVO, *command[1:], "--json"], capture_output=True, text=True, check=True)
    assert "second.csv" in shown.stdout


def test_a_part_of_a_jobs_tables_can_be_run(project: Project, instance: dg.DagsterInstance):
    project.contract(CONTRACT + CONTRACT[CONTRACT.index("  - name: orders") :].replace("name: orders", "name: returns"))
    files = [{"path": "data/acme/orders/first.csv", "object": name} for name in ("orders", "returns")]
    project.schedules.clear()
    project.job("acme", "orders", source={"files": files})

    part = materialize(project, instance, dg.AssetSelection.assets(["acme", "acme", "returns"]))

    assert part.success
    assert project.metadata_location(table="orders") is None
    assert project.metadata_location(table="returns") is not None
    whole = materialize(project, instance)
    assert {event.asset_key for event in whole.get_asset_materialization_events()} == {
        dg.AssetKey(["acme", "acme", name]) for name in ("orders", "returns")
    }


def test_checks_alone_judge_the_rows_and_write_nothing(project: Project, instance: dg.DagsterInstance):
    checks = dg.AssetSelection.checks_for_assets(["acme", "acme", "orders"])

    result = materialize(project, instance, checks)

    assert result.success
    assert len(result.get_asset_check_evaluations()) == 2
    assert not result.get_asset_materialization_events()
    assert project.metadata_location() is None


def test_tenants_in_one_process_each_find_their_secrets_and_leave_the_environment_as_it_was(
    project: Project, instance: dg.DagsterInstance, site: Site, monkeypatch: pytest.MonkeyPatch
):
    project.schedules.clear()
    for tenant in ("acme", "globex"):
        monkeypatch.setenv(f"DATIVO_SECRET__{tenant.upper()}__WEB", f"password-of-{tenant}")
        address = site.put(f"/{tenant}.csv", b"id,customer,amount\n1,ada,1.00\n").replace(
            "://", "://user:${secret:web}@"
        )
        project.job(tenant, "orders", source={"files": [{"path": address, "object": "orders"}]})
    before = dict(os.environ)

    result = materialize(project, instance)

    assert result.success
    assert dict(os.environ) == before
    given = {base64.b64decode(request.split()[-1]).decode() for request in site.authorizations}
    assert given == {"user:password-of-acme", "user:password-of-globex"}


def test_no_secret_reaches_dagster(
    project: Project,
    stored_instance: dg.DagsterInstance,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    secret = "planted+secret=of.acme"
    monkeypatch.setenv("DATIVO_SECRET__ACME__WEB", secret)
    monkeypatch.setenv("DATIVO_SECRET__GLOBEX__WEB", "planted-of-another-tenant")
    # In a cell that breaks its rule, in an answer that fails the attempt, and in the URL itself.
    address = site.put("/orders.csv", f"id,customer,amount\n1,ada,{secret}\n".encode())
    site.failures, site.reason = 1, f"no {secret} here"
    path = address.replace("://", "://user:${secret:web}@")
    project.schedules.clear()
    project.job("acme", "orders", source={"files": [{"path": path, "object": "orders"}]}, retry_config=RETRIES)

    result = materialize(project, stored_instance)

    assert not result.success
    assert "retry_attempt" in logged(stored_instance, result.run_id)
    stored = b"".join(file.read_bytes() for file in Path(stored_instance.root_directory).rglob("*") if file.is_file())
    printed = capfd.readouterr()
    everything = stored + printed.out.encode() + printed.err.encode()
    assert b"***" in everything
    for planted in (secret, base64.b64encode(f"user:{secret}".encode()).decode(), "planted-of-another-tenant"):
        assert planted.encode() not in everything


def test_in_our_code_location_every_line_of_a_run_is_json(
    project: Project, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
):
    project.orders("acme", "second.csv", [(3, "", "-1.00")])
    job = defs().resolve_job_def("ACME__ORDERS")

    result = job.execute_in_process(instance=instance, run_config={"loggers": {"console": {}}}, raise_on_error=False)

    assert not result.success
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert {line["run_id"] for line in lines} == {result.run_id}
    told = [line.get("dagster_event") for line in lines if line["event_type"] == "dagster_log"]
    assert told == ["STEP_FAILURE", "PIPELINE_FAILURE"]
    assert [line["event_type"] for line in lines].count("job_error") == 1


def test_a_run_waits_for_a_slot_that_another_process_holds(project: Project, instance: dg.DagsterInstance):
    tenant = Tenant("acme", project.root / "state", project.root / "secrets")
    held = threading.Event()

    def hold() -> None:
        with hold_slot(tenant, job="by-hand", run_id="r", slots=1, wait=True, events=EventLog()):
            held.set()
            while not any("waiting_for_slot" in logged(instance, run.run_id) for run in instance.get_runs()):
                time.sleep(0.05)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    result = materialize(project, instance)
    holder.join()

    assert result.success
    events = logged(instance, result.run_id)
    assert events.index("waiting_for_slot") < events.index("infra_validated")


def test_jobs_whose_names_are_one_to_dagster_run_as_two(project: Project, instance: dg.DagsterInstance):
    project.schedules.clear()
    for name in ("x-y", "x_y"):
        project.job("acme", name, target={"table": name})

    result = materialize(project, instance)

    assert result.success
    assert project.metadata_location(table="x-y")
    assert project.metadata_location(table="x_y")


def test_jobs_that_share_a_table_each_load_their_part(
    project: Project, instance: dg.DagsterInstance, pyiceberg_reader: Reader
):
    project.schedules.clear()
    for number, name in enumerate(("orders", "returns"), start=10):
        project.write(f"data/acme/{name}/a.csv", f"id,customer,amount\n{number},ada,1.00\n{number + 5},,1.00\n")
        source = {
            "files": [{"path": f"data/acme/{name}/a.csv", "object": "orders"}],
            "incremental": {"strategy": "file_modified_time"},
        }
        project.job(
            "acme", name, source=source, target={"table": "orders", "mode": "append"}, schema_validation_mode="warn"
        )

    result = materialize(project, instance)

    assert result.success
    rows = {location: pyiceberg_reader.read(location).rows for location in [project.metadata_location() or ""]}
    assert [[row[0] for row in found] for found in rows.values()] == [[10, 11]]
    rejected = project.metadata_location(table="orders__rejected")
    assert rejected is not None
    assert len(pyiceberg_reader.read(rejected).rows) == 2
