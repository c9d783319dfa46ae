"""How the service ends: whatever happens, its last lines are JSON and none of its processes stays behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest
from dagster_project import Project

# The service with a code server that is another command, and pauses as long as the test wants.
SERVE = r"""
import os, sys
from pathlib import Path
from dativo_config.load import LoadSettings, examine_runner
from dativo_config.project import open_project
from dativo_dagster.service import child, commands, service
from dativo_dagster.service.settings import ServiceSettings
from dativo_engine.connectors import specs
from dativo_engine.errors import DativoError
from dativo_engine.events import EventLog

root, delay, code_server, port = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
child.FIRST_DELAY_SECONDS = child.LONGEST_DELAY_SECONDS = delay
commands.code_server = lambda socket: ["-c", code_server.replace(r"\0", chr(0))]
project = open_project(root, environment={})
loaded = examine_runner(project.runner_file, specs(), settings=LoadSettings(project=root))
settings = ServiceSettings(project, os.environ, port=port)
sys.exit(service.serve(settings, loaded, EventLog(sys.stderr)))
"""


def start(project: Project, *, delay: float, code_server: str) -> subprocess.Popen[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(project.root), str(delay), code_server, str(port)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def events(lines: str) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.timeout(120)
def test_a_process_that_dies_for_the_seventh_time_ends_the_service(project: Project) -> None:
    with start(project, delay=0.01, code_server="raise SystemExit(3)") as service:
        _, lines = service.communicate(timeout=100)

    assert service.returncode == 2
    told = [event for event in events(lines) if event["event_type"] != "dagster_log"]
    assert [event["event_type"] for event in told] == [
        "orchestrator_starting",
        *["process_restarted"] * 6,
        "orchestrator_error",
        "orchestrator_stopped",
    ]
    assert "code_server ended with exit code 3, for the 7th time" in told[-2]["message"]


@pytest.mark.timeout(120)
def test_a_signal_is_followed_while_a_dead_process_waits_to_be_started_again(project: Project) -> None:
    with start(project, delay=60, code_server="raise SystemExit(3)") as service:
        assert service.stderr is not None
        first = [service.stderr.readline() for _ in range(2)]
        assert "process_restarted" in first[1]
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        _, lines = service.communicate(timeout=60)

    assert service.returncode == 0
    assert time.monotonic() - began < 8
    assert events(lines)[-1]["event_type"] == "orchestrator_stopped"


@pytest.mark.timeout(120)
def test_what_nobody_expected_is_told_in_the_log_and_ends_the_service(project: Project) -> None:
    with start(project, delay=0.01, code_server="\\0") as service:  # no process can be started with it
        _, lines = service.communicate(timeout=100)

    assert service.returncode == 2
    error, stopped = events(lines)[-2:]
    assert (error["event_type"], stopped["event_type"]) == ("orchestrator_error", "orchestrator_stopped")
    assert error["message"] == "ValueError: embedded null byte"


@pytest.mark.timeout(120)
def test_the_end_does_not_need_the_history(project: Project) -> None:
    spoil = "import shutil; shutil.rmtree('state/.dagster/history', True); open('state/.dagster/history', 'w')"
    with start(project, delay=0.01, code_server=spoil) as service:
        _, lines = service.communicate(timeout=100)

    assert service.returncode == 2
    told = [event["event_type"] for event in events(lines)]
    assert "chore_failed" in told, lines
    assert told[-1] == "orchestrator_stopped"
