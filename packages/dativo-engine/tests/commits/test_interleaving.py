"""However the steps of two runs of one job, of another job's and of maintenance fall: a serial order gives the same."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pytest
from commit_support import ORDERS, Events, Run, cursor_of, make_job, stored_rows
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.errors import CommitConflictError
from dativo_engine.maintenance import maintain as maintenance
from dativo_engine.maintenance.work import Kept
from held import Held, carry_out, stand, standing_at_points
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import law

Row: TypeAlias = tuple[int, str]
Kind: TypeAlias = Literal["append", "append by key", "merge"]
# What is there before: so many small files that maintenance makes one of them, and a snapshot that may go.
BEFORE: Sequence[Row] = [(number, "before") for number in range(6)]
# What the jobs read, in the order of their cursors. Two runs of one job see the same beginning of it, and one key is
# changed by both jobs. Without a key nothing but the fence keeps a row from coming twice.
SOURCES: dict[str, Sequence[Row]] = {"a": [(10, "a1"), (11, "a2"), (5, "a3")], "b": [(5, "b1"), (20, "b2")]}
RUNS: Sequence[tuple[str, int]] = [("a", 2), ("a", 3), ("b", 2)]
KEEP_LITTLE = Kept(days=0, snapshots=1, quarantine_days=0)


@dataclass
class Lake:
    """One table, two jobs that write to it, and what was there before they run."""

    root: Path
    kind: Kind
    attempts: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.jobs = {name: self._job(name) for name in SOURCES}
        for number, rows in enumerate((BEFORE[:1], BEFORE[1:])):
            run = Run(self.jobs["b"], f"before{number}")
            run.committer.last()
            for place, row in enumerate(rows):
                run.stage([row], number=place)
            run.publish(at=0)
        self.lost = self.jobs["a"].tenant.warehouse_folder / "acme" / "orders" / "data" / "r0-lost.parquet"
        self.lost.write_text("x")
        self.begun = dt.datetime.now(dt.UTC)

    def _job(self, name: str) -> ResolvedJob:
        mode = "merge" if self.kind == "merge" else "append"
        return make_job(self.root, name=name, mode=mode, keyed=self.kind != "append")

    def run(self, name: str, end: int, run_id: str) -> None:
        """A whole run that sees the source up to `end`; planned again as often as another run was faster.

        The names of its files begin with `run_id`, which as every run's id must not be a part of any other file's name.
        """
        job = self.jobs[name]
        while True:
            self.attempts[run_id] += 1
            run = Run(job, run_id, attempt=self.attempts[run_id])
            stamp = run.committer.last()[ORDERS]
            start = cast("int", stamp.cursors["orders"].value["at"]) if stamp is not None and stamp.cursors else 0
            stand("planned")
            try:
                if rows := SOURCES[name][start:end]:
                    run.stage(rows)
                    stand("staged")
                run.publish(at=max(start, end))
            except CommitConflictError:
                continue
            finally:
                run.committer.abandon()
            return

    def maintain(self) -> None:
        """At a moment by which what was replaced before the runs began may go, and nothing that they may still need."""
        job = self.jobs["a"]
        now = self.begun + dt.timedelta(seconds=2 * job.timeout_seconds)
        assert maintenance.maintain(job, ORDERS, KEEP_LITTLE, Events(), now=now) is not None

    def writers(self) -> list[Held]:
        """The runs and the maintenance, none of which has begun."""
        runs = [
            Held(f"{name} to {end}", lambda name=name, end=end: self.run(name, end, f"run-{name}{end}"))
            for name, end in RUNS
        ]
        return [*runs, Held("maintenance", self.maintain)]

    def found(self) -> State:
        """What a reader sees, and where the jobs stand."""
        return tuple(stored_rows(self.jobs["a"])), cursor_of(self.jobs["a"]), cursor_of(self.jobs["b"])


State: TypeAlias = tuple[tuple[Row, ...], object, object]


def serial(kind: Kind) -> Iterator[State]:
    """What the runs one after another give, in each order."""
    for order in itertools.permutations(RUNS):
        rows, cursors = list(BEFORE), dict.fromkeys(SOURCES, 0)
        for name, end in order:
            for key, text in SOURCES[name][cursors[name] : end]:
                there = any(key == other for other, _ in rows)
                if kind == "merge":
                    rows = [row for row in rows if row[0] != key]
                if kind != "append by key" or not there:
                    rows.append((key, text))
            cursors[name] = max(cursors[name], end)
        yield tuple(sorted(rows)), cursors["a"], cursors["b"]


SCHEDULES = st.lists(st.integers(0, len(RUNS)), min_size=6, max_size=48)


# Four writers with a table of their own for each example, so fewer of them than of what stays in memory.
@law("any interleaving gives what a serial order gives", short=12, share=0.15)
@given(kind=st.sampled_from(["append", "append by key", "merge"]), schedule=SCHEDULES)
def test_any_interleaving_of_runs_and_maintenance_gives_what_a_serial_order_gives(
    kind: Kind, schedule: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder), kind)
        carry_out(lake.writers(), schedule)
        assert lake.found() in set(serial(kind))
        assert not lake.lost.exists()
        assert leftovers(lake) == 0


def leftovers(lake: Lake) -> int:
    """How many files nobody names, however old they are."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    work = maintenance.survey(lake.jobs["a"], ORDERS, Kept(days=365, snapshots=99), now=later)
    assert work is not None
    return work.orphans


@pytest.mark.parametrize("kind", ["append", "append by key", "merge"])
def test_two_runs_of_one_job_that_both_stand_before_their_commit_land_once(tmp_path: Path, kind: Kind) -> None:
    lake = Lake(tmp_path, kind)
    writers = lake.writers()
    with standing_at_points():
        for writer in writers:
            while "before_commit" not in writer.passed:
                writer.step()
    carry_out(writers, [])
    assert lake.found() in set(serial(kind))
    assert (lake.attempts["run-a2"], lake.attempts["run-a3"]) == (1, 2)
