"""Merge by key: any history of changes leaves the table as the source has it, and a repeat leaves it alone."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.catalogs.locations import file_location, local_path
from dativo_engine.commits.changes import OP_COLUMN, ChangeSet, MergeRule
from dativo_engine.commits.merge import Merged
from dativo_engine.errors import FatalError
from dativo_engine.writers.parquet import open_writer
from hypothesis import given
from hypothesis import strategies as st
from merge_support import Folder, Row
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import BucketTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (
    DoubleType,
    ListType,
    LongType,
    NestedField,
    StringType,
)

from tests.laws import law

COLUMNS = pa.schema(
    [("id", pa.int64()), ("region", pa.string()), ("note", pa.string()), ("at", pa.int64()), ("gone", pa.bool_())]
)
BY_REGION = PartitionSpec(PartitionField(2, 1000, BucketTransform(4), "region_bucket"))


def rows(*values: Row, deletes: Iterable[int] | None = None) -> pa.Table:
    table = pa.Table.from_pylist(list(values), schema=COLUMNS)
    if deletes is None:
        return table
    gone = set(deletes)
    ops = pa.array([1 if number in gone else 0 for number in range(len(values))], pa.int32())
    return table.append_column(OP_COLUMN, ops)


def row(number: int, note: str = "a", *, region: str = "x", at: int | None = 0, gone: bool | None = None) -> Row:
    return {"id": number, "region": region, "note": note, "at": at, "gone": gone}


def test_updates_take_the_place_of_stored_rows_and_the_rest_is_inserted(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(rows(row(1), row(2)), rows(row(10), row(11)))
    merged = table.merge([rows(row(2, "new"), row(3, "new"))])
    assert table.rows() == [row(1), row(10), row(11), row(2, "new"), row(3, "new")]
    assert (merged.inserted, merged.updated, len(merged.removed)) == (1, 1, 1)


def test_files_without_a_changed_key_are_not_touched(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(*(rows(row(number), row(number + 5)) for number in range(0, 100, 10)))
    merged = table.merge([rows(row(41), row(43))])
    assert merged.removed == ()
    assert merged.inserted == 2


def test_the_same_changes_again_are_a_no_op(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",), "at"))
    changes = [rows(row(1, at=5), row(2, at=None), row(3, note="ü", at=7))]
    table.merge(changes)
    before = table.rows()
    merged = table.merge(changes)
    assert (merged.removed, merged.added) == ((), ())
    assert table.rows() == before


def test_the_same_changes_again_are_a_no_op_also_when_they_are_many_times_the_memory(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.memory = 1 << 20
    order = random.Random(1).sample(range(200_000), 200_000)
    stored = rows(*(row(number, f"note {number}") for number in range(200_000)))
    table.append(stored.slice(0, 90_000), stored.slice(90_000))
    # In another order than they are stored, and so all over the files.
    changes = [stored.take(pa.array(order[:120_000])), stored.take(pa.array(order[120_000:]))]
    assert table.merge(changes) == Merged((), (), 0, 0, 0)
    last = [row(number, note) for number, note in ((7, "new"), (150_000, "new"), (300_000, "added"))]
    merged = table.merge([*changes, rows(*last)])
    assert (merged.inserted, merged.updated, len(table.rows())) == (1, 2, 200_001)


def test_nulls_nans_and_nested_values_are_the_same_again(tmp_path: Path):
    schema = Schema(
        NestedField(1, "id", LongType(), required=False),
        NestedField(2, "score", DoubleType(), required=False),
        NestedField(3, "tags", ListType(4, StringType(), element_required=False), required=False),
    )
    columns = pa.schema([("id", pa.int64()), ("score", pa.float64()), ("tags", pa.list_(pa.string()))])
    stored: list[Row] = [
        {"id": 1, "score": float("nan"), "tags": ["a", None]},
        {"id": 2, "score": None, "tags": None},
        {"id": 3, "score": 0.5, "tags": []},
    ]
    table = Folder(tmp_path, MergeRule(("id",)), schema=schema)
    table.append(pa.Table.from_pylist(stored, columns))
    assert table.merge([pa.Table.from_pylist(stored, columns)]) == Merged((), (), 0, 0, 0)
    for change in ({"score": None}, {"tags": ["a", "b"]}):
        assert table.merge([pa.Table.from_pylist([stored[0] | change], columns)]).updated == 1


def test_a_rewritten_file_stays_one_file_in_its_partition_and_order(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)), spec=BY_REGION, order=SortOrder(SortField(4, IdentityTransform())))
    table.append(rows(*({"id": i, "region": "no", "note": str(i), "at": -i} for i in range(20_000))))
    (before,) = table.files
    table.layout = replace(table.layout, target_file_bytes=1)
    merged = table.merge([rows({"id": 7, "region": "no", "note": "new", "at": 1})])
    rewritten, added = merged.added
    assert (rewritten.rows, added.rows) == (19_999, 1)
    assert (rewritten.partition, rewritten.sort_order_id) == (before.partition, before.sort_order_id)
    at = pq.read_table(local_path(rewritten.path), columns=["at"])["at"].to_pylist()
    assert at == sorted(at)


@pytest.mark.parametrize("spec", [None, PartitionSpec(PartitionField(2, 1000, TruncateTransform(1), "region_trunc"))])
def test_texts_of_few_values_are_as_short_and_as_well_described_after_a_rewrite(
    tmp_path: Path, spec: PartitionSpec | None
):
    count = 520_000  # three row groups, of which each has other values
    regions = [None if number % 7 == 0 else f"r-{number // 170_000}-{number % 3}" for number in range(count)]
    regions[9] = "rare, and the last of all"
    stored = {"id": pa.array(range(count)), "region": pa.array(regions)}
    others = {name: pa.nulls(count, COLUMNS.field(name).type) for name in COLUMNS.names[2:]}
    table = Folder(tmp_path, MergeRule(("id",)), spec=spec)
    table.append(pa.table({**stored, **others}))
    merged = table.merge([rows(row(9, region="r"))])
    rewritten, _ = merged.added
    path = local_path(rewritten.path)
    footer = pq.read_metadata(path)
    chunks = [footer.row_group(group).column(1) for group in range(footer.num_row_groups)]
    assert len(chunks) > 1
    # As they are, each value takes 9 bytes.
    assert max(chunk.total_uncompressed_size for chunk in chunks) < 200_000
    assert (rewritten.lower_bounds[2], rewritten.upper_bounds[2]) == (b"r-0-0", b"r-3-2")
    assert pq.read_schema(path).field("region").type == pa.string()
    regions[9] = "r"
    found = [pq.read_table(local_path(file.path), columns=["id", "region"]).to_pydict() for file in table.files]
    assert regions == [
        region for _, region in sorted(pair for part in found for pair in zip(part["id"], part["region"], strict=True))
    ]


def test_rows_that_say_the_same_stay_when_others_of_their_file_change(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(rows(row(1), row(2), row(3)))
    merged = table.merge([rows(row(1), row(2, "new"))])
    assert table.rows() == [row(1), row(2, "new"), row(3)]
    assert (merged.updated, merged.inserted) == (1, 0)


def test_a_file_of_changes_that_are_all_new_is_taken_over_as_it_is(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    staged = replace(table.layout, location=file_location(tmp_path / "changes"))
    writer = open_writer(staged, run_id="changes", memory_bytes=1 << 26)
    new = rows(*({"id": i, "region": "no", "note": "n", "at": i} for i in range(10_000)))
    writer.write(new.combine_chunks().to_batches()[0])
    (change,) = writer.flush()
    (added,) = table.merge_staged([change]).added
    assert local_path(added.path).read_bytes() == local_path(change.path).read_bytes()
    assert added.path.startswith(table.layout.location)
    assert replace(added, path="") == replace(change, path="")
    assert table.rows() == sorted(new.to_pylist(), key=lambda row: str(row["id"]))
    assert table.merge_staged([change]) == Merged((), (), 0, 0, 0)


def test_the_greater_cursor_wins_the_stored_row_included(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",), "at"))
    table.append(rows(row(1, "stored", at=9), row(2, "stored", at=1)))
    table.merge([rows(row(1, "old", at=3), row(2, "b", at=5), row(2, "c", at=4))])
    assert table.rows() == [row(1, "stored", at=9), row(2, "b", at=5)]


def test_ties_go_to_the_later_in_read_order(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",), "at"))
    table.append(rows(row(1, "stored", at=1)))
    table.merge([rows(row(1, "first", at=1)), rows(row(1, "last", at=1))])
    assert table.rows() == [row(1, "last", at=1)]


def test_without_a_cursor_the_run_wins_and_in_it_the_last(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(rows(row(1, "stored", at=99)))
    table.merge([rows(row(1, "a", at=5)), rows(row(1, "b", at=1))])
    assert table.rows() == [row(1, "b", at=1)]


def test_deletes_take_rows_away_and_an_unknown_key_is_no_error(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(rows(row(1), row(2)))
    merged = table.merge([rows(row(1), row(7), row(8), deletes=[0, 1])])
    assert table.rows() == [row(2), row(8)]
    assert merged.deleted == 1


def test_a_file_that_loses_all_its_rows_leaves_none_behind(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)))
    table.append(rows(row(1)))
    merged = table.merge([rows(row(1), deletes=[0])])
    assert (len(merged.removed), merged.added, table.rows()) == (1, (), [])


def test_a_soft_delete_marks_the_stored_row_once(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",), deletes="soft", soft_column="gone"))
    table.append(rows(row(1, "keep me"), row(2)))
    change = [rows(row(1, "not this"), deletes=[0])]
    table.merge(change)
    assert table.rows() == [row(1, "keep me", gone=True), row(2)]
    assert table.merge(change).removed == ()


def test_ignored_deletes_change_nothing(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",), deletes="ignore"))
    table.append(rows(row(1)))
    assert table.merge([rows(row(1), deletes=[0])]).removed == ()


def test_an_update_may_move_a_row_to_another_partition(tmp_path: Path):
    table = Folder(tmp_path, MergeRule(("id",)), spec=BY_REGION)
    table.append(rows(*(row(number, region=f"r{number}") for number in range(20))))
    table.merge([rows(row(3, "moved", region="elsewhere"))])
    assert [found for found in table.rows() if found["id"] == 3] == [row(3, "moved", region="elsewhere")]
    assert len(table.rows()) == 20


KEY = st.integers(0, 12)
CHANGE = st.tuples(KEY, st.sampled_from(["a", "b", "c"]), st.sampled_from("xyz"), st.integers(0, 3), st.booleans())
RUN = st.lists(st.lists(CHANGE, min_size=1, max_size=6), min_size=1, max_size=3)


def reference(table: dict[tuple[int, ...], Row], run: list[list[Any]], rule: MergeRule) -> None:
    """The semantics, change by change, in read order."""
    last: dict[tuple[int, ...], tuple[Row, bool]] = {}
    for number, note, region, at, delete in (change for file in run for change in file):
        new = row(number, note, region=region, at=at)
        key = tuple(new[name] for name in rule.keys)
        if rule.cursor and key in last and last[key][0]["at"] > at:
            continue
        last[key] = (new, delete)
    for key, (new, delete) in last.items():
        if rule.cursor and key in table and table[key]["at"] > new["at"]:
            continue
        if not delete:
            table[key] = new
        elif key in table:
            del table[key]


# Merges of several files each, so fewer of them than of what stays in memory.
@law("any history through merge ends as its source", short=60, share=0.3)
@given(runs=st.lists(RUN, min_size=1, max_size=4), cursor=st.booleans(), composite=st.booleans(), split=st.booleans())
def test_any_history_gives_what_applying_it_change_by_change_gives(
    runs: list[list[list[Any]]], cursor: bool, composite: bool, split: bool
):
    rule = MergeRule(("id", "region") if composite else ("id",), "at" if cursor else "")
    with tempfile.TemporaryDirectory() as folder:
        table = Folder(Path(folder), rule, spec=BY_REGION if split else None)
        expected: dict[tuple[int, ...], Row] = {}
        for run in runs:
            reference(expected, run, rule)
            tables = [
                rows(
                    *(row(number, note, region=region, at=at) for number, note, region, at, _ in file),
                    deletes=[place for place, change in enumerate(file) if change[-1]],
                )
                for file in run
            ]
            table.merge(tables)
            found = sorted(table.rows(), key=str)
            assert found == sorted(expected.values(), key=str)
            again = table.merge(tables)
            assert sorted(table.rows(), key=str) == found
            assert cursor or again.inserted == 0


def test_a_merge_that_fails_leaves_none_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(_: ChangeSet) -> Iterator[object]:
        message = "cut short"
        raise FatalError(message)

    folder = Folder(tmp_path, MergeRule(("id",)))
    folder.append(rows({"id": 1, "note": "a"}, {"id": 2, "note": "b"}), rows({"id": 3, "note": "c"}))
    before = set((tmp_path / "table").rglob("*.parquet"))
    with monkeypatch.context() as patch:
        patch.setattr(ChangeSet, "unsettled", cut_short)
        with pytest.raises(FatalError, match="cut short"):
            folder.merge([rows({"id": 1, "note": "x"}, {"id": 3, "note": "y"}, {"id": 4, "note": "z"})])
    assert set((tmp_path / "table").rglob("*.parquet*")) == before
