"""The service serves, heals, follows changes, tells how it is, and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dativo_dagster.service.housekeeping import DAY

from tests.orchestrated.held import HeldFile, HeldFiles
from tests.orchestrated.service import OVER, Service
from tests.orchestrated.tenants import DATIVO, Tenants, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]

# Five hundred in `make test-serve`.
QUEUED = int(os.environ.get("DATIVO_SERVE_QUEUED", "5"))
ROWS = 5_000
SERVED = ("acme", "umbrella", "slow", "flaky", "wrong")
RETRIES = "retry_config: {max_retries: 3, initial_delay_seconds: 0.1, max_delay_seconds: 0.5}\n"


@pytest.fixture(scope="module")
def file(held_files: HeldFiles) -> HeldFile:
    """What the job `slow` of acme reads: it goes on until the file is released."""
    return held_files.add(range(ROWS))


@pytest.fixture(scope="module")
def flaky_file(held_files: HeldFiles) -> HeldFile:
    """What the job `flaky` of acme reads: the first two readers are refused."""
    file = held_files.add(range(ROWS))
    file.refusals = 2
    file.release()
    return file


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory, file: HeldFile, flaky_file: HeldFile) -> Tenants:
    """Two tenants with a job each, a slow one, a flaky one, and one whose rows break the contract; none due."""
    tenants = Tenants.make(tmp_path_factory.mktemp("service") / "project")
    for tenant in ("acme", "umbrella"):
        tenants.job(tenant)
        tenants.orders(tenant, range(1, 4))
    tenants.job("acme", "slow", source=file.address)
    tenants.job("acme", "flaky", source=flaky_file.address, extra=RETRIES)
    tenants.job("umbrella", "wrong", extra=RETRIES)
    tenants.orders("umbrella", range(1, 4), job="wrong", amount="-1.00")
    tenants.runner(schedules("acme", "umbrella"), mode="orchestrated")
    return tenants


def schedules(*names: str) -> list[dict[str, object]]:
    """Those of the tenants' jobs, named for them, and of the others."""
    others = ("jobs/acme/flaky.yaml", "jobs/umbrella/wrong.yaml")
    slow = schedule("jobs/acme/slow.yaml", catch_up="none")
    return [*(schedule(f"jobs/{name}/orders.yaml", name) for name in names), slow, *map(schedule, others)]


@pytest.fixture(scope="module")
def service(tenants: Tenants) -> Iterator[Service]:
    """The service of these tenants, ready."""
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        yield service


def test_it_says_what_it_serves_and_where(service: Service) -> None:
    order = ["orchestrator_starting", *["schedule_registered"] * len(SERVED), "orchestrator_ready"]
    assert [e["event_type"] for e in service.events if e["event_type"] in order] == order
    (ready,) = service.told("orchestrator_ready")
    assert (ready["url"], ready["health_url"]) == (service.url, service.health_url)


def test_a_run_launched_in_the_ui_loads_the_table(service: Service, tenants: Tenants) -> None:
    run_id = service.launch("ACME__ORDERS")

    service.until(lambda: service.status(run_id) == "SUCCESS", "the run's success")

    assert tenants.ids("acme") == [1, 2, 3]
    assert service.told("job_finished", run_id=run_id, tenant_id="acme")


def course(service: Service, run_id: str) -> list[str]:
    """What the service's log tells of a run's attempts, in order."""
    told = [event["event_type"] for event in service.events if event.get("run_id") == run_id]
    return [name for name in told if name in {"job_started", "retry_attempt", "job_finished", "job_error"}]


def test_a_source_that_fails_twice_is_tried_again_in_the_same_run(
    service: Service, tenants: Tenants, flaky_file: HeldFile
) -> None:
    run_id = service.launch("ACME__FLAKY")

    service.until(lambda: service.status(run_id) == "SUCCESS", "the run's success")

    assert course(service, run_id) == ["job_started", "retry_attempt", "retry_attempt", "job_finished"]
    assert [event["attempt"] for event in service.told("job_finished", run_id=run_id)] == [3]
    assert flaky_file.reads == 1
    assert tenants.ids("acme", "flaky") == list(range(ROWS))
    assert [run["status"] for run in service.runs().values() if run["job"] == "ACME__FLAKY"] == ["SUCCESS"]


