"""What must stay: every file that a reader may open, and every cursor that a job may go on from.

In most catalogues that is what the tables' present metadata names. On Nessie it is what any branch or tag shows, or
showed at any commit since the moment up to which the past is kept: a run's own branch is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.table import Table

from dativo_engine.catalogs.locations import canonical
from dativo_engine.commits.data_files import named_files
from dativo_engine.commits.reachable import Walk, files_of, metadata_of
from dativo_engine.commits.stamp import kept_stamps

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob

    from dativo_engine.catalogs.nessie_api import NessieApi
    from dativo_engine.catalogs.nessie_wire import TableState
    from dativo_engine.maintenance.expire import Limits

# Iceberg's own switch. Nessie sets it for every table, since most tools see one branch only; this one sees them all.
GC = "gc.enabled"


class Roots(Protocol):
    """A catalogue's. Each question is asked anew: what was true of a run a moment ago may not be now."""

    def folders(self) -> set[str]:
        """Where tables lie."""
        ...

    def files(self, table: Table) -> set[str]:
        """What readers of a table may open."""
        ...

    def stamps(self) -> set[str]:
        """All stamps that a run may be planned from, encoded."""
        ...


@dataclass(frozen=True, slots=True)
class Present:
    """See `Roots`: tables whose metadata names all that is kept of them."""

    catalog: Catalog

    def folders(self) -> set[str]:
        """See `Roots.folders`."""
        return {table.metadata.location.rstrip("/") for table in _tables(self.catalog)}

    def files(self, table: Table) -> set[str]:
        """See `Roots.files`."""
        now = table.refresh()
        logged = (entry.metadata_file for entry in now.metadata.metadata_log)
        return {*named_files(now.metadata, now.io), now.metadata_location, *logged}

    def stamps(self) -> set[str]:
        """See `Roots.stamps`."""
        return {text for table in _tables(self.catalog) for text in kept_stamps(table.metadata)}


@dataclass(frozen=True, slots=True)
class Branches:
    """See `Roots`: Nessie.

    Attributes:
        walk: goes back to the moment before which what is shown no more may go.
    """

    job: ResolvedJob
    api: NessieApi
    io: FileIO
    walk: Walk

    def folders(self) -> set[str]:
        """See `Roots.folders`."""
        return {_folder(state) for state in self._states()}

    def files(self, table: Table) -> set[str]:
        """See `Roots.files`: of all tables that lie where it does, on whatever branch and under whatever name."""
        folder = canonical(table.metadata.location).rstrip("/")
        return files_of([state for state in self._states() if canonical(_folder(state)) == folder], table.io)

    def stamps(self) -> set[str]:
        """See `Roots.stamps`: in the tables of the tenant's namespaces, and of the job."""
        own = {(*stream.table.namespace, stream.table.table) for stream in self.job.streams}
        found = [state for state in self._states() if state.key in own or self.job.tenant.owns(state.key[0])]
        return {text for state in found for text in kept_stamps(metadata_of(state, self.io))}

    def _states(self) -> list[TableState]:
        return self.walk.states(self.api.references())


def roots_of(job: ResolvedJob, catalog: Catalog, io: FileIO, limits: Limits) -> Roots:
    """The roots of the catalogue that a job's tables are in."""
    if job.target.nessie is None:
        return Present(catalog)
    from dativo_engine.catalogs.nessie_api import NessieApi

    api = NessieApi(job.target.nessie)
    return Branches(job, api, io, Walk(api, since=min(limits.snapshots, limits.reading)))


def may_delete(job: ResolvedJob, table: Table) -> bool:
    """Whether files of a table may be deleted: not where its owner said `gc.enabled: false`."""
    says = job.target.properties.get(GC)
    if says is None and job.target.nessie is None:
        says = table.properties.get(GC)
    return says != "false"


def _folder(state: TableState) -> str:
    """Where a table lies: its metadata is in a folder of that name there."""
    return state.metadata_location.rpartition("/metadata/")[0]


def _tables(catalog: Catalog, namespace: tuple[str, ...] = ()) -> Iterator[Table]:
    """All tables of the catalogue, those in namespaces inside of namespaces too."""
    for inner in catalog.list_namespaces(namespace):
        for identifier in catalog.list_tables(inner):
            yield catalog.load_table(identifier)
        yield from _tables(catalog, inner)
