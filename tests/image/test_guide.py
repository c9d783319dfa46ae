"""The two `docker run` lines of the guide, word for word but for the engine's name, after `make example-secrets`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from tests.docs.documents import REPOSITORY, blocks
from tests.image.container import Project, events, log_lines
from tests.image.outside import Outside
from tests.image.serving import Serving
from tools.image.engine import Engine, Finished

GUIDE = REPOSITORY / "docs" / "RUNNER_AND_ORCHESTRATION.md"
JOB = Path("jobs/acme/stripe_customers_to_iceberg.yaml")
RUNNER = """\
runner:
  mode: orchestrated
  orchestrator:
    type: dagster
    schedules:
      - name: stripe_customers_every_minute
        config: /app/jobs/acme/stripe_customers_to_iceberg.yaml
        cron: "* * * * *"
    concurrency_per_tenant: 1
"""
ALWAYS = {"job_started", "tenant_inferred", "secrets_loaded", "infra_validated", "metrics_complete"}


def line(*words: str) -> list[str]:
    """The guide's line with these words, for a shell to expand."""
    shown = [block.text for block in blocks("bash") if block.document == GUIDE and block.text.startswith("docker run")]
    (found,) = [text for text in shown if all(word in text for word in words)]
    return ["sh", "-c", f"exec {found.replace('docker', 'podman', 1)}"]


@pytest.fixture
def ready(project: Project, outside: Outside) -> Project:
    project.make_example_secrets(outside.servers)
    return project


def oneshot(project: Project) -> Finished:
    return project.engine.run(line("--mode self_hosted"), folder=project.root, timeout=120)


def test_the_oneshot_line_ends_with_0_with_1_for_a_bad_row_in_warn_mode_and_with_2_in_strict(
    ready: Project, outside: Outside
) -> None:
    outside.new_customers(3)
    done = oneshot(ready)
    assert done.exit_code == 0, done.stderr
    told = [str(event["event_type"]) for event in events(done)]
    assert set(told) >= ALWAYS
    assert (told[0], told[-1]) == ("job_started", "job_finished")
    assert done.stdout == ""
    assert outside.loaded() == sorted(outside.customers())

    bad = outside.account.create("customers", {"currency": "dollars"})
    assert oneshot(ready).exit_code == 2
    (ready.root / JOB).write_text((ready.root / JOB).read_text().replace("mode: strict", "mode: warn"))
    assert oneshot(ready).exit_code == 1
    assert outside.loaded() == sorted(outside.customers() - {str(bad["id"])})
    outside.account.edit("customers", str(bad["id"]), {"currency": "usd"})
    assert oneshot(ready).exit_code == 0
    assert outside.loaded() == sorted(outside.customers())


def test_the_orchestrated_line_runs_a_schedule_and_a_stop_loses_no_run(ready: Project, outside: Outside) -> None:
    (ready.root / "configs" / "runner.yaml").write_text(RUNNER)
    outside.new_customers(3)
    outside.stall()
    with Serving.by(line("start orchestrated"), ready) as serving:
        assert outside.wait_until_asked(seconds=90), "the schedule started nothing"
        assert ready.engine.run(["podman", "healthcheck", "run", serving.container]).exit_code == 0
        assert_other_containers_stand_back(ready)
        assert serving.stop() == 0
        assert serving.events[-1]["event_type"] == "orchestrator_stopped"
    outside.answer_again()
    assert outside.loaded() != sorted(outside.customers())

    with Serving.by(line("start orchestrated"), ready) as serving:
        serving.until(lambda: "SUCCESS" in serving.retries(), "the end of a retry", seconds=120)
        assert outside.loaded() == sorted(outside.customers())
        assert serving.stop() == 0


def assert_other_containers_stand_back(project: Project) -> None:
    """While a service has a run in progress on the same state."""
    service = project.run("start", "orchestrated")
    assert service.exit_code == 2
    assert "/app/state/.dagster: a service runs on this folder already" in service.stderr
    job = project.run("run", "--config", f"/app/{JOB}", "--no-wait")
    assert job.exit_code == 2
    assert "tenant acme: all 1 run slots are taken (job stripe_customers_to_iceberg, run " in job.stderr
    waiting = project.start("run", "--config", f"/app/{JOB}")
    while not (
        told := [event for event in log_lines(project.logs(waiting)) if event["event_type"] == "waiting_for_slot"]
    ):
        time.sleep(0.2)
    assert "held by job stripe_customers_to_iceberg, run " in str(told[0]["message"])
    # A container that runs one job is as healthy as the job is alive.
    assert project.engine.run(["podman", "healthcheck", "run", waiting]).exit_code == 0
    project.remove_containers()


def test_secrets_of_a_user_who_is_not_root_are_read_and_his_state_is_written(engine: Engine, image: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        project = Project.copy(engine, image, Path(folder))
        project.make_example_secrets(user=1000)
        secrets = Path(folder) / "secrets" / "acme" / ".env"
        assert secrets.stat().st_mode & 0o7 == 0, "others may not read it"
        done = project.run("run", "--config", "/app/jobs/demo/weather_to_iceberg.yaml")
        assert done.exit_code == 0, done.stderr
        read = project.run("-c", "print(open('/app/secrets/acme/.env').read())", options=("--entrypoint=python",))
        assert "stripe_api_key=" in read.stdout