def test_rows_that_break_the_contract_are_not_tried_again(service: Service, tenants: Tenants) -> None:
    run_id = service.launch("UMBRELLA__WRONG")

    service.until(lambda: service.status(run_id) == "FAILURE", "the run's failure")

    assert course(service, run_id) == ["job_started", "job_error"]
    assert service.runs()[run_id]["dagster/will_retry"] == "false"
    assert tenants.ids("umbrella", "wrong") == []


def test_health_is_told_over_http_and_by_the_command(service: Service, tenants: Tenants) -> None:
    over_http = service.health()
    done = subprocess.run(
        [DATIVO, "status", "--json"],
        cwd=tenants.root,
        env=tenants.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    by_command = json.loads(done.stdout)
    for health in (over_http, by_command):
        assert health["healthy"]
        assert {item["name"]: item["on"] for item in health["schedules"]} == dict.fromkeys(SERVED, True)
        assert all(item["next_tick"].endswith("T03:00:00+00:00") for item in health["schedules"])


def test_a_second_service_on_the_folder_is_refused(service: Service, tenants: Tenants) -> None:
    done = subprocess.run(
        [DATIVO, "start", "orchestrated"],
        cwd=tenants.root,
        env=tenants.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert f"process {service.process.pid}" in json.loads(done.stderr)["message"]


def test_a_busy_port_is_an_error_that_names_who_holds_it(service: Service, tmp_path: Path) -> None:
    other = Tenants.make(tmp_path / "project")
    other.runner([schedule(other.job("acme"))], mode="orchestrated")
    port = service.url.rpartition(":")[2]

    done = subprocess.run(
        [DATIVO, "start", "orchestrated", "--host", "127.0.0.1", "--port", port],
        cwd=other.root,
        env=other.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    message = json.loads(done.stderr)["message"]
    assert f"port {port} of 127.0.0.1 is held by" in message
    assert "--port" in message


def test_changed_files_are_served_and_what_cannot_be_read_is_not(service: Service, tenants: Tenants) -> None:
    good = tenants.runner_file.read_text()
    tenants.runner_file.write_text(good.replace("type: dagster", "type: dagger"))
    (refused,) = service.wait_for("reload_refused")
    assert "runner.yaml" in refused["message"]
    assert service.health()["warnings"] != []
    run_id = service.launch("UMBRELLA__ORDERS")
    service.until(lambda: service.status(run_id) == "SUCCESS", "a run of the last good definitions")

    tenants.job("initech")
    tenants.orders("initech", [7])
    tenants.runner(schedules("acme", "umbrella", "initech"), mode="orchestrated")
    service.wait_for("definitions_reloaded")
    service.wait_for("schedule_registered", name="initech")
    run_id = service.launch("INITECH__ORDERS")
    service.until(lambda: service.status(run_id) == "SUCCESS", "a run of the new job")

    assert tenants.ids("initech") == [7]


def test_a_hangup_has_the_definitions_loaded_again_where_no_file_changed(service: Service) -> None:
    reloads = len(service.told("definitions_reloaded"))

    service.process.send_signal(signal.SIGHUP)

    service.wait_for("definitions_reloaded", count=reloads + 1, level="INFO")


def test_a_job_that_is_edited_into_something_invalid_goes_on_as_it_was(service: Service, tenants: Tenants) -> None:
    file = tenants.root / "jobs" / "umbrella" / "orders.yaml"
    good = file.read_text()
    file.write_text(good.replace("source_connector: csv", "source_connector: cvs"))
    (told,) = service.wait_for("definitions_reloaded", level="WARNING")
    assert "jobs/umbrella/orders.yaml:2:" in told["message"]
    assert any("did you mean 'csv'" in warning for warning in service.health()["warnings"])

    run_id = service.launch("UMBRELLA__ORDERS")
    service.until(lambda: service.status(run_id) in OVER, "the run's end")
    assert service.status(run_id) == "SUCCESS"
    assert "umbrella" in {item["name"] for item in service.health()["schedules"]}

    reloads = len(service.told("definitions_reloaded"))
    file.write_text(good)
    service.wait_for("definitions_reloaded", count=reloads + 1)
    assert service.told("definitions_reloaded")[-1]["level"] == "INFO"


def test_a_tick_that_is_skipped_is_in_the_log(service: Service) -> None:
    found = service.evaluate("slow", datetime.now(UTC) - DAY)

    assert "catch_up is none" in found["skipReason"]
    service.wait_for("schedule_skipped", schedule="slow", message=found["skipReason"])


def test_a_changed_limit_is_taken_over_and_spares_the_code_server(service: Service, tenants: Tenants) -> None:
    def pids(part: str) -> set[int]:
        return {pid for pid, line in service.processes().items() if part in line}

    code_servers, webservers = pids("code-server"), pids("dagster_webserver")
    reloads = len(service.told("definitions_reloaded"))

    tenants.runner(schedules("acme", "umbrella", "initech"), mode="orchestrated", max_concurrent_runs=9)

    service.wait_for("definitions_reloaded", count=reloads + 1)
    service.until(lambda: not pids("dagster_webserver") & webservers and service.answers(), "a webserver that knows it")
    assert service.told("definitions_reloaded")[-1]["level"] == "INFO"
    assert pids("code-server") == code_servers


def test_a_tenant_with_a_long_queue_does_not_delay_another(service: Service, file: HeldFile) -> None:
    service.until(service.is_healthy, "health")
    slow = service.launch("ACME__SLOW")
    service.until(lambda: file.reads > 0, "a run that reads")
    queued = [service.launch("ACME__ORDERS") for _ in range(QUEUED)]

    quiet = service.launch("UMBRELLA__ORDERS")
    service.until(lambda: service.status(quiet) == "SUCCESS", "the quiet tenant's run")

    runs = service.runs()
    assert {runs[run_id]["status"] for run_id in queued} == {"QUEUED"}
    assert runs[slow]["status"] == "STARTED"
    service.cancel(*queued)


def test_sigterm_ends_every_process_in_time_and_the_next_service_goes_on_with_what_ran_and_what_is_due(
    service: Service, tenants: Tenants, file: HeldFile
) -> None:
    (stopped,) = [run_id for run_id, run in service.runs().items() if run["status"] == "STARTED"]
    below = set(service.processes())
    assert len(below) >= 6
    service.process.terminate()

    assert service.ended(within=10) == 0
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    assert service.events[-1]["event_type"] == "orchestrator_stopped"
    done = subprocess.run([DATIVO, "status"], cwd=tenants.root, env=tenants.environment(), check=False)
    assert done.returncode == 2
    assert tenants.ids("acme", "slow") == []

    file.release()
    (tenants.root / "state" / ".dagster" / "housekeeping").write_text((datetime.now(UTC) - DAY).isoformat())
    with Service(tenants, ["--read-only"], path="/dativo") as following:
        (ready,) = following.wait_for("orchestrator_ready")
        assert ready["url"] == following.url
        with pytest.raises(AssertionError, match="UnauthorizedError"):
            following.launch("UMBRELLA__ORDERS")
        following.until(lambda: following.is_retried(stopped), "the end of a retry")
        following.wait_for("history_deleted", runs=0)
        for tenant in ("acme", "umbrella"):
            following.wait_for("table_maintained", tenant_id=tenant, table=f"{tenant}.orders")

    assert tenants.ids("acme", "slow") == list(range(ROWS))
