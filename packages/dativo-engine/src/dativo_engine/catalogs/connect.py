"""Which catalogue a job means. Each kind's room is imported late: PyIceberg takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_engine.catalogs.warehouse import file_properties, warehouse_location
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob
    from pyiceberg.catalog import Catalog


def open_catalog(job: ResolvedJob) -> Catalog:
    """The catalogue that holds a job's tables; the embedded one is made on demand.

    Raises:
        FatalError: the job names a catalogue that this version can't open.
    """
    connection = job.target.connection
    if connection is not None and (connection.nessie or connection.rest or connection.sql):
        message = f"{job.path}: target.connection: only the embedded catalogue is available in this version"
        raise FatalError(message)
    from dativo_engine.catalogs.embedded import open_embedded

    return open_embedded(job.tenant.catalog_file, warehouse=warehouse_location(job), files=file_properties(job))
