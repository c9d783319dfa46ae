"""What a store says while PyIceberg, Arrow or DuckDB read a table's files, in words that name what to change."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dativo_engine.catalogs.warehouse import file_properties, warehouse_location
from dativo_engine.storage import Storage

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob


def reading_tables(job: ResolvedJob) -> AbstractContextManager[None]:
    """A block that reads files of a job's tables, whichever library does it.

    Raises:
        AuthenticationError, FatalError, RetryableError: the store failed in it, or refused.
    """
    return Storage(file_properties(job)).reading(warehouse_location(job))
