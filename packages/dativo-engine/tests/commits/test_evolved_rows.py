"""Rows written under one contract, read, rewritten and merged under the next: each value stays with its column's id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commit_support import ORDERS, PROPERTIES, Events, Run, make_job, schema_object, stored, write_file
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.evolution import PRIMARY_KEY
from dativo_engine.commits.fence import Place
from dativo_engine.commits.layout import Wanted, next_step
from dativo_engine.commits.rows import reader_of
from dativo_engine.commits.schema import column_ids, contract_schema
from dativo_engine.errors import FatalError
from dativo_engine.maintenance.compact import compact
from dativo_engine.state import stamps as state
from dativo_engine.storage.fileio import StorageFileIO
from dativo_engine.writers.parquet import open_writer
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.io.pyarrow import schema_to_pyarrow

ID = PROPERTIES[0]
Rows = Sequence[Mapping[str, Any]]


def text(name: str, number: str) -> Property:
    return Property(name, name, "string", PhysicalType("string"), id=number)


def address(*members: Property) -> Property:
    return Property("address", "address", "object", PhysicalType("struct"), properties=members, id="a-1")


def places(*members: Property) -> Property:
    return Property("places", "places", "array", PhysicalType("list"), items=address(*members), id="p-1")


def by_name(*members: Property) -> Property:
    return Property("by_name", "by_name", "map", PhysicalType("map"), items=address(*members), id="m-1")


CITY, ZIP, STATE = text("city", "c-1"), text("zip", "z-1"), text("state", "s-1")
TOWN = replace(CITY, name="town", column="town")


def job_with(root: Path, *properties: Property, mode: Mode = "append", key: tuple[str, ...] = ()) -> ResolvedJob:
    key = key or (("id",) if mode == "merge" else ())
    return make_job(root, mode=mode, schema=replace(schema_object(properties=properties), primary_key=key))


def add(job: ResolvedJob, run_id: str, rows: Rows, at: int) -> None:
    run = Run(job, run_id)
    run.committer.last()
    layout = run.committer.layout(ORDERS)
    table = pa.Table.from_pylist(list(rows), schema_to_pyarrow(layout.schema, include_field_ids=False))
    run.committer.stage([write_file(layout, run_id, table)])
    run.publish(at)


def read(job: ResolvedJob) -> list[dict[str, Any]]:
    return sorted(stored(job).scan().to_arrow().to_pylist(), key=lambda row: str(row["id"]))


def compacted(job: ResolvedJob) -> tuple[int, int]:
    done = compact(job, Place(open_catalog(job), ORDERS), Events(), memory_bytes=1 << 28)
    return done.before, done.after


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (address(CITY, ZIP), address(TOWN, ZIP), {"city": "A", "zip": "1"}, {"town": "A", "zip": "1"}),
        (
            address(CITY, ZIP),
            address(ZIP, STATE, TOWN),
            {"city": "A", "zip": "1"},
            {"zip": "1", "state": None, "town": "A"},
        ),
        (places(CITY), places(ZIP, TOWN), [{"city": "A"}, None], [{"zip": None, "town": "A"}, None]),
        (by_name(CITY), by_name(TOWN, ZIP), [("x", {"city": "A"})], [("x", {"town": "A", "zip": None})]),
    ],
)
def test_values_inside_of_a_column_follow_their_members_through_compaction_and_merge(
    tmp_path: Path, before: Property, after: Property, old: object, new: object
):
    job = job_with(tmp_path, ID, before, mode="merge")
    for number in range(5):
        add(job, f"r{number}", [{"id": number, before.column: old}, {"id": number + 10, before.column: None}], number)
    newer = job_with(tmp_path, ID, after, mode="merge")
    add(newer, "r5", [{"id": 10, after.column: new}], 5)
    expected = [{"id": number, after.column: new} for number in range(5)]
    expected += [{"id": number + 10, after.column: None if number else new} for number in range(5)]
    assert compacted(newer) == (6, 1)
    # PyIceberg reads a list or map that is null as an empty one, where structs are in it.
    (task,) = stored(newer).scan().plan_files()
    found = pq.read_table(task.file.file_path.removeprefix("file://")).sort_by("id")
    assert found.to_pylist() == sorted(expected, key=lambda row: int(str(row["id"])))


def test_a_name_used_again_and_names_swapped_mix_no_values(tmp_path: Path):
    a, b = text("a", "1"), text("b", "2")
    add(job_with(tmp_path, ID, a, b), "r1", [{"id": 1, "a": "one", "b": "two"}], 1)
    swapped = job_with(tmp_path, ID, replace(a, name="b", column="b"), replace(b, name="a", column="a"))
    add(swapped, "r2", [{"id": 2, "b": "one", "a": "two"}], 2)
    again = job_with(tmp_path, ID, replace(a, name="c", column="c"), replace(b, name="a", column="a"), text("b", "3"))
    add(again, "r3", [{"id": 3, "c": "one", "a": "two", "b": "three"}], 3)
    assert read(again) == [
        {"id": 1, "c": "one", "a": "two", "b": None},
        {"id": 2, "c": "one", "a": "two", "b": None},
        {"id": 3, "c": "one", "a": "two", "b": "three"},
    ]


def test_one_id_inside_of_two_columns_is_two_columns(tmp_path: Path):
    home, work = (replace(address(CITY), name=name, column=name, id=name) for name in ("home", "work"))
    add(job_with(tmp_path, ID, home, work), "r1", [{"id": 1, "home": {"city": "A"}, "work": {"city": "B"}}], 1)
    renamed = job_with(tmp_path, ID, replace(home, properties=(TOWN,)), work)
    add(renamed, "r2", [], 2)
    assert read(renamed) == [{"id": 1, "home": {"town": "A"}, "work": {"city": "B"}}]


def test_elements_that_became_optional_are_written_as_such(tmp_path: Path):
    element = Property("element", "element", "string", PhysicalType("string"), required=True)
    tags = Property("tags", "tags", "array", PhysicalType("list"), items=element)
    add(job_with(tmp_path, ID, tags), "r1", [{"id": 1, "tags": ["a"]}], 1)
    looser = job_with(tmp_path, ID, replace(tags, items=replace(element, required=False)))
    run = Run(looser, "r2")
    run.committer.last()
    writer = open_writer(run.committer.layout(ORDERS), run_id="r2", memory_bytes=1 << 26)
    writer.write(pa.record_batch({"id": pa.array([2], pa.int64()), "tags": pa.array([["b", None]])}))
    run.committer.stage(writer.flush())
    run.publish(2)
    assert read(looser) == [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b", None]}]


K = Property("k", "k", "integer", PhysicalType("long"), required=True, id="k-1")


def test_a_moved_key_stops_the_run_before_any_row_and_the_rows_stay(tmp_path: Path):
    rows = [{"id": number, "k": 7} for number in (1, 2, 3)]
    job = job_with(tmp_path, ID, K, mode="merge", key=("id",))
    add(job, "r1", rows, 1)
    moved = job_with(tmp_path, ID, K, mode="merge", key=("k",))
    with pytest.raises(FatalError, match=r"acme.orders: .*primary key is k in the contract and id in the table"):
        add(moved, "r2", [{"id": 9, "k": 7}], 2)
    assert read(job) == rows


def test_a_run_that_replaces_all_rows_may_bring_another_key_or_none(tmp_path: Path):
    add(job_with(tmp_path, ID, K, mode="merge", key=("id",)), "r1", [{"id": 1, "k": 7}, {"id": 2, "k": 7}], 1)
    for number, key in enumerate([("k",), ()], 2):
        job = job_with(tmp_path, ID, K, mode="replace", key=key)
        add(job, f"r{number}", [{"id": number, "k": number}], number)
        table = stored(job)
        assert table.schema().identifier_field_names() == set(key)
        assert json.loads(table.properties.get(PRIMARY_KEY, "[]")) == [2][: len(key)]
        assert read(job) == [{"id": number, "k": number}]


def test_a_key_that_nobody_named_is_the_one_of_the_first_contract_from_then_on(tmp_path: Path):
    optional = replace(K, required=False)
    theirs = replace(ID, required=False)
    adopting = job_with(tmp_path, theirs, optional, mode="merge", key=("id",))
    catalog = open_catalog(adopting)
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.orders", pa.schema([("id", pa.int64()), ("k", pa.int64())]))
    table.append(pa.table({"id": pa.array([1], pa.int64()), "k": pa.array([7], pa.int64())}))
    state.adopt(adopting, ORDERS, {}, Events())
    add(adopting, "r1", [{"id": 2, "k": 7}], 1)
    assert stored(adopting).properties[PRIMARY_KEY] == "[1]"
    with pytest.raises(FatalError, match="primary key is k in the contract and id in the table"):
        add(job_with(tmp_path, theirs, optional, mode="merge", key=("k",)), "r2", [{"id": 9, "k": 7}], 2)
    renamed = replace(optional, name="kk", column="kk")
    add(job_with(tmp_path, theirs, renamed, mode="merge", key=("id",)), "r3", [{"id": 1, "kk": 8}], 3)
    assert read(adopting) == [{"id": 1, "kk": 8}, {"id": 2, "kk": 7}]


def test_a_renamed_key_column_is_the_same_key(tmp_path: Path):
    add(job_with(tmp_path, ID, K, mode="merge", key=("k",)), "r1", [{"id": 1, "k": 7}, {"id": 2, "k": 8}], 1)
    renamed = job_with(tmp_path, ID, replace(K, name="number", column="number"), mode="merge", key=("number",))
    add(renamed, "r2", [{"id": 3, "number": 7}], 2)
    assert read(renamed) == [{"id": 2, "number": 8}, {"id": 3, "number": 7}]


# The law: a tree of columns by id, named and ordered anyhow, and later named, ordered and added to anyhow.

NAMES = "abcdef"
KINDS: dict[str, Any] = {"text": "string", "struct": "object", "list": "array", "map": "map"}


@dataclass(frozen=True)
class Node:
    """A column: its id among its siblings, its name now, and what is inside of it."""

    number: str
    name: str
    kind: str = "text"
    inner: tuple[Node, ...] = ()

    def property(self) -> Property:
        members = tuple(node.property() for node in self.inner)
        if self.kind == "text":
            return Property(self.name, self.name, "string", PhysicalType("string"), id=self.number)
        struct = Property("item", "item", "object", PhysicalType("struct"), properties=members)
        if self.kind == "struct":
            return replace(struct, name=self.name, column=self.name, id=self.number)
        kind: Any = KINDS[self.kind]
        return Property(self.name, self.name, kind, PhysicalType(self.kind), items=struct, id=self.number)

    def value(self, path: str) -> object:
        """A value that tells by which ids it was written, as a row of today's contract has it."""
        members = {node.name: node.value(f"{path}/{node.number}") for node in self.inner}
        return {"text": path, "struct": members, "list": [members, None], "map": [("x", members)]}[self.kind]

    def later(self, path: str, before: Node | None) -> object:
        """What a row that was written before says under today's contract."""
        if before is None:
            return None
        known = {node.number: node for node in before.inner}
        members = {node.name: node.later(f"{path}/{node.number}", known.get(node.number)) for node in self.inner}
        return {"text": path, "struct": members, "list": [members, None], "map": [("x", members)]}[self.kind]


