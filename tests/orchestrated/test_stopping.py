"""SIGTERM while the service begins: as process 1 of a container it must be handled, whenever it comes."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.orchestrated.signals import handles_sigterm
from tests.orchestrated.tenants import DATIVO, Tenants, events_of, schedule
from tools.services.ports import free_ports

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("orchestrated")]


@pytest.mark.parametrize("seconds", [0.0, 0.4, 0.8, 1.5, 2.5, 4.0])
def test_a_service_that_is_stopped_before_it_is_ready_ends_at_once_with_0(tmp_path: Path, seconds: float) -> None:
    tenants = Tenants.make(tmp_path / "project")
    tenants.runner([schedule(tenants.job("acme"))], mode="orchestrated")
    port, health = free_ports(2)
    service = subprocess.Popen(
        [DATIVO, "start", "orchestrated", "--host", "127.0.0.1", "--port", str(port), "--health-port", str(health)],
        cwd=tenants.root,
        env=tenants.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    with service:
        while not handles_sigterm(service.pid):
            assert service.poll() is None
            time.sleep(0.005)
        time.sleep(seconds)
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=60)

    assert service.returncode == 0, log
    assert events_of(log)[-1]["event_type"] == "orchestrator_stopped"


def test_a_run_that_is_stopped_while_it_begins_says_so_and_ends_with_2(tmp_path: Path) -> None:
    tenants = Tenants.make(tmp_path / "project")
    job = tenants.job("acme")
    run = subprocess.Popen(
        [DATIVO, "run", "--config", job],
        cwd=tenants.root,
        env=tenants.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        while not handles_sigterm(run.pid):
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGTERM)
        _, log = run.communicate(timeout=60)

    assert run.returncode == 2
    (event,) = events_of(log)
    assert (event["event_type"], event["exit_code"]) == ("job_error", 2)
    assert "stopped by SIGTERM" in event["message"]
