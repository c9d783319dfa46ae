"""The committer over Nessie keeps the specification, and what it adds for branches."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from dativo_config.models.job import Mode
from dativo_engine.commits.points import ON_BRANCHES, Point
from dativo_engine.testing import CommitConformance, CommitWorld
from dativo_engine.testing.commit import POINTS
from dativo_engine.testing.commit_run import Task, run, run_in_child
from nessie_world import NessieWorld, nessie_world
from typing_extensions import override

from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

# Before the merge all modes do the same on a branch that nobody sees: the long form kills each of them everywhere.
MODES: tuple[Mode, ...] = ("append", "merge", "replace") if os.environ.get("DATIVO_KILLS") else ("merge",)


class TestNessie(CommitConformance):
    @override
    @pytest.fixture
    def world(self, tmp_path: Path, nessie: NessieServer, s3: S3Server) -> NessieWorld:
        """A branch and a folder of its own."""
        return nessie_world(tmp_path, nessie, s3)

    @override
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("point", POINTS)
    def test_a_run_that_is_killed_and_run_again_equals_one_without_a_crash(
        self, world: CommitWorld, point: Point, mode: Mode
    ) -> None:
        super().test_a_run_that_is_killed_and_run_again_equals_one_without_a_crash(world, point, mode)

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("point", sorted(ON_BRANCHES))
    def test_a_run_that_is_killed_around_its_merge_and_run_again_equals_one_without_a_crash(
        self, world: NessieWorld, point: Point, mode: Mode
    ) -> None:
        run(world, Task("r1", [(1, "a")], 1, mode))
        assert run_in_child(world, Task("r2", [(2, "b")], 2, mode, ["bad"], kill_at=point)) == -signal.SIGKILL
        run(world, Task("r3", [(2, "b")], 2, mode, ["bad"]))
        assert world.rows() == ([(2, "b")] if mode == "replace" else [(1, "a"), (2, "b")])
        job = world.job(mode=mode)
        assert (world.cursor(job), world.rejected(job), world.leftovers()) == (2, ["bad"], [])
