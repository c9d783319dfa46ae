"""Which catalogue a job means. Each kind's room is imported late: PyIceberg takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_config.models.job import NessieConnection, RestConnection, SqlConnection

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
    files = file_properties(job)
    match job.target.server:
        case NessieConnection() as server:
            from dativo_engine.catalogs.nessie import open_branch

            return open_branch(server, branch or job.target.branch, files=files)
        case RestConnection() as server:
            from dativo_engine.catalogs.rest import open_rest

            return open_rest(server, files=files)
        case SqlConnection() as server:
            from dativo_engine.catalogs.sql import open_sql

            return open_sql(server, warehouse=warehouse_location(job), files=files)
        case None:
            from dativo_engine.catalogs.embedded import open_embedded

            return open_embedded(job.tenant.catalog_file, warehouse=warehouse_location(job), files=files)


def ensure_branch(job: ResolvedJob) -> None:
    """Make the branch that the job writes to, where its catalogue has branches and not this one.

    Raises:
        ConnectionFailedError, RetryableError, AuthenticationError, FatalError: as `open_catalog`.
    """
    if job.target.nessie is not None:
        from dativo_engine.catalogs.nessie_api import NessieApi

        NessieApi(job.target.nessie).tenant_branch(job.target.branch)
