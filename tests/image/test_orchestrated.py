"""The service in a container, by the guide's own line: port 3000, schedules, and an end without a lost run."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.image.container import Project

SERVE = ("start", "orchestrated", "--runner-config", "/app/configs/runner.yaml")
PORT = 3000
RUNNER = """\
runner:
  mode: orchestrated
  orchestrator:
    type: dagster
    schedules:
      - {name: weather, config: /app/jobs/demo/weather_to_iceberg.yaml, cron: "* * * * *"}
    concurrency_per_tenant: 1
"""


@pytest.fixture
def serving(project: Project) -> str:
    """The service on port 3000, with a schedule that is due every minute."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0, f"another program listens on port {PORT}: {holder(project)}"
    project.give_state()
    (project.root / "configs" / "runner.yaml").write_text(RUNNER)
    name = project.start(*SERVE, options=(f"--publish={PORT}:{PORT}",))
    until(lambda: answers("server_info"), seconds=60, project=project, name=name)
    return name


def holder(project: Project) -> str:
    return project.engine.run(["ss", "-ltnp", f"sport = :{PORT}"]).stdout


def answers(path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{path}", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def until(reached: Callable[[], bool], *, seconds: float, project: Project, name: str) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, project.logs(name)[-4000:]
        time.sleep(0.5)


def lines(project: Project, name: str) -> list[dict[str, object]]:
    """The log: each line is one JSON object."""
    return [json.loads(line) for line in project.logs(name).splitlines()]


def test_a_schedule_runs_and_a_stop_ends_it_with_0_and_no_lost_run(project: Project, serving: str) -> None:
    ready = [line for line in lines(project, serving) if line["event_type"] == "orchestrator_ready"]
    assert len(ready) == 1
    until(
        lambda: any(line["event_type"] == "job_finished" for line in lines(project, serving)),
        seconds=150,
        project=project,
        name=serving,
    )
    assert project.engine.run(["podman", "healthcheck", "run", serving]).exit_code == 0

    second = project.run(*SERVE, timeout=60)
    assert second.exit_code == 2
    assert "/app/state/.dagster" in second.stderr

    began = time.monotonic()
    project.engine.must(["podman", "stop", serving])
    took = time.monotonic() - began
    state = json.loads(project.engine.must(["podman", "inspect", "--format={{json .State}}", serving]))
    assert state["ExitCode"] == 0, project.logs(serving)[-4000:]
    assert took < 15
    assert lines(project, serving)[-1]["event_type"] == "orchestrator_stopped"

    again = project.start(*SERVE, options=(f"--publish={PORT}:{PORT}",))
    until(lambda: answers("server_info"), seconds=60, project=project, name=again)
    query = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/graphql",
        data=json.dumps(
            {
                "query": "{ runsOrError(filter: {statuses: [STARTED, STARTING, CANCELING]}) "
                "{ ... on Runs { results { runId startTime } } } }"
            }
        ).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(query, timeout=30) as answer:
        unfinished = json.load(answer)["data"]["runsOrError"]["results"]
    stopped_at = time.time() - (time.monotonic() - began)
    assert [run for run in unfinished if (run["startTime"] or stopped_at + 1) < stopped_at] == []
