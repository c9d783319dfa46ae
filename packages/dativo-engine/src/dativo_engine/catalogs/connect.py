"""Which catalogue a job means. Each kind's room is imported late: PyIceberg takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_engine.catalogs.warehouse import file_properties, warehouse_location

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob
    from pyiceberg.catalog import Catalog


def open_catalog(job: ResolvedJob, *, branch: str = "") -> Catalog:
    """The catalogue that holds a job's tables; the embedded one is made on demand.

    Args:
        branch: of Nessie; empty: the one that the job writes to.

    Raises:
        AuthenticationError: it refuses the credentials.
        ConnectionFailedError, RetryableError: it can't be reached, or is busy or out of order.
        FatalError: it is not there, or is something else.
    """
    connection, files = job.target.connection, file_properties(job)
    if connection is not None and connection.nessie is not None:
        from dativo_engine.catalogs.nessie import open_branch

        return open_branch(connection.nessie, branch or job.target.branch, files=files)
    if connection is not None and connection.rest is not None:
        from dativo_engine.catalogs.rest import open_rest

        return open_rest(connection.rest, files=files)
    if connection is not None and connection.sql is not None:
        from dativo_engine.catalogs.sql import open_sql

        return open_sql(connection.sql, warehouse=warehouse_location(job), files=files)
    from dativo_engine.catalogs.embedded import open_embedded

    return open_embedded(job.tenant.catalog_file, warehouse=warehouse_location(job), files=files)


def ensure_branch(job: ResolvedJob) -> None:
    """Make the branch that the job writes to, where its catalogue has branches and not this one.

    Raises:
        ConnectionFailedError, RetryableError, AuthenticationError, FatalError: as `open_catalog`.
    """
    connection = job.target.connection
    if connection is not None and connection.nessie is not None:
        from dativo_engine.catalogs.nessie_api import NessieApi

        NessieApi(connection.nessie).tenant_branch(job.target.branch)
