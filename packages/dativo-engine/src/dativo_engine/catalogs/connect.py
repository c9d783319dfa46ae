"""Which catalogue and warehouse a job means. Each kind's room is imported late: PyIceberg takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_engine.catalogs.locations import file_location
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob
    from pyiceberg.catalog import Catalog


def open_catalog(job: ResolvedJob) -> Catalog:
    """The catalogue that holds a job's tables; the embedded one is made on demand.

    Raises:
        FatalError: the job names a catalogue that this version can't open.
    """
    if job.target.connection is not None:
        message = f"{job.path}: target.connection: only the embedded catalogue is available in this version"
        raise FatalError(message)
    from dativo_engine.catalogs.embedded import open_embedded

    return open_embedded(job.tenant.catalog_file, warehouse=warehouse_location(job))


def warehouse_location(job: ResolvedJob) -> str:
    """The location below which a job's tables are created, without a slash at its end."""
    return job.target.warehouse.rstrip("/") or file_location(job.tenant.warehouse_folder)
