"""THE FLOW of a table's maintenance, safe beside running loads: every change goes through the fence.

quarantine  rejected rows that were kept long enough go
expire      old snapshots go, and the files only they named
compact     small files become large ones
orphans     files that nothing names go
"""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.fence import Place
from dativo_engine.commits.quarantine import Quarantine
from dativo_engine.maintenance.compact import compact, find_groups
from dativo_engine.maintenance.expire import Limits, expire, expired
from dativo_engine.maintenance.orphans import Orphans, find_cursors, find_orphans
from dativo_engine.maintenance.roots import may_delete, roots_of
from dativo_engine.maintenance.work import Kept, Work
from dativo_engine.memory import budget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dativo_engine.events import Events


def survey(job: ResolvedJob, name: TableName, kept: Kept, *, now: dt.datetime | None = None) -> Work | None:
    """What maintenance would do; changes nothing. None: there is no such table.

    Raises:
        FatalError: the catalogue can't be opened.
    """
    catalog = open_catalog(job)
    table = Place(catalog, name).load()
    if table is None:
        return None
    limits = _limits(job, kept, now)
    quarantine = Quarantine(job, name, catalog)
    rejected = quarantine.place.load()
    tables = [table] if rejected is None else [table, rejected]
    groups = find_groups(table, target_file_bytes=job.target.target_file_bytes)
    orphans = _orphans(job, name, catalog, limits)
    return Work(
        table=str(name),
        rejected_rows=sum(run.rows for run in quarantine.runs() if run.rejected_at < limits.quarantine),
        snapshots=sum(len(expired(item.metadata, limits)) for item in tables if may_delete(job, item)),
        small_files=sum(len(group.tasks) for group in groups),
        into_files=None,
        orphans=sum(len(found.files) for found in orphans),
        orphan_bytes=sum(found.size for found in orphans),
    )


def maintain(
    job: ResolvedJob, name: TableName, kept: Kept, events: Events, *, now: dt.datetime | None = None
) -> Work | None:
    """Do what `survey` tells. None: there is no such table.

    Raises:
        CommitConflictError: others are always faster.
        CommitStateUnknownError: an answer was lost, and the table can't be read.
        FatalError: the catalogue can't be opened, the memory limit can't be read, or a delete file can't be applied.
    """
    catalog = open_catalog(job)
    place = Place(catalog, name)
    if place.load() is None:
        return None
    limits = _limits(job, kept, now)
    quarantine = Quarantine(job, name, catalog)
    rejected = quarantine.purge(before=limits.quarantine, events=events)
    # Before compacting: a snapshot that is only now replaced may still be read.
    snapshots = sum(expire(item, limits, events) for item in (place, quarantine.place) if _expires(job, item))
    compacted = compact(job, place, events, memory_bytes=budget(os.environ).writers)
    orphans = _orphans(job, name, catalog, limits)
    for found in orphans:
        found.delete()
    return Work(
        table=str(name),
        rejected_rows=rejected,
        snapshots=snapshots,
        small_files=compacted.before,
        into_files=compacted.after,
        orphans=sum(len(found.files) for found in orphans),
        orphan_bytes=sum(found.size for found in orphans),
    )


def _expires(job: ResolvedJob, place: Place) -> bool:
    """Whether a table's snapshots expire by themselves. On Nessie the past is the branch's, whose commits stay."""
    table = place.load()
    return table is not None and job.target.nessie is None and may_delete(job, table)


def _orphans(job: ResolvedJob, name: TableName, catalog: Catalog, limits: Limits) -> list[Orphans]:
    found = [(place, place.load()) for place in (Place(catalog, item) for item in (name, name.quarantine))]
    tables = [(place, table) for place, table in found if table is not None]
    if not all(may_delete(job, table) for _, table in tables):
        return []
    roots = roots_of(job, catalog, tables[0][1].io, limits)
    orphans = (found for place, _ in tables for found in find_orphans(job.tenant, place, roots, limits))
    return [*orphans, find_cursors(job, catalog, roots, limits)]


def _limits(job: ResolvedJob, kept: Kept, now: dt.datetime | None) -> Limits:
    now = now or dt.datetime.now(dt.UTC)
    return Limits(
        snapshots=now - dt.timedelta(days=kept.days),
        least=kept.snapshots,
        reading=now - dt.timedelta(seconds=job.outlived_seconds),
        quarantine=now - dt.timedelta(days=kept.quarantine_days),
    )
