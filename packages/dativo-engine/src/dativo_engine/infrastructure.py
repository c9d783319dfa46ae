"""Can a job reach what it needs: catalogue, branch, warehouse, source. One answer for each, in seconds.

Nothing is written but a probe below the job's own folder of the warehouse, deleted again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dativo_config.models.job import NessieConnection, RestConnection, SqlConnection
from dativo_config.models.resolved import ResolvedJob
from dativo_config.rights import remedy
from pydantic import SecretStr
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from dativo_engine.catalogs import open_catalog, warehouse_location
from dativo_engine.catalogs.locations import shown_address
from dativo_engine.catalogs.reading import reading_tables
from dativo_engine.connectors import open_source
from dativo_engine.errors import AuthenticationError, DativoError, FatalError
from dativo_engine.memory import MEBIBYTE
from dativo_engine.pipeline import source_settings
from dativo_engine.storage import Storage

Part = Literal["catalog", "branch", "warehouse", "source"]
PROBE = b"dativo was here"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a job needs, and whether it was reached.

    Attributes:
        target: the host, branch, folder or connector that was tried.
        error: what went wrong; None: reached.
        note: what is missing and stops no run.
    """

    part: Part
    target: str
    error: DativoError | None = None
    note: str = ""


def validate(job: ResolvedJob) -> list[Finding]:
    """Reach catalogue, branch and warehouse before a run reads its first row.

    Raises:
        DativoError: the first thing that can't be reached.
    """
    findings: list[Finding] = []
    for finding in _target(job):
        if finding.error is not None:
            raise finding.error
        findings.append(finding)
    return findings


def inspect(job: ResolvedJob) -> Iterator[Finding]:
    """Try everything a run of the job would reach, one after the other."""
    yield from _target(job)
    told = job.spec.describe(job.options, job.credentials) if job.spec.describe else ()
    yield _found("source", ", ".join((job.spec.name, *told)), lambda: _check_source(job))


def _target(job: ResolvedJob) -> Iterator[Finding]:
    yield _found("catalog", _catalog_address(job), lambda: _check_catalog(job))
    if (nessie := job.target.nessie) is not None:
        yield _found("branch", job.target.branch, lambda: _check_branch(job, nessie))
    yield _found("warehouse", warehouse_location(job), lambda: _check_warehouse(job))


def _found(part: Part, target: str, reach: Callable[[], str]) -> Finding:
    try:
        return Finding(part, target, note=reach())
    except DativoError as error:
        return Finding(part, target, error)
    except OSError as error:
        helps = f"; {remedy(Path(error.filename))}" if isinstance(error, PermissionError) and error.filename else ""
        return Finding(part, target, FatalError(f"{part} {target}: {error.strerror or error}{helps}"))


def _catalog_address(job: ResolvedJob) -> str:
    match job.target.server:
        case NessieConnection(uri=uri) | RestConnection(uri=uri):
            return shown_address(uri)
        case SqlConnection(uri=SecretStr() as uri):
            from dativo_engine.catalogs.sql import shown_database

            return shown_database(uri.get_secret_value())
        case _:
            return str(job.tenant.catalog_file)


def _check_catalog(job: ResolvedJob) -> str:
    with reading_tables(job):
        catalog = open_catalog(job)
        if job.target.nessie is None:  # there a table is looked for on a branch, if there is the branch
            _look_for_tables(job, catalog)
    return ""


def _look_for_tables(job: ResolvedJob, catalog: Catalog) -> None:
    """Ask what a run asks first."""
    name = job.streams[0].table
    try:
        catalog.load_table((*name.namespace, name.table))
    except (NoSuchTableError, NoSuchNamespaceError):
        try:
            with suppress(AuthenticationError):  # whoever may not list may still load
                catalog.list_namespaces()
        except NoSuchNamespaceError as error:
            setting = f"target.connection.{job.target.catalog}"
            message = f"{setting}.warehouse: the catalogue has no such warehouse: {error}"
            raise FatalError(message) from error


def _check_branch(job: ResolvedJob, connection: NessieConnection) -> str:
    from dativo_engine.catalogs.nessie_api import NessieApi

    if NessieApi(connection).branch(job.target.branch) is None:
        return "is not there yet: the first run makes it"
    _look_for_tables(job, open_catalog(job))
    return ""


def _check_warehouse(job: ResolvedJob) -> str:
    """Write, read and delete a probe; a role that may not delete can still load."""
    location = warehouse_location(job)
    probe = f"{location}/_dativo/{job.tenant.id}/{job.name}/probe-{uuid.uuid4().hex}"
    storage = Storage(open_catalog(job).properties)
    with suppress(AuthenticationError):  # whoever may not list may still load
        # Some servers make a bucket for whoever writes to one that is not there.
        next(storage.find(probe), None)
    file = storage.create(probe)
    file.sink.write(PROBE)
    file.finish()
    with storage.open(probe) as stream:
        found = stream.read()
    if found != PROBE:
        raise FatalError(f"warehouse {location}: a probe read back differs from what was written")
    try:
        storage.delete([probe])
    except AuthenticationError:
        return "objects may not be deleted: what failed runs leave behind stays, and `table maintain` can't clean up"
    return ""


def _check_source(job: ResolvedJob) -> str:
    open_source(source_settings(job, memory_bytes=64 * MEBIBYTE)).check()
    return ""
