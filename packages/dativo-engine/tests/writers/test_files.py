"""Where files go, how large they get, and what is left of them when something fails."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.errors import RetryableError
from dativo_engine.interfaces import StagedFile, TableLayout, Writer
from dativo_engine.writers.parquet import open_writer
from pyiceberg.table.sorting import SortField
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, StringType

MakeLayout = Callable[..., TableLayout]
ReadBack = Callable[[Sequence[StagedFile]], pa.Table]
MEMORY = 64 * 1024 * 1024


def _writer(layout: TableLayout, *, memory: int = MEMORY, threads: int | None = None) -> Writer:
    return open_writer(layout, run_id="run", memory_bytes=memory, threads=threads)


def _random(rows: int, *, seed: int = 0) -> pa.RecordBatch:
    return pa.record_batch([pa.array(np.random.default_rng(seed).integers(0, 2**62, rows))], names=["id"])


def _files(layout: TableLayout) -> list[Path]:
    return [path for path in Path(layout.location).rglob("*") if path.is_file()]


def test_no_rows_make_no_file(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType()})
    writer = _writer(layout)
    writer.write(_random(0))

    assert writer.flush() == []
    assert _files(layout) == []


def test_a_small_load_makes_one_file_whatever_the_threads(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType()})
    writer = _writer(layout, threads=8)
    for number in range(20):
        writer.write(_random(50_000, seed=number))

    [file] = writer.flush()
    assert file.rows == 1_000_000
    assert [str(path) for path in _files(layout)] == [file.path]
    assert Path(file.path).parent == Path(layout.location) / "data"
    assert Path(file.path).name.startswith("run-00000-")
    assert file.size == Path(file.path).stat().st_size
    assert pickle.loads(pickle.dumps(file)) == file


def test_files_roll_at_the_size_written_and_keep_read_order(make_layout: MakeLayout, read_back: ReadBack) -> None:
    layout = make_layout({"id": LongType()}, target=5_000_000)
    writer = _writer(layout, threads=4)
    batches = [_random(100_000, seed=number) for number in range(40)]
    for batch in batches:
        writer.write(batch)
    files = writer.flush()

    # A row group of random numbers is some 2 MB.
    assert all(5_000_000 <= file.size < 7_500_000 for file in files[:-1])
    assert len(files) > 4
    assert read_back(files).column("id").combine_chunks() == pa.concat_arrays([batch.column(0) for batch in batches])


@pytest.mark.parametrize("chunk", [999, 250_000, 600_000])
def test_the_size_of_batches_makes_no_difference(make_layout: MakeLayout, read_back: ReadBack, chunk: int) -> None:
    rows = pa.Table.from_batches([_random(600_000)])
    writer = _writer(make_layout({"id": LongType()}))
    for batch in rows.to_batches(max_chunksize=chunk):
        writer.write(batch)

    [file] = writer.flush()
    assert read_back([file]).equals(rows)
    assert pq.read_metadata(file.path).num_row_groups == 3


def test_a_writer_takes_more_rows_after_a_flush(make_layout: MakeLayout, read_back: ReadBack) -> None:
    layout = make_layout({"id": LongType()}, partitions=[("id", IdentityTransform())])
    writer = _writer(layout)
    first, second = pa.record_batch({"id": [1, 2]}), pa.record_batch({"id": [2, 3]})
    writer.write(first)
    one = writer.flush()
    writer.write(second)
    two = writer.flush()

    assert [file.partition for file in one] == [(1,), (2,)]
    assert [file.partition for file in two] == [(2,), (3,)]
    assert read_back([*one, *two]).column("id").to_pylist() == [1, 2, 2, 3]
    assert writer.flush() == []


def test_two_writers_of_one_run_never_share_a_file(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType()})
    paths: set[str] = set()
    for _ in range(2):
        writer = _writer(layout)
        writer.write(_random(1))
        paths |= {file.path for file in writer.flush()}

    assert len(paths) == 2


@pytest.mark.parametrize("memory", [MEMORY, 1])
@pytest.mark.parametrize("flushed", [True, False])
def test_abort_leaves_nothing(make_layout: MakeLayout, memory: int, flushed: bool) -> None:
    layout = make_layout({"id": LongType(), "part": LongType()}, partitions=[("part", IdentityTransform())])
    writer = _writer(layout, memory=memory)
    for start in range(0, 100_000, 1000):
        writer.write(pa.record_batch({"id": range(start, start + 1000), "part": [start % 7000] * 1000}))
    if flushed:
        writer.flush()
        writer.write(pa.record_batch({"id": [1], "part": [1]}))
    writer.abort()
    writer.abort()

    assert _files(layout) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("writer-")]


def test_only_finished_files_have_their_name(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType()}, target=1)
    writer = _writer(layout)
    writer.write(_random(250_000))
    for seed in range(4):  # hands the first rows to the thread, which finishes their file
        writer.write(_random(250_000, seed=seed))
    while not [path for path in _files(layout) if path.suffix == ".parquet"]:
        pass
    assert all(pq.read_metadata(path).num_rows == 250_000 for path in _files(layout) if path.suffix == ".parquet")
    writer.flush()
    assert {path.suffix for path in _files(layout)} == {".parquet"}


def test_a_failure_on_a_thread_is_told_and_stays(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType()})
    Path(layout.location).write_text("a file where a folder belongs")
    writer = _writer(layout)
    with pytest.raises(RetryableError, match="orders/data/run-00000-"):  # noqa: PT012  # which of them fails, the thread decides
        for seed in range(100):
            writer.write(_random(250_000, seed=seed))
    with pytest.raises(RetryableError, match="orders/data/run-00000-"):
        writer.flush()
    writer.abort()


def test_a_full_disk_is_named_and_nothing_is_left(make_layout: MakeLayout) -> None:
    program = """
