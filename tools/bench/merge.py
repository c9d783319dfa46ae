"""`make bench-merge`: 100,000 changes into 10 million rows, by dativo and by Spark, PyIceberg, dlt and ingestr.

Every run starts from the same base, written once by dativo in key order; what it leaves is read back and compared.
dlt merges only into tables of its own, so it has its own base, and 1,000 changes.

    python -m tools.bench.merge --rounds 3 --work .cache/bench-merge
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tools.bench.limits import Answer, Limit, exit_code
from tools.bench.measure import Measurement, RunFailedError, measure
from tools.bench.merge_peers import DLT_LIMIT_SECONDS, PACKAGES, Peers

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = REPOSITORY / "tools" / "bench" / "merge_contract.yaml"
MEMORY_LIMIT = "600m"
# Row groups of 250,000 rows: five of them to a file of this size, so that ten million rows are eight or nine files.
TARGET_MEGABYTES = 36
JOB = """\
tenant_id: bench
source_connector: parquet
source:
  files: [{{path: data/{file}.parquet, object: orders}}]
asset_path: assets/orders.yaml
target_connector: iceberg
target: {{{target}, table: {table}, parquet_target_size_mb: {size}}}
"""
Runs = dict[str, list[Measurement]]


def main() -> int:
    """Generate, run, check, report. 1: a limit was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--changes", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3, help="runs of dativo")
    arguments.add_argument("--peer-rounds", type=int, default=1, help="runs of each other tool")
    arguments.add_argument(
        "--work", type=Path, default=REPOSITORY / ".cache" / "bench-merge", help="kept for next time"
    )
    arguments.add_argument("--report", type=Path, default=REPOSITORY / "docs" / "performance-merge.md")
    given = arguments.parse_args()
    bench = Bench(given.work.resolve())
    bench.prepare(rows=given.rows, changes=given.changes)
    runs: Runs = {}
    notes: list[str] = []
    answers: list[Answer] = []
    for step in steps(bench, runs, rounds=given.rounds, peer_rounds=given.peer_rounds):
        notes += step()
        # Some steps take minutes: what is known is written down.
        answers = report(given.report, runs, notes, rows=given.rows, changes=given.changes)
    print(f"\n{given.report.read_text()}\n{given.report}")
    return exit_code(answers)


def steps(bench: Bench, runs: Runs, *, rounds: int, peer_rounds: int) -> Iterator[Callable[[], list[str]]]:
    """The benchmark's parts, in order; each adds to `runs` and answers what is to be noted."""
    for changes in ("clustered", "spread"):
        yield partial(bench.merge, runs, changes, rounds=rounds)
        for peer in ("pyiceberg", "ingestr", "spark"):
            yield partial(bench.merge_by_peer, runs, changes, peer, rounds=peer_rounds)
    yield partial(bench.first_loads, runs)
    yield partial(bench.merge_small, runs)


class Bench:
    """A work folder that is a dativo project of one tenant, and beside it the base that every run starts from."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.peers = Peers(work)

    def prepare(self, *, rows: int, changes: int) -> None:
        """Data, jobs, the peers' environments, and the base; what is there from last time is kept."""
        for folder in ("data", "jobs/bench", "assets"):
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONTRACT, self.work / "assets" / "orders.yaml")
        self._write_job("base", file="base", target="mode: append, append_full: true")
        for name in ("clustered", "spread", "small"):
            self._write_job(name, file=name, target="mode: merge")
        self._write_job("first_append", file="base", target="mode: append, append_full: true", table="first_append")
        self._write_job("first_merge", file="base", target="mode: merge", table="first_merge")
        if not self.data("base").exists():
            command = [sys.executable, "-m", "tools.bench.merge_data", str(self.data("base").parent)]
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            options = ["--rows", str(rows), "--changes", str(changes)]
            measure([*command, *options], folder=self.work, environment=environment)
        self.peers.install()
        if not (self.work / "base").exists():
            shutil.rmtree(self.work / "state", ignore_errors=True)
            self.dativo("base")
            (self.work / "state").rename(self.work / "base")

    def data(self, name: str) -> Path:
        """The Parquet file of the base or of a set of changes."""
        return self.work / "data" / f"{name}.parquet"

    def restore(self) -> None:
        """The base again. Data files are never changed, so they are linked; the rest is copied."""
        shutil.rmtree(self.work / "state", ignore_errors=True)
        shutil.copytree(self.work / "base", self.work / "state", copy_function=_link_data)

    def data_files(self) -> set[str]:
        """The data files in the warehouse."""
        return {file.name for file in (self.work / "state").rglob("*.parquet")}

    def dativo(self, job: str, *, expected_status: str = "committed") -> Measurement:
        """`dativo run`, the whole process, told to stay within the memory limit."""
        command = [str(Path(sys.executable).with_name("dativo")), "run", "--json", "--config", f"jobs/bench/{job}.yaml"]
        taken = measure(command, folder=self.work, environment={**os.environ, "DATIVO_MEMORY_LIMIT": MEMORY_LIMIT})
        status = json.loads(taken.stdout)["tables"][0]["status"]
        if status != expected_status:
            raise RunFailedError(f"{job}: {status}, not {expected_status}")
        return taken

    def merge(self, runs: Runs, changes: str, *, rounds: int) -> list[str]:
        """Dativo's merge of one set, and of the same set again."""
        for _ in range(rounds):
            self.restore()
            _keep(runs, f"dativo, {changes}", self.dativo(changes))
            files = self.data_files()
            _keep(runs, f"dativo, {changes}, again", self.dativo(changes, expected_status="unchanged"))
            if self.data_files() != files:
                raise RunFailedError(f"dativo wrote data files for the same changes again ({changes})")
        return [self.check(changes)]

    def merge_by_peer(self, runs: Runs, changes: str, peer: str, *, rounds: int) -> list[str]:
        """Another tool's merge of one set."""
        run: Callable[[Path], Measurement] = getattr(self.peers, peer)
        for _ in range(rounds):
            self.restore()
            _keep(runs, f"{peer}, {changes}", run(self.data(changes)))
        return []

    def first_loads(self, runs: Runs) -> list[str]:
        """The base into a table that is not there, in both modes."""
        for mode in ("append", "merge"):
            self.restore()
            _keep(runs, f"dativo, first load, {mode}", self.dativo(f"first_{mode}"))
        return []

    def check(self, changes: str) -> str:
        """Read back what dativo left, by three engines; see `merge_check`.

        Raises:
            RunFailedError: one of them found something else than must be there.
        """
        command = [sys.executable, "-m", "tools.bench.merge_check", str(self.work), changes]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RunFailedError(done.stderr[-4000:])
        return done.stdout.strip()

    def merge_small(self, runs: Runs) -> list[str]:
        """The small set by dativo and by dlt, which may be cut."""
        self.restore()
        _keep(runs, "dativo, small", self.dativo("small"))
        try:
            self.peers.dlt_base(self.data("base"))
            _keep(runs, "dlt, small", self.peers.dlt(self.data("small")))
        except RunFailedError as failure:
            return [f"dlt, small: did not end well within {DLT_LIMIT_SECONDS} s: {str(failure).splitlines()[0]}"]
        return ["dlt, small: 1,000 changes into a table of its own; it commits each 1,000 rows by themselves."]

    def _write_job(self, name: str, *, file: str, target: str, table: str = "orders") -> None:
        text = JOB.format(file=file, target=target, table=table, size=TARGET_MEGABYTES)
        (self.work / "jobs" / "bench" / f"{name}.yaml").write_text(text)


