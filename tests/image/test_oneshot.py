"""One job in a container: exit codes, users, walls, and what a new user meets first."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.image.container import READ_ONLY, Project, events
from tests.orchestrated.signals import handles_sigterm

JOB = "/app/jobs/demo/weather_to_iceberg.yaml"
RUN = ("run", "--config", JOB, "--mode", "self_hosted")
LOCKED_UP = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=1g")


def contents(project: Project, folder: str) -> dict[str, bytes]:
    """Every file below a folder."""
    root = project.root / folder
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def spoil_a_row(project: Project, *, mode: str) -> None:
    """One row without a date; `mode` is the job's validation."""
    job = project.root / "jobs" / "demo" / "weather_to_iceberg.yaml"
    job.write_text(f"{job.read_text()}\nschema_validation_mode: {mode}\n")
    data = next((project.root / "jobs" / "demo" / "data").rglob("*.csv"))
    with data.open("a") as file:
        file.write("not-a-date,0,1,1,1,rain\n")


def test_a_run_ends_with_0_and_the_read_only_volumes_are_as_they_were(project: Project) -> None:
    before = {folder: contents(project, folder) for folder in READ_ONLY}
    done = project.run(*RUN)
    assert done.exit_code == 0, done.stderr
    assert events(done)[-1]["event_type"] == "job_finished"
    assert {folder: contents(project, folder) for folder in READ_ONLY} == before
    assert contents(project, "state")


def test_state_outlives_its_container(project: Project) -> None:
    assert project.run(*RUN).exit_code == 0
    again = project.run(*RUN)
    assert again.exit_code == 0
    assert next(line for line in events(again) if line["event_type"] == "metrics_complete")["records_extracted"] == 0


def test_rejected_rows_end_it_with_1_and_in_strict_mode_with_2(project: Project) -> None:
    spoil_a_row(project, mode="warn")
    assert project.run(*RUN).exit_code == 1
    project.empty_state()
    job = project.root / "jobs" / "demo" / "weather_to_iceberg.yaml"
    job.write_text(job.read_text().replace("schema_validation_mode: warn", "schema_validation_mode: strict"))
    assert project.run(*RUN).exit_code == 2


def test_it_runs_locked_up_and_as_any_user_of_group_0(project: Project) -> None:
    assert project.run(*RUN, options=LOCKED_UP).exit_code == 0
    project.engine.must(["chmod", "-R", "g+rwX", str(project.root / "state"), str(project.root / "secrets")])
    done = project.run(*RUN, options=(*LOCKED_UP, "--user=1234567:0"))
    assert done.exit_code == 0, done.stderr


def test_the_service_runs_locked_up_too(project: Project) -> None:
    service = project.start("start", "orchestrated", options=LOCKED_UP)
    deadline = time.monotonic() + 180
    while "orchestrator_ready" not in (log := project.logs(service)):
        assert time.monotonic() < deadline, log[-4000:]
        assert "orchestrator_stopped" not in log, log[-4000:]
        time.sleep(1)
    project.engine.must(["podman", "stop", service])
    ended = project.engine.must(["podman", "inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", service])
    assert ended.split() == ["0", "false"]


def test_a_service_that_is_stopped_while_it_begins_ends_at_once_with_0(project: Project) -> None:
    service = project.start("start", "orchestrated")
    process = int(project.engine.must(["podman", "inspect", "--format={{.State.Pid}}", service]))
    while not handles_sigterm(process):
        time.sleep(0.01)
    began = time.monotonic()
    project.engine.must(["podman", "stop", service])
    assert time.monotonic() - began < 8, "it was killed after ten seconds"
    assert project.engine.must(["podman", "inspect", "--format={{.State.ExitCode}}", service]).strip() == "0"


@pytest.mark.parametrize("command", [RUN, ("start", "orchestrated")], ids=["run", "start"])
def test_a_state_folder_that_may_not_be_written_is_the_first_line_with_what_to_do(
    project: Project, command: tuple[str, ...]
) -> None:
    project.give_state_to_root()
    done = project.run(*command)
    assert done.exit_code == 2
    (first, *_) = [str(line["message"]) for line in events(done) if line["level"] == "ERROR"]
    for part in ("/app/state", "10001", "chown", '--user "$(id -u):0"'):
        assert part in first, first


@pytest.mark.parametrize(("missing", "command"), [("jobs", RUN), ("configs", ("start", "oneshot"))])
def test_a_missing_folder_is_named(project: Project, missing: str, command: tuple[str, ...]) -> None:
    shutil.rmtree(project.root / missing)
    (project.root / missing).mkdir()
    done = project.run(*command)
    assert done.exit_code == 2
    assert f"/app/{missing}/" in done.stderr
