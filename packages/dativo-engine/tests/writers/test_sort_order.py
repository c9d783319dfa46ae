"""Files under a sort order are sorted from their first row to their last, as Iceberg orders values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.writers.parquet import open_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField
from pyiceberg.transforms import BucketTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import DoubleType, LongType, StringType

MakeLayout = Callable[..., TableLayout]
MEMORY = 64 * 1024 * 1024
NAN = float("nan")
TEXT = st.text(st.characters(codec="utf-8"), max_size=3)
ASC, DESC = SortDirection.ASC, SortDirection.DESC
FIRST, LAST = NullOrder.NULLS_FIRST, NullOrder.NULLS_LAST


def _write(layout: TableLayout, table: pa.Table, *, memory: int = MEMORY, chunk: int = 1000) -> list[StagedFile]:
    writer = open_writer(layout, run_id="run", memory_bytes=memory)
    for batch in table.to_batches(max_chunksize=chunk):
        writer.write(batch)
    return writer.flush()


@pytest.mark.parametrize(
    ("direction", "nulls", "expected"),
    [
        (ASC, FIRST, [None, None, -math.inf, -1.5, -0.0, 0.0, 2.0, NAN, NAN]),
        (ASC, LAST, [-math.inf, -1.5, -0.0, 0.0, 2.0, NAN, NAN, None, None]),
        (DESC, FIRST, [None, None, NAN, NAN, 2.0, 0.0, -0.0, -1.5, -math.inf]),
        (DESC, LAST, [NAN, NAN, 2.0, 0.0, -0.0, -1.5, -math.inf, None, None]),
    ],
)
def test_floats_nulls_and_nans_have_icebergs_order(
    make_layout: MakeLayout, direction: SortDirection, nulls: NullOrder, expected: Sequence[float | None]
) -> None:
    layout = make_layout({"v": DoubleType()}, order=[SortField(1, IdentityTransform(), direction, nulls)])
    table = pa.table({"v": pa.array([2.0, None, NAN, 0.0, -1.5, -0.0, NAN, None, -math.inf])})
    [file] = _write(layout, table)

    assert str(pq.read_table(file.path).column("v").to_pylist()) == str(list(expected))
    assert file.sort_order_id == 7


def test_an_unsorted_table_claims_no_order(make_layout: MakeLayout) -> None:
    [file] = _write(make_layout({"v": LongType()}), pa.table({"v": [2, 1]}))

    assert file.sort_order_id is None
    assert pq.read_table(file.path).column("v").to_pylist() == [2, 1]


def test_transforms_and_several_fields_decide_in_turn_and_equal_rows_stay_in_order(make_layout: MakeLayout) -> None:
    order = [
        SortField(2, TruncateTransform(1), DESC, LAST),
        SortField(1, BucketTransform(4), ASC, FIRST),
    ]
    layout = make_layout({"id": LongType(), "name": StringType()}, order=order)
    rows = [(n, None if n % 7 == 0 else "abc"[n % 3] + str(n)) for n in range(500)]
    [file] = _write(layout, pa.table({"id": [row[0] for row in rows], "name": [row[1] for row in rows]}))

    bucket = BucketTransform(4).transform(LongType())
    expected = sorted(rows, key=lambda row: (row[1] is None, -ord(row[1][0]) if row[1] else 0, bucket(row[0])))
    assert [tuple(row.values()) for row in pq.read_table(file.path).to_pylist()] == expected


@pytest.mark.parametrize("partitioned", [True, False])
def test_each_file_is_sorted_as_a_whole_when_the_rows_exceed_the_memory(
    make_layout: MakeLayout, partitioned: bool
) -> None:
    layout = make_layout(
        {"id": LongType(), "part": LongType()},
        partitions=[("part", IdentityTransform())] if partitioned else [],
        order=[SortField(1, IdentityTransform(), DESC)],
    )
    ids = [n * 7919 % 300_000 for n in range(300_000)]
    files = _write(layout, pa.table({"id": ids, "part": [n % 3 for n in ids]}), memory=1)

    read = [pq.ParquetFile(file.path).read().column("id").to_pylist() for file in files]
    assert len(files) > 3
    assert all(part == sorted(part, reverse=True) for part in read)
    assert sorted(number for part in read for number in part) == list(range(300_000))
    assert all(len(set(file.partition)) == int(partitioned) for file in files)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=3), min_size=1), descending=st.booleans()
)
def test_text_is_sorted_by_code_points(make_layout: MakeLayout, values: list[str | None], descending: bool) -> None:
    field = SortField(1, IdentityTransform(), DESC if descending else ASC, LAST)
    with TemporaryDirectory() as folder:
        layout = make_layout({"v": StringType()}, order=[field], location=Path(folder))
        [file] = _write(layout, pa.table({"v": pa.array(values, pa.string())}))
        read = pq.read_table(file.path).column("v").to_pylist()

    texts = [value for value in values if value is not None]
    assert read == [*sorted(texts, reverse=descending), *([None] * (len(values) - len(texts)))]
