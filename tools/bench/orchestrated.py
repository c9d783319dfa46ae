"""`make bench-orchestrated`: what the service adds to a run, and what 300 jobs of 100 tenants cost.

A job is due every minute and finds nothing new; the same `dativo run` is made between its ticks, beside the idle
service. The breakdown says where the time of a tick's run goes.

    python -m tools.bench.orchestrated --ticks 7
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, takewhile
from pathlib import Path
from signal import SIGHUP

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import DATIVO, Tenants, schedule
from tools.bench.measure import Measurement, machine, measure

REPOSITORY = Path(__file__).resolve().parents[2]
TENANTS, JOBS_OF_EACH = 100, 3
LOADS = 3
MINUTE = 60.0
LOAD = "from dativo_dagster.code_location import defs; defs().get_repository_def()"

_STATS = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { stats {
  ... on RunStatsSnapshot { enqueuedTime launchTime startTime endTime }
} } } }
"""
_SCHEDULES = """
query { repositoryOrError(
    repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "dativo"}
) { ... on Repository { schedules { name scheduleState { status } } } } }
"""
# What a tick's run does, and the moment that it begins with.
PARTS = (
    ("the tick is found due, and its run made", "due"),
    ("waits in the queue", "enqueuedTime"),
    ("gets a process, which loads the definitions", "launchTime"),
    ("begins its step", "startTime"),
    ("runs, as `dativo run` does", "job_started"),
    ("tells its end", "job_finished"),
    ("", "endTime"),
)


@dataclass(frozen=True, slots=True)
class Overhead:
    """Empty increments.

    Attributes:
        alone: seconds of each `dativo run`.
        ticks: of each scheduled run, when its parts began, in seconds since 1970.
    """

    alone: Sequence[float]
    ticks: Sequence[Mapping[str, float]]

    def part(self, begins: str, ends: str) -> float:
        """The median seconds from one moment to another."""
        return statistics.median(moments[ends] - moments[begins] for moments in self.ticks)

    @property
    def added(self) -> float:
        """Seconds from a tick to its run's end, over the seconds of a `dativo run`; medians."""
        return self.part("due", "endTime") - statistics.median(self.alone)


@dataclass(frozen=True, slots=True)
class Scale:
    """A service of many jobs.

    Attributes:
        loads: the processes that did nothing but load the definitions.
        ready: from the command to `orchestrator_ready`.
        reload: from SIGHUP to `definitions_reloaded`.
        answers: seconds of the UI's answers and the health endpoint's, by what was asked for.
        memory: bytes of each process, its share of what it has in common with others.
    """

    loads: Sequence[Measurement]
    ready: float
    reload: float
    answers: Mapping[str, float]
    memory: Mapping[str, int]


