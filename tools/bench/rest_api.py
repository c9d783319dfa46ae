"""`make bench-rest`: customers from an API that answers at once, by dativo, dlt and Airbyte's source for Stripe.

What is compared is the client's CPU: the API is a double in a process of its own. The CPU per record is that of many
records less that of few, so that starting and committing, which every tool does once, are not in it.

    python -m tools.bench.rest_api --records 200000 --rounds 3 --work .cache/bench-rest
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dativo_engine.memory import parse_size

from tools.bench.limits import Answer, Limit, exit_code
from tools.bench.measure import Measurement, machine, measure
from tools.bench.rest_double import PAGE
from tools.bench.rest_peers import LIMITS, SIZES, Peers, complete

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = REPOSITORY / "tools" / "bench" / "rest_contract.yaml"
FEW = 10_000
# By then a row group, and the keys that a run remembers before it writes them to disk, have taken what they may.
FULL = 1_000_000
FLAT = 1.1
MEMORY_LIMIT = "400m"
JOB = """\
tenant_id: bench
source_connector: rest
source:
  objects: [customers]
  connection: {{base_url: "{url}"}}
  options:
    endpoints:
      customers:
        path: v1/customers
        params: {{limit: 100}}
        records_path: data
        paginator: {{type: cursor, param: starting_after, path: next}}
asset_path: assets/customers.yaml
target_connector: iceberg
target: {{mode: replace}}
"""


# Whose CPU per record is set beside whose.
COMPARED = (
    ("dativo", "dlt, load"),
    ("dativo", "airbyte-source-stripe"),
    ("dativo, stripe", "airbyte-source-stripe"),
    ("dativo, read", "dlt, read"),
)
STRIPE_JOB = """\
tenant_id: bench
source_connector: stripe
source:
  objects: [customers]
  credentials: {{api_key: sk_test_bench}}
  incremental: {{strategy: events}}
  options: {{base_url: "{url}"}}
asset_path: assets/customers.yaml
target_connector: iceberg
target: {{mode: merge}}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one tool took for few and for many records; medians of its runs. `sizes`: how many they were."""

    few: Measurement
    many: Measurement
    sizes: tuple[int, int]

    @property
    def per_record(self) -> float:
        """CPU microseconds."""
        return (self.many.cpu - self.few.cpu) / (self.sizes[1] - self.sizes[0]) * 1e6

    @property
    def rate(self) -> float:
        """Records a second, starting included."""
        return self.sizes[1] / self.many.wall


def main() -> int:
    """Serve, run, report; 1: a limit was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--records", type=int, default=200_000, help="for the comparison")
    arguments.add_argument("--most", type=int, default=5_000_000, help="for dativo's memory")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--work", type=Path, default=REPOSITORY / ".cache" / "bench-rest", help="kept for next time")
    arguments.add_argument("--report", type=Path, default=REPOSITORY / "docs" / "performance-rest.md")
    arguments.add_argument("--only", nargs="*", help="tools to run; default: all")
    given = arguments.parse_args()
    bench = Bench(given.work.resolve())
    peers = Peers(bench.work)
    with double() as port:
        bench.prepare()
        tools: dict[str, Callable[[str], Measurement]] = {
            "dativo": bench.dativo,
            "dativo, stripe": bench.stripe,
            "dativo, read": bench.read,
            **peers.runs(),
        }
        chosen = {name: run for name, run in tools.items() if not given.only or name in given.only}
        peers.install(chosen)
        ceiling = ceiling_of(port)
        taken = {
            name: compare(name, run, port=port, sizes=SIZES.get(name, (FEW, given.records)), rounds=given.rounds)
            for name, run in chosen.items()
        }
        large = {
            size: shown(f"dativo, {size:,}", bench.dativo(base_url(port, size)))
            for size in sorted({min(FULL, given.most), given.most})
        }
    answers = judged(taken, large, ceiling=ceiling)
    given.report.write_text(report(taken, large, answers, ceiling=ceiling, records=given.records))
    print(f"\n{given.report.read_text()}\n{given.report}")
    return exit_code(answers)


class Bench:
    """A work folder that is a dativo project of one tenant."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def prepare(self) -> None:
        """The project's folders and its contract."""
        for folder in ("jobs/bench", "assets"):
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONTRACT, self.work / "assets" / "customers.yaml")

    def dativo(self, url: str) -> Measurement:
        """`dativo run` into a table that is not there yet: read, checked, written to Iceberg, committed."""
        return self._run(JOB.format(url=url), url)

    def stripe(self, url: str) -> Measurement:
        """The same by the connector for Stripe: where the events feed stands, and the whole list."""
        return self._run(STRIPE_JOB.format(url=url), url)

    def read(self, url: str) -> Measurement:
        """The source alone: batches of the contract's types, let go."""
        job = self._job(JOB.format(url=url))
        command = [sys.executable, "-m", "tools.bench.rest_read", str(self.work), job]
        taken = measure(command, folder=self.work, environment={**_bounded(), "PYTHONPATH": str(REPOSITORY)})
        return complete(taken, int(taken.stdout), url)

    def _run(self, text: str, url: str) -> Measurement:
        shutil.rmtree(self.work / "state", ignore_errors=True)
        command = [str(Path(sys.executable).with_name("dativo")), "run", "--json", "--config", self._job(text)]
        taken = measure(command, folder=self.work, environment=_bounded())
        return complete(taken, json.loads(taken.stdout)["rows_read"], url)

    def _job(self, text: str) -> str:
        file = self.work / "jobs" / "bench" / "customers.yaml"
        file.write_text(text)
        return str(file.relative_to(self.work))


