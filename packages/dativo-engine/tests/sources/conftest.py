"""Files of a project that a test writes and a source reads."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from dativo_config.models.contract import SchemaObject

sys.path.insert(0, str(Path(__file__).parent))

from source_support import Job, Loaded, MakeJob, Read, Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of the project."""

    def put(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """A job of the project over some inputs."""

    def make(connector: str, *inputs: str | Path, **fields: object) -> Job:
        return Job(connector, tmp_path, tuple(str(entry) for entry in inputs), **fields)  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def csv(write: Write, make_job: MakeJob) -> Read:
    """Read one CSV text under a contract and options."""
    return partial(_read, "csv", write, make_job)


@pytest.fixture
def jsonl(write: Write, make_job: MakeJob) -> Read:
    """Read one JSON text under a contract and options."""
    return partial(_read, "jsonl", write, make_job)


def _read(
    connector: str,
    write: Write,
    make_job: MakeJob,
    text: bytes | str,
    schema: SchemaObject | None = None,
    *,
    memory: int = 128 << 20,
    **options: object,
) -> Loaded:
    path = write(f"data/file.{connector}", text)
    return make_job(connector, path, schema=schema, options=options, memory_bytes=memory).read()