def main() -> None:
    """Measure, report."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ticks", type=int, default=7)
    arguments.add_argument("--report", type=Path, default=REPOSITORY / "docs" / "performance-orchestrated.md")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-orchestrated-") as folder:
        overhead = measure_overhead(Tenants.make(Path(folder) / "one"), ticks=given.ticks)
        scale = measure_scale(Tenants.make(Path(folder) / "many"))
    given.report.write_text("\n".join(report(overhead, scale)))
    print(f"\n{given.report.read_text()}\n{given.report}")


def measure_overhead(tenants: Tenants, *, ticks: int) -> Overhead:
    """The runs of ticks, and between them `dativo run`, all with nothing new to read."""
    job = tenants.job("acme")
    tenants.orders("acme", range(1000))
    tenants.runner([{**schedule(job), "cron": "* * * * *"}], mode="orchestrated")
    command = [DATIVO, "run", "--config", job]
    measure(command, folder=tenants.root)
    alone: list[float] = []
    found: dict[str, Mapping[str, float]] = {}
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        while len(found) < ticks:
            ended = [run_id for run_id, run in service.runs().items() if run["status"] == "SUCCESS"]
            for run_id in set(ended) - found.keys():
                found[run_id] = _moments(service, run_id)
                alone.append(measure(command, folder=tenants.root).wall)
                print(f"{len(found)}: {found[run_id]['endTime'] - found[run_id]['due']:.2f} s, {alone[-1]:.2f} s alone")
            time.sleep(1)
    return Overhead(alone, list(found.values()))


def _moments(service: Service, run_id: str) -> Mapping[str, float]:
    """When each part of a tick's run began. The tick was due with the minute."""
    stats: dict[str, float] = service.graphql(_STATS, id=run_id)["runOrError"]["stats"]
    told = {event["event_type"]: event["timestamp"] for event in service.events if event.get("run_id") == run_id}
    events = {name: datetime.fromisoformat(told[name]).timestamp() for name in ("job_started", "job_finished")}
    return {"due": stats["enqueuedTime"] // MINUTE * MINUTE, **stats, **events}


def measure_scale(tenants: Tenants) -> Scale:
    """What many jobs cost; none of them is due."""
    jobs = [tenants.job(f"t{tenant:03}", f"orders{job}") for tenant in range(TENANTS) for job in range(JOBS_OF_EACH)]
    tenants.runner([schedule(job, job.replace("/", "_")) for job in jobs], mode="orchestrated")
    loads = [measure([sys.executable, "-c", LOAD], folder=tenants.root) for _ in range(LOADS)]
    began = time.perf_counter()
    with Service(tenants) as service:
        service.wait_for("orchestrator_ready")
        ready = time.perf_counter() - began
        reload = _seconds(lambda: _reload(service))
        answers = {
            "the UI's page": _seconds(lambda: urllib.request.urlopen(service.url, timeout=60).read()),
            "its list of schedules": _seconds(lambda: service.graphql(_SCHEDULES)),
            "its asset graph": _seconds(service.executable_assets),
            "the health endpoint": _seconds(service.health),
        }
        assert service.is_healthy()
        assert len(service.executable_assets()) == len(jobs)
        memory = {line: _memory(pid) for pid, line in service.processes().items()}
    return Scale(loads, ready, reload, answers, memory)


def _reload(service: Service) -> None:
    service.process.send_signal(SIGHUP)
    service.wait_for("definitions_reloaded", level="INFO")


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def report(overhead: Overhead, scale: Scale) -> Iterator[str]:
    """The lines of the page."""
    yield f"# The service: an empty increment on schedule, and {TENANTS * JOBS_OF_EACH} jobs of {TENANTS} tenants"
    yield ""
    yield f"Written by `make bench-orchestrated`. {machine()}"
    yield ""
    yield (
        f"A job that is due every minute and finds nothing new, {len(overhead.ticks)} ticks; between them the same "
        "`dativo run`, beside the idle service. The definitions are loaded by a process that does nothing else, "
        f"Python's start and the imports included ({LOADS} times), and again by the service while it serves, on "
        "SIGHUP. Memory is what each process has to itself and its share of the rest, after all that."
    )
    yield ""
    yield "| question | measured | wanted |"
    yield "|---|---|---|"
    yield f"| a tick's run, from when it was due to its end, over `dativo run`, s | {overhead.added:.2f} | under 4 |"
    yield f"| the definitions load, s | {statistics.median(load.wall for load in scale.loads):.1f} | under 10 |"
    yield f"| the same, s of CPU | {statistics.median(load.cpu for load in scale.loads):.1f} |  |"
    yield f"| they load again while serving, s | {scale.reload:.1f} |  |"
    yield f"| from the command to `orchestrator_ready`, s | {scale.ready:.1f} |  |"
    yield from (f"| {name} answers, s | {seconds:.2f} | answers |" for name, seconds in scale.answers.items())
    total = sum(scale.memory.values()) / 2**30
    yield f"| memory of all {len(scale.memory)} processes, GiB | {total:.2f} | under 1.5 |"
    yield ""
    yield "| an empty increment | s (median) |"
    yield "|---|---|"
    yield f"| `dativo run` | {statistics.median(overhead.alone):.2f} |"
    yield f"| a tick's run | {overhead.part('due', 'endTime'):.2f} |"
    yield from (f"| of it: {what} | {overhead.part(it, next_):.2f} |" for (what, it), (_, next_) in pairwise(PARTS))
    yield ""
    yield "| process | MiB |"
    yield "|---|---|"
    largest = sorted(scale.memory.items(), key=lambda item: -item[1])
    yield from (f"| `{_name(line)}` | {size / 2**20:.0f} |" for line, size in largest)
    yield ""


def _name(line: str) -> str:
    """A process by its command: its module and subcommand, without paths."""
    module = line.partition(" -m ")[2].split()
    return " ".join(takewhile(lambda word: not word.startswith("-"), module)) or "dativo start orchestrated"


if __name__ == "__main__":
    main()
