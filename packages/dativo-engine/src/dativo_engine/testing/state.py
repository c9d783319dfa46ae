"""What becomes of a job's place when its mirror in the state folder, or the table itself, was tampered with."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_engine.catalogs import open_catalog
from dativo_engine.errors import FatalError
from dativo_engine.testing.capabilities import Capability, must
from dativo_engine.testing.commit_run import CommitRun, Task, run
from dativo_engine.testing.commit_world import ORDERS, CommitWorld


class StateConformance:
    """The checks of where a job stands: the table says it, and the mirror is repaired from it."""

    def open_world(self, folder: Path) -> CommitWorld:
        """The project and the catalogue. `folder` is empty and the check's own."""
        return CommitWorld(folder)

    @pytest.fixture
    def world(self, tmp_path: Path) -> CommitWorld:
        """The check's own world, in which two runs have landed."""
        world = self.open_world(tmp_path)
        run(world, Task("r1", [(1, "a")], 1))
        run(world, Task("r2", [(2, "b")], 2))
        return world

    def capabilities(self) -> frozenset[Capability]:
        """A mirror can do all that is asked of one."""
        return frozenset()

    @must("T-01")
    def test_a_mirror_that_is_gone_changes_nothing(self, world: CommitWorld) -> None:
        _mirror(world).unlink()
        _runs_on(world)

    @must("T-02")
    def test_a_mirror_that_was_cut_off_changes_nothing(self, world: CommitWorld) -> None:
        content = _mirror(world).read_bytes()
        for length in range(len(content)):
            _mirror(world).write_bytes(content[:length])
            assert world.cursor(world.job()) == 2
        _runs_on(world)

    @must("T-03")
    @pytest.mark.parametrize("content", [b"\x00" * 512, b"[]", b'{"tables": 7}', b'{"tables": {"acme.orders": {}}}'])
    def test_a_mirror_that_says_nonsense_changes_nothing(self, world: CommitWorld, content: bytes) -> None:
        _mirror(world).write_bytes(content)
        _runs_on(world)

    @must("T-04")
    def test_an_old_copy_of_the_mirror_changes_nothing(self, world: CommitWorld) -> None:
        copy = _mirror(world).read_bytes()
        run(world, Task("r3", [(3, "c")], 3))
        _mirror(world).write_bytes(copy)
        run(world, Task("r4", [(3, "c")], 3))
        assert world.rows() == [(1, "a"), (2, "b"), (3, "c")]
        run(world, Task("r5", [(4, "d")], 4))
        assert _told(world) == ("r5", 4)

    @must("T-05")
    def test_a_table_that_was_rolled_back_takes_the_cursor_with_it(self, world: CommitWorld) -> None:
        table = world.table()
        assert table is not None
        table.manage_snapshots().rollback_to_snapshot(table.snapshots()[0].snapshot_id).commit()
        assert (world.rows(), world.cursor(world.job())) == ([(1, "a")], 1)
        run(world, Task("r3", [(2, "b")], 2))
        assert (world.rows(), _told(world)) == ([(1, "a"), (2, "b")], ("r3", 2))

    @must("T-06")
    def test_a_table_whose_stamps_are_gone_stops_the_run(self, world: CommitWorld) -> None:
        catalog = open_catalog(world.job())
        catalog.drop_table("acme.orders")
        rows = pa.table({"id": [1], "name": ["a"]})
        catalog.create_table("acme.orders", rows.schema).append(rows)
        with pytest.raises(FatalError, match="dativo state"):
            CommitRun(world, world.job(), "r3")
        assert world.rows() == [(1, "a")]


def _mirror(world: CommitWorld) -> Path:
    job = world.job()
    return job.tenant.mirror_file(job.name)


def _told(world: CommitWorld) -> tuple[str, int]:
    """The run and the cursor that the mirror tells."""
    stamp = json.loads(_mirror(world).read_bytes())["tables"][str(ORDERS)]
    return stamp["run_id"], stamp["cursors"]["orders"]["at"]


def _runs_on(world: CommitWorld) -> None:
    """The same data again, then new data: rows, cursor and mirror are right."""
    job = world.job()
    run(world, Task("r3", [(2, "b")], 2))
    assert (world.rows(), world.cursor(job)) == ([(1, "a"), (2, "b")], 2)
    run(world, Task("r4", [(3, "c")], 3))
    assert (world.rows(), world.cursor(job)) == ([(1, "a"), (2, "b"), (3, "c")], 3)
    assert _told(world) == ("r4", 3)
