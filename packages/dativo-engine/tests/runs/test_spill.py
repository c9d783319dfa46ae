"""A run's spill folder is its own as long as it lives, and nobody's afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dativo_engine.spill import spill_folder


def test_runs_that_begin_at_once_do_not_clear_each_others_folders_away(tmp_path: Path):
    def begin_often(_run: int) -> list[bool]:
        found: list[bool] = []
        for _ in range(300):
            with spill_folder(tmp_path) as folder:
                found.append(folder.is_dir())
        return found

    with ThreadPoolExecutor(8) as runs:
        assert all(all(found) for found in runs.map(begin_often, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path):
    left = tmp_path / "spill-left"
    left.mkdir()
    (left / "rows").write_text("rows")
    with spill_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
