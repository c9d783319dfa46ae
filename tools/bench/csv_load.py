"""`make bench-csv`: a contract-checked CSV load into Iceberg against a bare pyarrow loop on the same file.

Three questions, each a section of the report:

1. wall and CPU of `dativo run` over those of the loop, medians of alternating pairs;
2. the same load with one bad row in a thousand, in warn mode, over the clean load;
3. peak memory, and what a file four times as large does to it.

    python -m tools.bench.csv_load --rows 5000000 --pairs 5 --work .cache/bench
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.limits import Answer, Limit, exit_code
from tools.bench.measure import Measurement, machine, measure

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = REPOSITORY / "tools" / "bench" / "contract.yaml"
JOB = """\
tenant_id: bench
source_connector: csv
source:
  files: [{{path: data/{file}, object: orders}}]
asset_path: assets/orders.yaml
target_connector: iceberg
target: {{mode: replace, table: {job}}}
schema_validation_mode: {validation}
"""


def main() -> int:
    """Generate, run, report. 1: a limit was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--pairs", type=int, default=5, help="alternating runs of loop and load")
    arguments.add_argument("--work", type=Path, default=REPOSITORY / ".cache" / "bench", help="for data and reports")
    arguments.add_argument("--no-large", action="store_true", help="leave out the file four times as large")
    given = arguments.parse_args()
    bench = Bench(given.work.resolve(), rows=given.rows)
    clean = bench.csv_file("clean", rows=given.rows)
    pairs = [(bench.baseline(clean), bench.load("clean")) for _ in range(given.pairs)]
    bench.csv_file("bad", rows=given.rows, bad_per_mille=1)
    bad = [(bench.load("clean"), bench.load("bad", warn=True)) for _ in range(min(3, given.pairs))]
    large: list[Measurement] = []
    if not given.no_large:
        bench.csv_file("large", rows=4 * given.rows)
        large.append(bench.load("large"))
    return report(bench.work, rows=given.rows, size=clean.stat().st_size, pairs=pairs, bad=bad, large=large)


class Bench:
    """A work folder that is a dativo project of one tenant, with the data beside the jobs."""

    def __init__(self, work: Path, *, rows: int) -> None:
        self.work = work
        self.rows = rows
        for folder in ("data", "jobs/bench", "assets"):
            (work / folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONTRACT, work / "assets" / "orders.yaml")

    def csv_file(self, name: str, *, rows: int, bad_per_mille: int = 0) -> Path:
        """The data of a job, kept from one benchmark to the next while it fits."""
        kept = self.work / "data" / f"{name}_{rows}.csv"
        if not kept.exists():
            print(f"writing {kept.name}", flush=True)
            generate = [sys.executable, "-m", "tools.bench.generate", str(kept)]
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            options = ["--rows", str(rows), "--bad-per-mille", str(bad_per_mille)]
            measure([*generate, *options], folder=self.work, environment=environment)
        warn = "warn" if bad_per_mille else "strict"
        job = JOB.format(file=kept.name, job=name, validation=warn)
        (self.work / "jobs" / "bench" / f"{name}.yaml").write_text(job)
        return kept

    def baseline(self, source: Path) -> Measurement:
        """The bare loop. Its output is deleted: no run finds the disk fuller than the one before."""
        target = self.work / "baseline.parquet"
        program = REPOSITORY / "tools" / "bench" / "baseline.py"
        taken = measure([sys.executable, str(program), str(source), str(target)], folder=self.work)
        target.unlink()
        return self._said("loop", taken)

    def load(self, job: str, *, warn: bool = False) -> Measurement:
        """`dativo run` from nothing; the table is deleted before it."""
        shutil.rmtree(self.work / "state", ignore_errors=True)
        command = [str(Path(sys.executable).with_name("dativo")), "run", "--json", "--config", f"jobs/bench/{job}.yaml"]
        return self._said(job, measure(command, folder=self.work, expected=1 if warn else 0))

    @staticmethod
    def _said(name: str, taken: Measurement) -> Measurement:
        print(f"{name:<6} {taken.wall:6.2f} s  {taken.cpu:6.2f} CPU s  {taken.rss >> 20:5} MiB", flush=True)
        return taken


def report(
    work: Path,
    *,
    rows: int,
    size: int,
    pairs: Sequence[tuple[Measurement, Measurement]],
    bad: Sequence[tuple[Measurement, Measurement]],
    large: Sequence[Measurement],
) -> int:
    """Write `report.json` and `report.md`, and print the latter; 1: a limit was missed."""
    loops, loads = zip(*pairs, strict=True)
    peak = max(load.rss for load in loads)
    answers = [
        Answer("load / bare loop, wall", _median_ratio(pairs, "wall"), Limit("at most", 1.0)),
        Answer("load / bare loop, CPU", _median_ratio(pairs, "cpu"), Limit("at most", 1.0)),
        Answer("0.1 % bad rows, warn / clean, wall", _median_ratio(bad, "wall"), Limit("at most", 1.5)),
        Answer("peak memory, MiB", peak / 2**20, Limit("under", 1024)),
    ]
    if large:
        question = f"peak memory of {4 * rows:,} rows / of {rows:,}"
        answers.append(Answer(question, large[0].rss / peak, Limit("at most", 1.1)))
    lines = [
        f"# CSV to Iceberg: {rows:,} rows, 12 columns, {size / 1e6:.0f} MB, 20 checks",
        "",
        machine(),
        "",
        "| question | measured | wanted |",
        "|---|---|---|",
        *(answer.row for answer in answers),
        "",
        "| run | wall s (median) | CPU s (median) | peak MiB |",
        "|---|---|---|---|",
        _row("bare loop, no checks", loops),
        _row("dativo run", loads),
        _row("dativo run, 0.1 % bad rows, warn", [second for _, second in bad]),
        *([_row(f"dativo run, {4 * rows:,} rows", large)] if large else []),
        "",
    ]
    text = "\n".join(lines)
    runs = {"loop": loops, "load": loads, "bad": [second for _, second in bad], "large": large}
    figures = {
        "rows": rows,
        "bytes": size,
        "answers": {answer.question: answer.figure for answer in answers},
        "runs": {name: [_figures(run) for run in taken] for name, taken in runs.items()},
    }
    (work / "report.md").write_text(text)
    (work / "report.json").write_text(json.dumps(figures, indent=2))
    print(f"\n{text}\n{work / 'report.md'}")
    return exit_code(answers)


def _median_ratio(pairs: Sequence[tuple[Measurement, Measurement]], figure: str) -> float:
    """The median over the pairs of second / first: what slows the machine for a while slows both of a pair."""
    return statistics.median(getattr(second, figure) / getattr(first, figure) for first, second in pairs)


def _row(name: str, runs: Sequence[Measurement]) -> str:
    wall, cpu = (statistics.median(getattr(run, figure) for run in runs) for figure in ("wall", "cpu"))
    return f"| {name} | {wall:.2f} | {cpu:.2f} | {max(run.rss for run in runs) >> 20} |"


def _figures(run: Measurement) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(run).items() if name != "stdout"}


if __name__ == "__main__":
    sys.exit(main())
