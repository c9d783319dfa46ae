"""`make bench-start`: how long `dativo run` takes on one row beyond its heaviest imports, and `dativo --help`.

The breakdown (from `python -X importtime`) names the modules that cost the most, their own children left out.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench.limits import Answer, Limit, exit_code
from tools.bench.measure import machine, measure

REPOSITORY = Path(__file__).resolve().parents[2]
DATIVO = str(Path(sys.executable).with_name("dativo"))
ROUNDS = 9
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


def main() -> int:
    """Measure in alternation and print a report in Markdown. 1: a limit was missed."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        project = one_row_project(Path(folder))
        run = [DATIVO, "run", "--config", "jobs/demo/weather_to_iceberg.yaml"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "dativo --help": [DATIVO, "--help"],
            "import pyarrow, pyiceberg.catalog.sql": [sys.executable, "-c", "import pyarrow, pyiceberg.catalog.sql"],
            "dativo run": run,
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                shutil.rmtree(project / "state", ignore_errors=True)
                taken[name].append(measure(command, folder=project).wall)
        median = {name: statistics.median(walls) for name, walls in taken.items()}
        over = median["dativo run"] - median["import pyarrow, pyiceberg.catalog.sql"]
        answers = [
            Answer("`dativo run` over the imports, s", over, Limit("at most", 0.8)),
            Answer("`dativo --help`, s", median["dativo --help"], Limit("under", 0.15)),
        ]
        print(
            f"# Start-up, `dativo run` of one row, median of {ROUNDS}\n\n{machine()}\n\n| command | wall s |\n|---|---|"
        )
        print(*(f"| `{name}` | {wall:.3f} |" for name, wall in median.items()), sep="\n")
        print("\n| question | measured | wanted |\n|---|---|---|")
        print(*(answer.row for answer in answers), sep="\n", end="\n\n")
        shutil.rmtree(project / "state", ignore_errors=True)
        for name, command in (("dativo --help", [DATIVO, "--help"]), ("dativo run", run)):
            print(f"## What `{name}` imports\n\n| ms, itself | ms, with what it imports | module |\n|---|---|---|")
            print(
                *(f"| {own:.1f} | {total:.1f} | {module} |" for own, total, module in slowest(command, project)),
                sep="\n",
            )
            print()
        return exit_code(answers)


def one_row_project(folder: Path) -> Path:
    """The example project with the first day of its data only."""
    for part in ("jobs", "assets", "connectors"):
        shutil.copytree(REPOSITORY / part, folder / part)
    data = folder / "jobs" / "demo" / "data" / "seattle-weather.csv"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[:2]))
    return folder


def slowest(command: list[str], folder: Path, *, count: int = 15) -> list[tuple[float, float, str]]:
    """The modules whose own code took longest to import: (ms of itself, ms with its imports, name)."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    found = [
        (int(match[1]) / 1000, int(match[2]) / 1000, match[3])
        for match in map(IMPORT_LINE.match, done.stderr.splitlines())
        if match
    ]
    return sorted(found, reverse=True)[:count]


if __name__ == "__main__":
    sys.exit(main())