import resource, signal, sys
import numpy as np, pyarrow as pa
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
import pickle
from dativo_engine.errors import RetryableError
from dativo_engine.writers.parquet import open_writer
writer = open_writer(pickle.load(sys.stdin.buffer), run_id="run", memory_bytes=64 * 2**20)
try:
    for seed in range(10):
        writer.write(pa.record_batch([pa.array(np.random.default_rng(seed).integers(0, 2**62, 250_000))], names=["id"]))
    writer.flush()
except RetryableError as error:
    print(error)
writer.abort()
"""
    layout = make_layout({"id": LongType()})
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], input=pickle.dumps(layout), capture_output=True, check=True
    )

    assert b"no space left" in child.stdout
    assert b"orders/data/run-00000-" in child.stdout
    assert child.stderr == b""
    assert _files(layout) == []


def test_columns_that_are_not_the_tables_are_refused(make_layout: MakeLayout) -> None:
    writer = _writer(make_layout({"id": LongType(), "name": StringType()}))
    writer.write(pa.record_batch({"name": ["a"], "id": [1]}))

    with pytest.raises(ValueError, match=r"a batch has the columns \['name', 'id'\], the table has \['id', 'name'\]"):
        writer.flush()
    writer.abort()


def test_columns_whose_values_repeat_have_dictionaries_and_others_are_packed(make_layout: MakeLayout) -> None:
    layout = make_layout({"id": LongType(), "few": StringType(), "many": StringType()})
    rows = pa.record_batch(
        {"id": range(10_000), "few": ["ab"[n % 2] for n in range(10_000)], "many": [str(n) for n in range(10_000)]}
    )
    writer = _writer(layout)
    writer.write(rows)
    [file] = writer.flush()

    group = pq.read_metadata(file.path).row_group(0)
    encodings = {group.column(n).path_in_schema: set(group.column(n).encodings) for n in range(3)}
    assert "DELTA_BINARY_PACKED" in encodings["id"]
    assert "RLE_DICTIONARY" in encodings["few"]
    assert encodings["many"] == {"PLAIN", "RLE"}


def _chunk(layout: TableLayout, values: Sequence[int | None]) -> pq.ColumnChunkMetaData:
    """The one column of a file of these numbers, read back."""
    writer = _writer(layout)
    writer.write(pa.record_batch({"n": pa.array(values, pa.int64())}))
    [file] = writer.flush()
    assert pq.ParquetFile(file.path).read()["n"].to_pylist() == list(values)
    return pq.read_metadata(file.path).row_group(0).column(0)


def test_numbers_are_compressed_only_where_that_spares_something(make_layout: MakeLayout) -> None:
    layout = make_layout({"n": LongType()})
    random = np.random.default_rng(0)
    anywhere = random.integers(0, 2**40, 40_000)
    seconds = np.cumsum(random.integers(0, 4, 40_000)) * 1_000_000

    assert _chunk(layout, anywhere.tolist()).compression == "UNCOMPRESSED"
    chunk = _chunk(layout, seconds.tolist())
    assert chunk.compression == "ZSTD"
    assert chunk.total_compressed_size < 0.8 * chunk.total_uncompressed_size


def test_numbers_that_repeat_have_a_dictionary_only_where_that_is_smaller(make_layout: MakeLayout) -> None:
    layout = make_layout({"n": LongType()})
    random = np.random.default_rng(0)
    few_far_apart = random.choice([0, 10**9, 10**12], 40_000)
    days_of_five_years = random.integers(20_000, 21_800, 40_000)

    assert "RLE_DICTIONARY" in _chunk(layout, few_far_apart.tolist()).encodings
    assert "DELTA_BINARY_PACKED" in _chunk(layout, days_of_five_years.tolist()).encodings


def test_numbers_in_a_sorted_table_are_tried_out_in_the_order_they_are_written_in(make_layout: MakeLayout) -> None:
    random = np.random.default_rng(0)
    ids = np.repeat(random.integers(0, 2**60, 5_000), 20)

    as_written = _chunk(make_layout({"n": LongType()}), np.sort(ids).tolist())
    layout = make_layout({"n": LongType()}, order=[SortField(1, IdentityTransform())])
    writer = _writer(layout)
    writer.write(pa.record_batch({"n": random.permutation(ids)}))
    [file] = writer.flush()

    sorted_by_us = pq.read_metadata(file.path).row_group(0).column(0)
    assert sorted_by_us.compression == as_written.compression == "ZSTD"
    assert sorted_by_us.total_compressed_size <= as_written.total_compressed_size * 1.01


@pytest.mark.parametrize("first", [None, 0])
def test_a_column_whose_first_rows_say_nothing_has_a_dictionary_and_is_compressed(
    make_layout: MakeLayout, first: int | None
) -> None:
    chunk = _chunk(make_layout({"n": LongType()}), [first] * 40_000)

    assert "RLE_DICTIONARY" in chunk.encodings
    assert chunk.compression == "ZSTD"