@st.composite
def trees(draw: st.DrawFn, *, depth: int = 2) -> tuple[Node, ...]:
    """One to three columns, some with others inside of them."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 3))]
    kinds = ["text", *(("struct", "list", "map") if depth else ())]
    nodes: list[Node] = []
    for number, name in enumerate(names):
        kind = draw(st.sampled_from(kinds))
        nodes.append(Node(f"n{number}", name, kind, () if kind == "text" else draw(trees(depth=depth - 1))))
    return tuple(nodes)


@st.composite
def evolved(draw: st.DrawFn, before: tuple[Node, ...]) -> tuple[Node, ...]:
    """The same columns and maybe new ones, under names drawn anew, in any order, and so inside of them."""
    new = [Node(f"n{len(before) + number}", "") for number in range(draw(st.integers(0, 2)))]
    names = draw(st.permutations(NAMES))
    nodes = [replace(node, inner=draw(evolved(node.inner)) if node.inner else ()) for node in (*before, *new)]
    named = [replace(node, name=name) for node, name in zip(nodes, names, strict=False)]
    return tuple(draw(st.permutations(named)))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Node, ...]]:
    """Two to four contracts of one table, each grown out of the one before."""
    contracts = [draw(trees())]
    for _ in range(draw(st.integers(1, 3))):
        contracts.append(draw(evolved(contracts[-1])))
    return contracts


def want(nodes: tuple[Node, ...]) -> Wanted:
    contract = SchemaObject("orders", "orders", tuple(node.property() for node in nodes))
    return Wanted(contract_schema(contract), None, None, {}, "file:///nowhere", column_ids(contract))


@settings(max_examples=100, deadline=None)
@given(histories())
def test_whatever_is_renamed_swapped_added_and_reordered_each_value_stays_under_its_id(
    history: list[tuple[Node, ...]],
):
    wants = [want(nodes) for nodes in history]
    metadata, io = wants[0].creation(), StorageFileIO()
    with tempfile.TemporaryDirectory() as folder:
        written: list[tuple[str, tuple[Node, ...]]] = []
        for nodes, wanted in zip(history, wants, strict=True):
            metadata = next_step(ORDERS, metadata, wanted, "additive").metadata
            properties = {**metadata.properties, **wanted.all_properties(metadata.schema())}
            metadata = metadata.model_copy(update={"properties": properties})
            path = f"{folder}/{len(written)}.parquet"
            row = {node.name: node.value(node.number) for node in nodes}
            pq.write_table(pa.Table.from_pylist([row], schema_to_pyarrow(metadata.schema())), path)
            written.append((f"file://{path}", nodes))
            reader, columns = reader_of(metadata, io), [node.name for node in nodes]
            for file, before in written:
                known = {node.number: node for node in before}
                expected = {node.name: node.later(node.number, known.get(node.number)) for node in nodes}
                (batch,) = reader.rows(file, columns, batch_rows=10)
                assert batch.to_pylist() == [expected]
