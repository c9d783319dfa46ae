"""The memory a writer takes is bounded by what it was given, not by the rows or the partitions."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dativo_engine.interfaces import TableLayout
from pyiceberg.table.sorting import SortField
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import LongType, StringType

MakeLayout = Callable[..., TableLayout]
MEBIBYTE = 1024 * 1024
# What the allocators of the threads, the encoders and the code they run take besides, whatever the budget.
ALLOCATORS = 96 * MEBIBYTE
# Writes rows, and says by how much more than before they made the process grow.
CHILD = """
import json, pickle, sys, resource
import numpy as np, pyarrow as pa
from dativo_engine.writers.parquet import open_writer

def batch(seed, rows):
    values = np.random.default_rng(seed)
    ids = values.integers(0, 2**62, rows)
    hexed = pa.array(ids).cast(pa.string())
    texts = pa.compute.binary_join_element_wise(hexed, hexed, hexed, "-")
    return pa.record_batch([pa.array(ids), texts], names=["id", "text"])

layout, memory, batches, rows = pickle.load(sys.stdin.buffer)
warm = open_writer(layout, run_id="warm", memory_bytes=memory)
warm.write(batch(0, 10)); warm.flush(); warm.abort()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
writer = open_writer(layout, run_id="run", memory_bytes=memory, threads=2)
taken = 0
for seed in range(batches):
    part = batch(seed, rows)
    taken += part.nbytes
    writer.write(part)
    del part
files = writer.flush()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
print(json.dumps({"grown": grown, "taken": taken, "files": len(files), "rows": sum(file.rows for file in files)}))
"""


def _measure(layout: TableLayout, *, memory: int, batches: int, rows: int) -> dict[str, int]:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD],
        input=pickle.dumps((layout, memory, batches, rows)), capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(child.stdout)


@pytest.mark.parametrize("shape", ["plain", "few partitions", "sorted"])
def test_memory_stays_within_the_budget(make_layout: MakeLayout, shape: str) -> None:
    layout = make_layout(
        {"id": LongType(), "text": StringType()},
        partitions=[("id", BucketTransform(8))] if shape == "few partitions" else [],
        order=[SortField(1, IdentityTransform())] if shape == "sorted" else [],
    )
    memory = 64 * MEBIBYTE
    seen = _measure(layout, memory=memory, batches=80, rows=50_000)

    assert seen["taken"] > 4 * memory
    assert seen["rows"] == 4_000_000
    assert seen["grown"] < memory + ALLOCATORS, seen


@pytest.fixture
def quick_folder(tmp_path: Path) -> Generator[Path]:
    """In memory where there is such a folder: a disk takes longer over 20,000 files than the writer does."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_twenty_thousand_partitions_fit_in_a_small_budget(make_layout: MakeLayout, quick_folder: Path) -> None:
    layout = make_layout(
        {"id": LongType(), "text": StringType()}, partitions=[("id", BucketTransform(20_000))], location=quick_folder
    )
    memory = 32 * MEBIBYTE
    seen = _measure(layout, memory=memory, batches=40, rows=25_000)

    assert seen["taken"] > 2 * memory
    assert seen["rows"] == 1_000_000
    assert seen["files"] == 20_000
    # What is said of each file takes some 4 KiB.
    assert seen["grown"] < memory + ALLOCATORS + 20_000 * 4096, seen
