"""Can a job reach what it needs: the catalogue, the warehouse, the source. One answer for each, in seconds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from dativo_config.models.resolved import ResolvedJob
from pyiceberg.catalog import Catalog
from pyiceberg.io import load_file_io

from dativo_engine.catalogs import open_catalog, warehouse_location
from dativo_engine.connectors import open_source
from dativo_engine.errors import DativoError, FatalError
from dativo_engine.memory import MEBIBYTE
from dativo_engine.pipeline import source_settings

Part = Literal["catalog", "warehouse", "source"]
PROBE = b"dativo was here"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a job needs, and whether it was reached.

    Attributes:
        target: the host, folder or connector that was tried.
        error: what went wrong; None: reached.
    """

    part: Part
    target: str
    error: DativoError | None = None


def validate(job: ResolvedJob) -> list[Finding]:
    """Reach catalogue and warehouse before a run reads its first row.

    Raises:
        DativoError: the first thing that can't be reached.
    """
    findings = [_check_catalog(job), _check_warehouse(job)]
    for finding in findings:
        if finding.error is not None:
            raise finding.error
    return findings


def inspect(job: ResolvedJob) -> Iterator[Finding]:
    """Try everything a run of the job would reach, one after the other; writes nothing but a probe, deleted again."""
    yield _check_catalog(job)
    yield _check_warehouse(job)
    told = job.spec.describe(job.options, job.credentials) if job.spec.describe else ()
    yield _found("source", ", ".join((job.spec.name, *told)), lambda: _check_source(job))


def _check_catalog(job: ResolvedJob) -> Finding:
    return _found("catalog", str(job.tenant.catalog_file), lambda: _list_namespaces(open_catalog(job)))


def _check_warehouse(job: ResolvedJob) -> Finding:
    location = warehouse_location(job)
    probe = f"{location}/_dativo/{job.tenant.id}/{job.name}/probe-{uuid.uuid4().hex}"
    return _found("warehouse", location, lambda: _probe(open_catalog(job), probe))


def _found(part: Part, target: str, reach: Callable[[], None]) -> Finding:
    try:
        reach()
    except DativoError as error:
        return Finding(part, target, error)
    except OSError as error:
        return Finding(part, target, FatalError(f"{part} {target}: {error.strerror or error}"))
    return Finding(part, target)


def _list_namespaces(catalog: Catalog) -> None:
    catalog.list_namespaces()


def _probe(catalog: Catalog, location: str) -> None:
    files = load_file_io(catalog.properties, location)
    with files.new_output(location).create() as stream:
        stream.write(PROBE)
    with files.new_input(location).open() as stream:
        found = stream.read()
    files.delete(location)
    if found != PROBE:
        raise FatalError(f"warehouse {location}: a probe read back differs from what was written")


def _check_source(job: ResolvedJob) -> None:
    open_source(source_settings(job, memory_bytes=64 * MEBIBYTE)).check()
