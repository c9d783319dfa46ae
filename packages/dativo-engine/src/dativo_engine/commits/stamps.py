"""Reads a job's stamp, and commits a new one without rows: what the `state` commands do to a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dativo_config.models.resolved import ResolvedJob, TableName
from pyiceberg.catalog import Catalog
from pyiceberg.io import load_file_io
from pyiceberg.table import Table

from dativo_engine.catalogs import warehouse_location
from dativo_engine.commits.fence import Edit, Place, land
from dativo_engine.commits.stamp import StampCodec, standing
from dativo_engine.errors import FatalError
from dativo_engine.events import Events
from dativo_engine.interfaces import Stamp

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

Revise = Callable[[Stamp | None], Stamp]
"""The next stamp, from the one that stands."""


def codec(job: ResolvedJob, catalog: Catalog) -> StampCodec:
    """What writes and reads the job's stamps."""
    warehouse = warehouse_location(job)
    return StampCodec(job.tenant, job.name, warehouse, load_file_io(catalog.properties, warehouse))


def sealed(stamp: Stamp, keeper: StampCodec) -> Callable[[int], Mapping[str, str]]:
    """The stamp's text under its key, once the id of the snapshot it comes with is known."""

    def mark(snapshot_id: int) -> Mapping[str, str]:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {keeper.key: keeper.encode(replace(stamp, snapshot_id=snapshot_id, committed_at=now))}

    return mark


def restamp(
    job: ResolvedJob,
    name: TableName,
    catalog: Catalog,
    revise: Revise,
    events: Events,
    *,
    creation: TableMetadata | None = None,
) -> Stamp:
    """Commit a new stamp of the job to a table, with an empty snapshot.

    Args:
        creation: the table as it is made where there is none.

    Raises:
        FatalError: there is no such table, and none is to be made.
        CommitConflictError, CommitStateUnknownError: see `fence.land`.
    """
    keeper = codec(job, catalog)

    def plan(table: Table | None) -> Edit | None:
        if table is None and creation is None:
            message = (
                f"{name}: there is no such table, so no stamp to write; the job's next run starts from the beginning"
            )
            raise FatalError(message)
        stamps = {} if table is None else standing(table.metadata)
        now = keeper.decode(stamps[keeper.key]) if keeper.key in stamps else None
        new = revise(now)
        if now is not None and replace(new, snapshot_id=now.snapshot_id, committed_at=now.committed_at) == now:
            return None
        return Edit(marks=sealed(new, keeper), carried=stamps)

    landed = land(Place(catalog, name, creation), plan, events)
    return keeper.decode(standing(landed.metadata)[keeper.key])


def take_over(job: ResolvedJob, name: TableName, catalog: Catalog, old: str, events: Events) -> Stamp:
    """Move the stamp of the tenant's job `old` to this job's name, in one commit.

    Raises:
        FatalError: `old` has no stamp in the table, or both have one.
        CommitConflictError, CommitStateUnknownError: see `fence.land`.
    """
    keeper = codec(job, catalog)
    old_key = job.tenant.stamp_property(old)

    def plan(table: Table | None) -> Edit | None:
        stamps = {} if table is None else standing(table.metadata)
        if keeper.key in stamps and old_key not in stamps:
            return None
        if keeper.key in stamps or old_key not in stamps:
            message = f"{name}: there is no stamp of job {old}"
            if keeper.key in stamps:
                message = (
                    f"{name}: jobs {old} and {job.name} have both loaded rows, so neither can take the other's place"
                )
            raise FatalError(message)
        moved = replace(keeper.decode(stamps[old_key]), job=job.name)
        others = {key: text for key, text in stamps.items() if key != old_key}
        forgotten = [old_key] if table is not None and old_key in table.properties else []
        return Edit(marks=sealed(moved, keeper), carried=others, forgotten=forgotten)

    landed = land(Place(catalog, name), plan, events)
    return keeper.decode(standing(landed.metadata)[keeper.key])
