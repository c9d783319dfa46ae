"""A long load with checkpoints is killed at 60 % of its source: the next run goes on, and nobody sees a difference.

What is read again is the rest, what came since the last checkpoint, and what was in flight. `make test-resume` does it
with twenty million rows, where that is less than half of the source; the ordinary suite with one million.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dativo_engine.sources.csv.records import BLOCK_BYTES

from tests.chaos.conftest import COUNTED
from tests.readers.duckdb_reader import connect
from tools.bench.generate import write

ROWS = int(os.environ.get("DATIVO_RESUME_ROWS", "1_000_000"))
KILLED_AT = 0.6
CHECKPOINTS = 20
# Blocks that were read and are not yet rows when a run is killed, and the one with the header.
IN_FLIGHT = 4 * BLOCK_BYTES
DATIVO = str(Path(sys.executable).with_name("dativo"))
CONTRACT = Path(__file__).resolve().parents[2] / "tools" / "bench" / "contract.yaml"
JOB = """\
tenant_id: bench
source_connector: csv
source: {{files: [{{path: data/bench/{file}, object: orders}}]}}
asset_path: assets/orders.yaml
target_connector: iceberg
target: {{mode: replace, table: {job}, checkpoint: {{rows: {every}}}}}
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A project of one tenant with a large file."""

    root: Path
    source: Path

    def job(self, name: str, *, source: Path) -> None:
        """Write a job that loads a file with its checkpoints."""
        text = JOB.format(file=source.name, job=name, every=ROWS // CHECKPOINTS)
        (self.root / "jobs" / "bench" / f"{name}.yaml").write_text(text)

    def start(self, job: str) -> subprocess.Popen[str]:
        """`dativo run` as a child; its log goes to `<job>.log`."""
        with (self.root / f"{job}.log").open("w") as log:
            command = [DATIVO, "run", "--json", "--config", f"jobs/bench/{job}.yaml"]
            return subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, stderr=log, text=True)

    def run(self, job: str, *, expected: int = 0) -> Mapping[str, object]:
        """A run to its end; answers what it printed."""
        child = self.start(job)
        answer, _ = child.communicate()
        assert child.returncode == expected, (self.root / f"{job}.log").read_text()[-2000:]
        return json.loads(answer)

    def events(self, job: str) -> list[dict[str, object]]:
        """What the job's last run logged."""
        return [json.loads(line) for line in (self.root / f"{job}.log").read_text().splitlines()]

    def metadata(self, job: str) -> str | None:
        """Where the job's table is; None: it does not exist."""
        command = [DATIVO, "table", "show", "--json", "--config", f"jobs/bench/{job}.yaml"]
        shown = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        table = json.loads(shown.stdout)
        return None if table is None else table["metadata_location"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("resume")
    for folder in ("data/bench", "jobs/bench", "assets"):
        (root / folder).mkdir(parents=True)
    (root / "assets" / "orders.yaml").write_text(CONTRACT.read_text())
    source = root / "data" / "bench" / "orders.csv"
    write(source, rows=ROWS, bad_per_mille=0)
    return Bench(root, source)


def position(process: int, file: Path) -> int:
    """How far a process has read a file it holds open; 0: it has it closed."""
    try:
        for entry in Path(f"/proc/{process}/fd").iterdir():
            if entry.readlink() == file:
                text = Path(f"/proc/{process}/fdinfo/{entry.name}").read_text()
                return int(text.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass  # closed while we looked
    return 0


def kill_while_reading(bench: Bench, job: str, file: Path) -> None:
    """Start a run and kill it when it has read 60 % of its file."""
    child = bench.start(job)
    while position(child.pid, file) < KILLED_AT * file.stat().st_size:
        assert child.poll() is None, (bench.root / f"{job}.log").read_text()[-2000:]
        time.sleep(0.001)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def read_again(bench: Bench, job: str, file: Path) -> tuple[int, Mapping[str, object]]:
    """Run a job; answers how many bytes of its file it read, and its result.

    The first block is read for the header, wherever reading then goes on.
    """
    child = bench.start(job)
    lowest = file.stat().st_size
    while child.poll() is None:
        at = position(child.pid, file)
        lowest = min(lowest, at) if at > BLOCK_BYTES else lowest
        time.sleep(0.0005)
    answer, _ = child.communicate()
    assert child.returncode == 0, (bench.root / f"{job}.log").read_text()[-2000:]
    return BLOCK_BYTES + file.stat().st_size - lowest, json.loads(answer)


@pytest.mark.timeout(1800)
def test_the_next_run_goes_on_from_the_last_checkpoint(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    size = bench.source.stat().st_size
    bench.job("whole", source=bench.source)
    bench.run("whole")
    bench.job("broken", source=bench.source)
    kill_while_reading(bench, "broken", bench.source)
    assert bench.metadata("broken") is None, "a killed run shows nothing"

    again, result = read_again(bench, "broken", bench.source)
    adopted = [event for event in bench.events("broken") if event["event_type"] == "checkpoint_adopted"]
    assert len(adopted) == 1
    assert again < (1 - KILLED_AT + 1 / CHECKPOINTS) * size + IN_FLIGHT
    assert result["rows_read"] == ROWS
    record_property(COUNTED, f"percent of the source read again after a kill at 60 %|{100 * again // size}")

    whole, broken = bench.metadata("whole"), bench.metadata("broken")
    with connect() as connection:
        sums = [
            connection.execute(
                f"SELECT count(*), sum(hash(t)::HUGEINT), count(DISTINCT id) "
                f"FROM iceberg_scan('{str(place).removeprefix('file://')}') t"
            ).fetchone()
            for place in (whole, broken)
        ]
    assert sums[0] == sums[1]
    assert sums[0] is not None
    assert sums[0][0] == sums[0][2] == ROWS


@pytest.mark.timeout(1800)
def test_a_bad_row_in_the_last_block_of_a_strict_run_leaves_nothing_to_see(bench: Bench) -> None:
    spoiled = bench.source.with_name("spoiled.csv")
    bench.source.rename(spoiled)
    try:
        with spoiled.open("ab") as file:
            file.write(b"not a number" + b"," * 11 + b"\n")
        bench.job("spoiled", source=spoiled)
        result = bench.run("spoiled", expected=2)
    finally:
        spoiled.rename(bench.source)
    assert result["status"] == "failed"
    assert result["rows_rejected"] == 1
    assert bench.metadata("spoiled") is None
    left = [path for path in (bench.root / "state").rglob("*.parquet") if "spoiled" in str(path)]
    assert left == []