def report(
    file: Path, runs: Mapping[str, Sequence[Measurement]], notes: Sequence[str], *, rows: int, changes: int
) -> list[Answer]:
    """Write the report, as far as the runs go; what it answers."""
    cpu = {name: statistics.median(run.cpu for run in taken) for name, taken in runs.items()}
    peak = max(run.rss for name, taken in runs.items() if name.startswith("dativo") for run in taken) / 2**20
    limits = {
        ("spark", "Spark copy-on-write"): Limit("at most", 0.12),
        ("pyiceberg", "PyIceberg upsert"): Limit("at most", 0.3),
    }
    questions: list[tuple[str, str, str, Limit | None]] = [
        (f"dativo / {title}, {kind}, CPU", f"dativo, {kind}", f"{peer}, {kind}", limit)
        for kind in ("clustered", "spread")
        for (peer, title), limit in limits.items()
    ]
    first = "dativo, first load, merge", "dativo, first load, append"
    questions.append((f"first load of {rows:,} rows, merge / append, CPU", *first, None))
    answers = [
        Answer(question, cpu[one] / cpu[other], limit)
        for question, one, other, limit in questions
        if one in cpu and other in cpu
    ]
    answers.append(Answer("dativo's peak memory, MiB", peak, Limit("at most", 600)))
    packages = ", ".join(package for packages in PACKAGES.values() for package in packages[:1])
    where = (
        f"Written by `make bench-merge`. Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}; {packages}; one-minute load {os.getloadavg()[0]:.1f} at the end."
    )
    how = (
        "Clustered: the updates lie in the newest hundredth of the keys. Spread: anywhere. Small: 1,000 updates "
        "anywhere. CPU and memory are the whole process tree's; "
        f"dativo runs with `DATIVO_MEMORY_LIMIT={MEMORY_LIMIT}`. "
        "ingestr writes equality deletes beside files that stay; the others write files anew."
    )
    lines = [
        f"# Merge: {changes:,} changes (90 % updates) into {rows:,} rows of 12 columns",
        "",
        where,
        "",
        how,
        "",
        "| question | measured | wanted |",
        "|---|---|---|",
        *(answer.row for answer in answers),
        "",
        "| run | runs | wall s (median) | CPU s (median) | CPU s (all) | peak MiB |",
        "|---|---|---|---|---|---|",
        *(_row(name, taken) for name, taken in runs.items()),
        "",
        *(f"- {note}" for note in notes),
        "",
    ]
    file.write_text("\n".join(lines))
    return answers


def _row(name: str, taken: Sequence[Measurement]) -> str:
    wall, cpu = (statistics.median(getattr(run, figure) for run in taken) for figure in ("wall", "cpu"))
    every = " ".join(f"{run.cpu:.1f}" for run in taken)
    return f"| {name} | {len(taken)} | {wall:.1f} | {cpu:.1f} | {every} | {max(run.rss for run in taken) >> 20} |"


def _keep(runs: Runs, name: str, taken: Measurement) -> None:
    print(f"{name:<28} {taken.wall:7.1f} s  {taken.cpu:7.1f} CPU s  {taken.rss >> 20:5} MiB", flush=True)
    runs.setdefault(name, []).append(taken)


def _link_data(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
