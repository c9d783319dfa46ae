"""What the `state` commands do to a table: move a cursor, adopt a table, move a stamp to another name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.tables import show as show_table
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor
from dativo_engine.state.imports import read_cursors
from dativo_engine.state.stamps import adopt, reset, set_cursors, show, take_over

AT_7 = {"orders": Cursor({"at": 7})}


def strip_stamps(job: ResolvedJob) -> None:
    """The table as another engine would have made it."""
    rows, schema = stored(job).scan().to_arrow(), stored(job).schema()
    catalog = open_catalog(job)
    catalog.drop_table(("acme", "orders"))
    catalog.create_table(("acme", "orders"), schema).append(rows)
    job.tenant.mirror_file(job.name).unlink()


def test_set_moves_a_cursor_in_the_table_and_in_the_mirror(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    set_cursors(job, ORDERS, AT_7, Events())
    (found,) = show(job)
    assert (cursor_of(job), found.mirror, stored_rows(job)) == (7, "same", [(1, "a")])


def test_set_before_the_first_run_makes_the_table_and_the_run_begins_there(job: ResolvedJob):
    set_cursors(job, ORDERS, AT_7, Events())
    assert cursor_of(job) == 7
    load(job, "r1", [(8, "h")], at=8)
    assert (stored_rows(job), cursor_of(job)) == ([(8, "h")], 8)


def test_setting_the_cursor_that_stands_commits_nothing(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=7)
    before = stored(job).metadata_location
    set_cursors(job, ORDERS, AT_7, Events())
    assert stored(job).metadata_location == before


@pytest.mark.parametrize(("cursors", "at"), [({}, None), (AT_7, 7)])
def test_adopt_makes_a_table_of_other_origin_one_that_the_job_goes_on_loading(
    job: ResolvedJob, cursors: dict[str, Cursor], at: object
):
    load(job, "r1", [(1, "a")], at=1)
    strip_stamps(job)
    with pytest.raises(FatalError, match="adopt"):
        Run(job, "r2").committer.last()
    adopt(job, ORDERS, cursors, Events())
    assert cursor_of(job) == at
    load(job, "r3", [(2, "b")], at=8)
    assert (stored_rows(job), cursor_of(job)) == ([(1, "a"), (2, "b")], 8)


def test_adopting_a_table_that_the_job_loads_does_nothing_or_is_refused(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    adopt(job, ORDERS, {}, Events())
    assert cursor_of(job) == 1
    with pytest.raises(FatalError, match="state set"):
        adopt(job, ORDERS, AT_7, Events())


def test_a_renamed_job_goes_on_where_it_stood_and_the_old_name_has_no_stamp(tmp_path: Path):
    old, new, other = (make_job(tmp_path, name=name) for name in ("old", "new", "other"))
    load(old, "r1", [(1, "a")], at=1)
    load(other, "o1", [(9, "z")], at=9)
    for _ in range(2):
        take_over(new, ORDERS, "old", Events())
    assert (cursor_of(new), cursor_of(other)) == (1, 9)
    assert "dativo.stamp.acme.old" not in stored(new).properties
    assert show(new)[0].other_jobs == ("other",)
    assert show(new)[0].mirror == "same"
    load(new, "r2", [(2, "b")], at=2)
    assert stored_rows(new) == [(1, "a"), (2, "b"), (9, "z")]
    with pytest.raises(FatalError, match="its stamp is gone"):
        Run(old, "r3").committer.last()


def test_a_job_that_loaded_rows_itself_takes_no_other_ones_place(tmp_path: Path):
    old, new = make_job(tmp_path, name="old"), make_job(tmp_path, name="new")
    load(old, "r1", [(1, "a")], at=1)
    load(new, "r2", [(2, "b")], at=2)
    with pytest.raises(FatalError, match="both loaded rows"):
        take_over(new, ORDERS, "old", Events())
    with pytest.raises(FatalError, match="no stamp of job nobody"):
        take_over(make_job(tmp_path, name="third"), ORDERS, "nobody", Events())


@pytest.mark.parametrize("damage", ["delete", "truncate", "corrupt", "old copy"])
def test_no_damage_to_the_mirror_changes_what_the_next_run_does(job: ResolvedJob, damage: str):
    load(job, "r1", [(1, "a")], at=1)
    mirror = job.tenant.mirror_file(job.name)
    old = mirror.read_bytes()
    load(job, "r2", [(2, "b")], at=2)
    content = {"truncate": b"", "corrupt": mirror.read_bytes()[:40] + b"\xff{", "old copy": old}
    if damage == "delete":
        mirror.unlink()
    else:
        mirror.write_bytes(content[damage])
    assert show(job)[0].mirror == ("differs" if damage == "old copy" else "missing")
    assert cursor_of(job) == 2
    load(job, "r3", [(3, "c")], at=3)
    assert (stored_rows(job), show(job)[0].mirror) == ([(1, "a"), (2, "b"), (3, "c")], "same")


def test_a_rollback_takes_a_reset_back(job: ResolvedJob):
    for number in range(1, 5):
        load(job, f"r{number}", [(number, "x")], at=number)
    first = stored(job).metadata.snapshots[0].snapshot_id
    reset(job, ORDERS, Events())
    assert cursor_of(job) is None
    stored(job).manage_snapshots().rollback_to_snapshot(first).commit()
    assert cursor_of(job) == 1


def file_holding(folder: Path, content: object) -> Path:
    path = folder / "state.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        {"at": 7},
        {"orders": {"at": 7}},
        [{"job": "orders_job", "table": "acme.orders", "stamp": {"cursors": {"orders": {"at": 7}}}}],
        {"tenant": "acme", "tables": {"acme.orders": {"run_id": "r", "cursors": {"orders": {"at": 7}}}}},
    ],
    ids=["one cursor", "by stream", "state show --json", "a mirror"],
)
def test_cursors_are_read_from_files_of_these_shapes(job: ResolvedJob, tmp_path: Path, content: object):
    assert read_cursors(job, file_holding(tmp_path, content)) == AT_7


def test_cursors_too_large_for_a_stamp_are_read_from_its_mirror_and_shown_whole(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    large = {"orders": Cursor({"file": "x" * 10_000})}
    set_cursors(job, ORDERS, large, Events())
    mirror = job.tenant.mirror_file(job.name)
    assert b'"object"' in mirror.read_bytes()
    assert read_cursors(job, mirror) == large
    view = show_table(job, ORDERS)
    assert view is not None
    assert json.loads(json.dumps(view.stamp))["cursors"] == {"orders": dict(large["orders"].value)}


@pytest.mark.parametrize("content", [[], {}, "text", 7, None, {"tables": {}}, {"stamp": None}])
def test_a_file_without_a_cursor_is_refused(job: ResolvedJob, tmp_path: Path, content: object):
    with pytest.raises(FatalError, match="holds no cursor"):
        read_cursors(job, file_holding(tmp_path, content))
