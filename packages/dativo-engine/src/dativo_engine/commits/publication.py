"""How what a run changes becomes visible: table by table, or all at once where the catalogue has branches."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyiceberg.catalog import Catalog

from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.asked import Asked, state_of
from dativo_engine.commits.data_files import referenced_paths
from dativo_engine.commits.fence import Landed, Place

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob, TableName

    from dativo_engine.events import Events


@dataclass(frozen=True, slots=True)
class Part:
    """What a run changes in one table.

    Attributes:
        table: or the quarantine of one.
        land: makes the change in the table as a catalogue has it; None: there was nothing to change. Each call plans
            it anew, for what that catalogue shows.
        audit: raises AuditError if what landed is not what was meant to; called where readers can't see it yet.
        settle: called once with what `land` answered, when readers see it.
    """

    table: TableName
    land: Callable[[Catalog], Landed | None]
    audit: Callable[[Landed], None]
    settle: Callable[[Landed | None], None]


class Publication(Protocol):
    """The way from a run's changes to what readers see."""

    @property
    def catalog(self) -> Catalog:
        """What readers see: where a run looks before it plans."""
        ...

    @property
    def left_behind(self) -> bool:
        """Whether something of this run stayed where readers don't look, for a later run to `forget`."""
        ...

    def forget(self, runs: Mapping[str, Collection[Asked]], *, living: Collection[str]) -> set[str]:
        """Take away what these runs of the job, which are no more, left where readers don't look.

        What any other run left goes too if it began so long ago that it can't go on, unless it is known to be `living`.

        Answers those of which something may yet become visible, by a request that is still on its way. What they left
        stays, and so must their files, until another change to their tables makes that impossible.

        Args:
            runs: run id -> the commits that it asked for.
        """
        ...

    def named(self, places: Sequence[Place]) -> set[str]:
        """The data files of tables that readers see, or may go back to."""
        ...

    def publish(self, parts: Sequence[Part]) -> None:
        """Make all parts visible, in their order, each once.

        Raises:
            AuditError: what the run wrote is not what it meant to write; nothing is visible.
            CommitConflictError: another run of this job was first; plan again.
            CommitStateUnknownError: the answer was lost, and nobody can be asked; the parts may be visible.
        """
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """Each part is a commit of its own: catalogues that commit one table at a time. See `Publication`.

    Attributes:
        late_seconds: how long after a commit was asked for the catalogue may carry it out, if the process that asked is
            no more; 0: such a request ended with it.
    """

    catalog: Catalog
    late_seconds: float
    left_behind: bool = False

    def forget(
        self,
        runs: Mapping[str, Collection[Asked]],
        *,
        living: Collection[str],  # noqa: ARG002 - what is on its way is noted for dead runs only
    ) -> set[str]:
        """See `Publication.forget`."""
        since = time.time() - self.late_seconds
        late = {run_id: [request for request in asked if request.at > since] for run_id, asked in runs.items()}
        tables = {request.table for asked in late.values() for request in asked}
        states = {table: state_of(Place(self.catalog, table).load()) for table in tables}
        return {run_id for run_id, asked in late.items() if any(item.base == states[item.table] for item in asked)}

    def named(self, places: Sequence[Place]) -> set[str]:
        """See `Publication.named`."""
        tables = [table for table in (place.load() for place in places) if table is not None]
        return {path for table in tables for path in referenced_paths(table.metadata, table.io)}

    def publish(self, parts: Sequence[Part]) -> None:
        """See `Publication.publish`."""
        for part in parts:
            part.settle(part.land(self.catalog))


def late_seconds(job: ResolvedJob) -> float:
    """`Direct.late_seconds` of the job's catalogue: the embedded one is in the process itself."""
    return 0 if job.target.server is None else job.outlived_seconds


def open_publication(job: ResolvedJob, *, run_id: str, attempt: int, events: Events) -> Publication:
    """The way that the job's catalogue has.

    Raises:
        AuthenticationError, ConnectionFailedError, RetryableError, FatalError: the catalogue can't be opened.
    """
    if job.target.nessie is None:
        return Direct(open_catalog(job), late_seconds(job))
    # HTTP, which other catalogues do without.
    from dativo_engine.catalogs.nessie_api import NessieApi
    from dativo_engine.commits.branches import Branched

    return Branched(job, NessieApi(job.target.nessie), run_id=run_id, attempt=attempt, events=events)
