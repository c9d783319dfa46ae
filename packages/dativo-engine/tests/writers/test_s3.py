"""The same writer on an object store that checks signatures."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.errors import AuthenticationError
from dativo_engine.interfaces import TableLayout
from dativo_engine.writers.parquet import open_writer
from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, StringType

from tools.services.seaweedfs import S3Server

MakeLayout = Callable[..., TableLayout]
MEMORY = 64 * 1024 * 1024
pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def layout(make_layout: MakeLayout, s3: S3Server) -> TableLayout:
    """A partitioned table in a bucket of its own."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    properties = {
        "s3.endpoint": s3.endpoint,
        "s3.access-key-id": s3.access_key_id,
        "s3.secret-access-key": s3.secret_access_key,
        "s3.region": "us-east-1",
    }
    made = make_layout({"id": LongType(), "name": StringType()}, partitions=[("name", IdentityTransform())])
    return replace(made, location=f"s3://{bucket}/orders", io_properties=properties)


def _objects(layout: TableLayout) -> list[str]:
    store = PyArrowFileIO(dict(layout.io_properties)).fs_by_scheme("s3", layout.location.split("/")[2])
    found = store.get_file_info(
        fs.FileSelector(layout.location.removeprefix("s3://"), recursive=True, allow_not_found=True)
    )
    return [f"s3://{info.path}" for info in found if info.is_file]


def test_files_are_written_read_back_and_deleted(layout: TableLayout) -> None:
    writer = open_writer(layout, run_id="run", memory_bytes=MEMORY)
    writer.write(pa.record_batch({"id": [1, 2, 3], "name": ["a b/c", "ä", "a b/c"]}))
    files = writer.flush()

    assert sorted(_objects(layout)) == sorted(file.path for file in files)
    store = PyArrowFileIO(dict(layout.io_properties))
    with store.new_input(files[0].path).open() as source:
        assert pq.read_table(source).to_pydict() == {"id": [1, 3], "name": ["a b/c", "a b/c"]}
    assert [file.size for file in files] == [len(store.new_input(file.path)) for file in files]

    writer.write(pa.record_batch({"id": [4], "name": ["x"]}))
    writer.abort()
    assert _objects(layout) == []


def test_an_unfinished_file_is_not_there(layout: TableLayout) -> None:
    writer = open_writer(layout, run_id="run", memory_bytes=MEMORY)
    for start in range(0, 2_000_000, 250_000):
        writer.write(pa.record_batch({"id": range(start, start + 250_000), "name": ["x"] * 250_000}))

    assert _objects(layout) == []
    writer.abort()
    assert _objects(layout) == []


def test_wrong_credentials_are_named_without_being_told(layout: TableLayout) -> None:
    properties = {**layout.io_properties, "s3.secret-access-key": "the-wrong-secret"}
    writer = open_writer(replace(layout, io_properties=properties), run_id="run", memory_bytes=MEMORY)
    writer.write(pa.record_batch({"id": [1], "name": ["a"]}))

    with pytest.raises(AuthenticationError, match="the store refuses the credentials") as raised:
        writer.flush()
    assert "the-wrong-secret" not in str(raised.value)
    with pytest.raises(AuthenticationError):
        writer.abort()
