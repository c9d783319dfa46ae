"""`make bench-orchestrated`: what the service adds to a run, and what 300 jobs of 100 tenants cost.

A scheduled run of an empty increment is compared with the same `dativo run`; the breakdown says where its time goes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import DATIVO, Tenants, schedule
from tools.bench.measure import machine, measure

ROUNDS = 7
TENANTS, JOBS_OF_EACH = 100, 3
WANTED_OVERHEAD, WANTED_LOAD, WANTED_MEMORY = 4.0, 10.0, 1.5

_STATS = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { stats {
  ... on RunStatsSnapshot { enqueuedTime launchTime startTime endTime }
} } } }
"""
STEPS = (
    ("waits in the queue", "enqueuedTime"),
    ("gets a process, which loads the definitions", "launchTime"),
    ("begins its step", "startTime"),
    ("runs, as `dativo run` does", "job_started"),
    ("tells its end", "job_finished"),
    ("", "endTime"),
)


def main() -> None:
    """Measure and print a report in Markdown."""
    print(f"# The service, beside `dativo run`\n\n{machine()}\n")
    with tempfile.TemporaryDirectory(prefix="bench-orchestrated-") as folder:
        _overhead(Tenants.make(Path(folder) / "one"))
        _scale(Tenants.make(Path(folder) / "many"))


def _overhead(tenants: Tenants) -> None:
    job = tenants.job("acme")
    tenants.orders("acme", range(1000))
    tenants.runner([schedule(job)], mode="orchestrated")
    command = [DATIVO, "run", "--config", job]
    measure(command, folder=tenants.root)
    alone = statistics.median(measure(command, folder=tenants.root).wall for _ in range(ROUNDS))
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        found = [_moments(service) for _ in range(ROUNDS)]
    served = statistics.median(moments["endTime"] - moments["enqueuedTime"] for moments in found)
    print(f"## An empty increment, median of {ROUNDS}\n\n| | s |\n|---|---|")
    print(f"| `dativo run` | {alone:.2f} |\n| the same in the service, from the queue to its end | {served:.2f} |")
    print(f"\nThe service adds {served - alone:.2f} s (wanted: at most {WANTED_OVERHEAD:g}). The run\n")
    print("| | s |\n|---|---|")
    for (what, begins), (_, ends) in pairwise(STEPS):
        print(f"| {what} | {statistics.median(moments[ends] - moments[begins] for moments in found):.2f} |")


def _moments(service: Service) -> Mapping[str, float]:
    """When each part of a run began, in seconds since 1970."""
    run_id = service.launch("ACME__ORDERS")
    service.until(lambda: service.status(run_id) == "SUCCESS", "the run's end")
    stats: dict[str, float] = service.graphql(_STATS, id=run_id)["runOrError"]["stats"]
    told = {event["event_type"]: event["timestamp"] for event in service.events if event.get("run_id") == run_id}
    events = {name: datetime.fromisoformat(told[name]).timestamp() for name in ("job_started", "job_finished")}
    return {**stats, **events}


def _scale(tenants: Tenants) -> None:
    jobs = [tenants.job(f"t{tenant:03}", f"orders{job}") for tenant in range(TENANTS) for job in range(JOBS_OF_EACH)]
    tenants.runner([schedule(job, job.replace("/", "_")) for job in jobs], mode="orchestrated")
    began = time.perf_counter()
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        ready = time.perf_counter() - began
        began = time.perf_counter()
        service.graphql(
            'query { repositoryOrError(repositorySelector: {repositoryName: "__repository__", '
            'repositoryLocationName: "dativo"}) { ... on Repository { schedules { name scheduleState { status } } } } }'
        )
        answered = time.perf_counter() - began
        began = time.perf_counter()
        assert service.is_healthy()
        healthy = time.perf_counter() - began
        memory = {line: _memory(pid) for pid, line in service.processes().items()}
    total = sum(memory.values())
    print(f"\n## {len(jobs)} jobs of {TENANTS} tenants\n\n| | |\n|---|---|")
    print(f"| from the command to `orchestrator_ready` | {ready:.1f} s |")
    print(f"| the UI's list of schedules | {answered:.2f} s |\n| the health endpoint | {healthy:.2f} s |")
    print(f"| memory of all {len(memory)} processes (wanted: under {WANTED_MEMORY:g} GiB) | {total / 2**30:.2f} GiB |")
    print("\n| process | MiB |\n|---|---|")
    print(*_rows(memory), sep="\n")


def _rows(memory: Mapping[str, int]) -> Iterable[str]:
    for line, size in sorted(memory.items(), key=lambda item: -item[1]):
        name = line.partition(" -m ")[2] or line
        yield f"| `{' '.join(name.split()[:3])}` | {size / 2**20:.0f} |"


def _memory(pid: int) -> int:
    """Bytes of a process, its share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