def _bounded() -> dict[str, str]:
    return {**os.environ, "DATIVO_MEMORY_LIMIT": MEMORY_LIMIT}


def compare(name: str, run: Callable[[str], Measurement], *, port: int, sizes: tuple[int, int], rounds: int) -> Taken:
    """The median runs of a tool, few and many records in turn."""
    few: list[Measurement] = []
    many: list[Measurement] = []
    for _ in range(rounds):
        for size, runs in zip(sizes, (few, many), strict=True):
            runs.append(shown(f"{name}, {size:,}", run(base_url(port, size))))
    return Taken(middle(few), middle(many), sizes)


def middle(runs: list[Measurement]) -> Measurement:
    """The run whose CPU is the median."""
    return sorted(runs, key=lambda run: run.cpu)[(len(runs) - 1) // 2]


@contextmanager
def double() -> Generator[int]:
    """The API, in a process of its own; its port."""
    command = [sys.executable, "-m", "tools.bench.rest_double"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def base_url(port: int, records: int) -> str:
    """Where the double has a list of so many records."""
    return f"http://127.0.0.1:{port}/{records}"


def ceiling_of(port: int, pages: int = 2000) -> float:
    """Records a second that a client gets which only throws them away."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        for page in range(pages):
            after = f"&starting_after=cus_{page:08}99"
            connection.sendall(f"GET /100000000/v1/customers?limit=100{after} HTTP/1.1\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            start, _, body = head.partition(b"\r\n\r\n")
            missing = int(start.rpartition(b": ")[2]) - len(body)
            while missing:
                missing -= len(connection.recv(min(missing, 1 << 20)))
        return pages * PAGE / (time.perf_counter() - began)


def judged(taken: Mapping[str, Taken], large: Mapping[int, Measurement], *, ceiling: float) -> list[Answer]:
    """What is asked of the figures."""
    answers = [
        Answer(
            f"{ours} / {name}, CPU per record",
            taken[ours].per_record / taken[name].per_record,
            Limit("at most", LIMITS[name]) if name in LIMITS and ours != "dativo, read" else None,
            digits=3,
        )
        for ours, name in COMPARED
        if ours in taken and name in taken
    ]
    (full, less), *_, (most, more) = sorted(large.items())
    if more is not less:
        answers.append(
            Answer(f"peak memory of {most:,} records / of {full:,}", more.rss / less.rss, Limit("at most", FLAT))
        )
    answers.append(
        Answer(f"peak memory of {most:,} records / its limit", more.rss / parse_size(MEMORY_LIMIT), Limit("at most", 1))
    )
    if "dativo, stripe" in taken:
        merged = taken["dativo, stripe"]
        question = f"peak memory of a first merge of {merged.sizes[1]:,} records / its limit"
        answers.append(Answer(question, merged.many.rss / parse_size(MEMORY_LIMIT)))
    fastest = max((it.rate for name, it in taken.items() if name.startswith("dlt")), default=0)
    if fastest:
        answers.append(Answer("the double's own rate / dlt's", ceiling / fastest, Limit("at least", 2)))
    return answers


def report(
    taken: Mapping[str, Taken],
    large: Mapping[int, Measurement],
    answers: Sequence[Answer],
    *,
    ceiling: float,
    records: int,
) -> str:
    """The text of the page."""
    rows = [
        (f"{name}, {size:,}", run)
        for name, it in taken.items()
        for size, run in zip(it.sizes, (it.few, it.many), strict=True)
    ]
    rows += [(f"dativo, {size:,}", run) for size, run in large.items()]
    how = (
        f"The API is a double that answers at once from prepared bytes, {ceiling:,.0f} records a second to a client "
        "that throws them away. CPU is the client's whole process tree's; per record: that of many records less that "
        f"of few. dativo (with `DATIVO_MEMORY_LIMIT={MEMORY_LIMIT}`) reads, checks every cell against the contract, "
        "writes Iceberg and commits; `dativo, stripe` merges what the connector `stripe` reads, the others replace "
        "what `rest` does; `dativo, read` is the source alone, its batches let go. `dlt, load` writes Parquet files "
        "without checks; `dlt, read` makes dlt's records and lets them go. Airbyte's source writes its records to "
        "stdout, for another program to load. Memory grows until a row group is full and the keys of the rows, which "
        f"are looked through for doubles, have their share of it: before {FULL:,} records. From there on it has to be "
        "flat."
    )
    lines = [
        f"# A web API: {records:,} customers of 22 fields, 100 a page",
        "",
        f"Written by `make bench-rest`. {machine()}",
        "",
        how,
        "",
        "| question | measured | wanted |",
        "|---|---|---|",
        *(answer.row for answer in answers),
        "",
        "| tool | CPU µs per record |",
        "|---|---|",
        *(f"| {name} | {it.per_record:.1f} |" for name, it in taken.items()),
        "",
        "| run | wall s | CPU s | peak MiB |",
        "|---|---|---|---|",
        *(f"| {name} | {run.wall:.1f} | {run.cpu:.1f} | {run.rss >> 20} |" for name, run in rows),
        "",
    ]
    return "\n".join(lines)


def shown(name: str, taken: Measurement) -> Measurement:
    """Tell it while the others run."""
    print(f"{name:<32} {taken.wall:7.1f} s  {taken.cpu:7.1f} CPU s  {taken.rss >> 20:5} MiB", flush=True)
    return taken


if __name__ == "__main__":
    sys.exit(main())
