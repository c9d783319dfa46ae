"""`dativo start oneshot`: every listed job once, serial per tenant, tenants side by side, the worst exit code."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.orchestrated.held import HeldFiles
from tests.orchestrated.tenants import DATIVO, Event, Tenants, events_of, intervals, overlaps, schedule


@pytest.fixture
def tenants(tmp_path: Path) -> Tenants:
    """An empty project."""
    return Tenants.make(tmp_path / "project")


def start(tenants: Tenants, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, list[Event]]:
    """`dativo start` to its end: the exit code and the log."""
    done = subprocess.run(
        [DATIVO, "start", *arguments],
        cwd=tenants.root,
        env=tenants.environment(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == ""
    return done.returncode, events_of(done.stderr)


def ended(events: list[Event]) -> dict[str, int]:
    """The exit code of each job that ended."""
    kinds = ("job_finished", "job_error")
    return {f"{e['tenant_id']}/{e['job_name']}": e["exit_code"] for e in events if e["event_type"] in kinds}


def test_each_listed_job_runs_once_one_after_the_other_within_its_tenant(tenants: Tenants) -> None:
    jobs = [tenants.job("acme"), tenants.job("acme", "refunds"), tenants.job("umbrella")]
    for tenant, job in (("acme", "orders"), ("acme", "refunds"), ("umbrella", "orders")):
        tenants.orders(tenant, range(1, 4), job=job)
    twice = schedule(jobs[0], "orders_again")
    off = schedule(tenants.job("umbrella", "unlisted"), enabled=False)
    tenants.runner([*(schedule(job, job.replace("/", "_")) for job in jobs), twice, off])

    code, events = start(tenants)

    assert code == 0
    assert ended(events) == {"acme/orders": 0, "acme/refunds": 0, "umbrella/orders": 0}
    assert len(intervals(events, "acme")) == 2
    assert not overlaps(intervals(events, "acme"))
    assert tenants.ids("acme") == tenants.ids("acme", "refunds") == tenants.ids("umbrella") == [1, 2, 3]


def test_the_exit_code_is_the_worst_and_a_failure_keeps_no_other_job_from_running(tenants: Tenants) -> None:
    good, doubtful = tenants.job("acme"), tenants.job("umbrella", extra="schema_validation_mode: warn\n")
    tenants.orders("acme", [1, 2])
    tenants.orders("umbrella", [1], amount="-1.00")
    tenants.runner([schedule(good, "good"), schedule(doubtful, "doubtful")])
    assert start(tenants, "oneshot")[0] == 1

    broken = tenants.job("acme", "broken")
    (tenants.root / broken).write_text("tenant_id: acme\nsource: {files: []}\nsurce: {}\n")
    tenants.runner([schedule(broken), schedule(good, "good")])
    tenants.orders("acme", [3])
    code, events = start(tenants, "oneshot")

    assert code == 2
    assert ended([event for event in events if "job_name" in event]) == {"acme/orders": 0}
    (refusal,) = [event for event in events if event["event_type"] == "job_error"]
    assert "surce" in refusal["message"]
    assert tenants.ids("acme") == [1, 2, 3]


def test_a_run_is_given_the_secrets_of_its_own_tenant_only(tenants: Tenants) -> None:
    file = tenants.job("acme")
    tenants.orders("acme", [1])
    tenants.runner([schedule(file)])
    planted = {"DATIVO_SECRET__ACME__MARK": "acme-planted-1", "DATIVO_SECRET__UMBRELLA__MARK": "umbrella-planted-1"}
    spy = tenants.root / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'run' in sys.orig_argv:\n"
        "    print(*sorted(k for k in os.environ if 'SECRET' in k), file=open(os.environ['SPY'], 'w'))\n"
    )
    seen = tenants.root / "seen"

    code, _ = start(tenants, "oneshot", environment={**planted, "PYTHONPATH": str(spy), "SPY": str(seen)})

    assert code == 0
    assert seen.read_text().split() == ["DATIVO_SECRET__ACME__MARK"]


def test_a_signal_stops_what_runs_and_starts_nothing_more(tenants: Tenants, held_files: HeldFiles) -> None:
    file = held_files.add(range(5_000))
    first, second = tenants.job("acme", source=file.address), tenants.job("acme", "refunds")
    tenants.orders("acme", [1], job="refunds")
    tenants.runner([schedule(first), schedule(second)])
    service = subprocess.Popen(
        [DATIVO, "start", "oneshot"],
        cwd=tenants.root,
        env=tenants.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    with service:
        while not file.reads:
            assert service.poll() is None
            time.sleep(0.05)
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=60)

    assert service.returncode == 2
    told = [event["message"] for event in events_of(log) if event["event_type"] == "job_error"]
    assert ["stopped by SIGTERM" in told[0], "before refunds ran" in told[1]] == [True, True]
    assert tenants.ids("acme") == tenants.ids("acme", "refunds") == []


def test_the_mode_that_is_asked_for_must_be_the_files(tenants: Tenants) -> None:
    tenants.runner([schedule(tenants.job("acme"))], mode="orchestrated")

    code, events = start(tenants, "oneshot")

    assert code == 2
    assert [event["event_type"] for event in events] == ["job_error"]
    assert "runner.yaml" in events[0]["message"]
    assert "made for 'orchestrated', and 'oneshot' was asked for" in events[0]["message"]


def test_limits_come_from_the_runner_file_that_is_given(tenants: Tenants) -> None:
    jobs = [tenants.job("acme"), tenants.job("acme", "refunds")]
    tenants.orders("acme", [1])
    tenants.orders("acme", [1], job="refunds")
    tenants.runner([schedule(job) for job in jobs], concurrency_per_tenant=2)
    tenants.runner_file.rename(tenants.root / "other.yaml")
    tenants.runner([])

    code, events = start(tenants, "oneshot", "--runner-config", "other.yaml")

    assert code == 0
    assert len(ended(events)) == 2
