"""DuckDB as a guest: a memory limit, a folder to spill to, no files, no network, no settings to change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# DuckDB's own fixed buffers do not fit into less.
LEAST_MEMORY = 64 * 1024 * 1024
# To disable where a query says itself which side of a join is kept in memory, the second; and filters on some types
# can't be pushed into Arrow scans.
SIDES_AS_WRITTEN = ("join_order", "build_side_probe_side", "join_filter_pushdown")


@contextmanager
def open_duckdb(
    *, memory_bytes: int, spill_folder: Path, threads: int = 1, disabled_optimizers: Sequence[str] = ()
) -> Generator[duckdb.DuckDBPyConnection]:
    """A database in memory that sees only what is registered in it."""
    import duckdb
    import pyarrow as pa

    # What Arrow freed it keeps for a while: the memory is the guest's now.
    pa.default_memory_pool().release_unused()
    memory = max(memory_bytes, LEAST_MEMORY)
    spill_folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory}B",
            "temp_directory": str(spill_folder / "duckdb"),
            "max_temp_directory_size": f"{64 * memory}B",
            "threads": threads,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    try:
        connection.execute("SET enable_external_access = false")
        connection.execute(f"SET disabled_optimizers = '{','.join(disabled_optimizers)}'")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


@contextmanager
def own_errors() -> Generator[Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]]:
    """What DuckDB reads may fail: the error comes out as it was raised, not as the one that DuckDB makes of it."""
    failed: list[BaseException] = []

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except BaseException as error:
            failed.append(error)
            raise

    try:
        yield read
    except Exception:  # DuckDB's own, or Arrow's where the answer streams
        if failed:
            raise failed[0] from None
        raise


@contextmanager
def memory_ceiling(extra_bytes: int) -> Generator[None]:
    """Let the process grow by so much and no more (on Linux): DuckDB's own limit does not count single huge values."""
    if sys.platform != "linux":
        yield
        return
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = size + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (ceiling if soft == resource.RLIM_INFINITY else min(soft, ceiling), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def quoted(identifier: str) -> str:
    """An identifier as SQL text."""
    return '"' + identifier.replace('"', '""') + '"'
