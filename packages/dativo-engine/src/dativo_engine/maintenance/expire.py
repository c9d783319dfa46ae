"""Snapshots that are old enough go, and with them the files that no other snapshot names.

Stamps survive: where those of the current snapshot are in its summary or in that of one before it that is kept, they
stay there; the properties get a copy in any case.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass

from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.table.update import RemoveSnapshotsUpdate

from dativo_engine.commits.data_files import named_files
from dativo_engine.commits.fence import Edit, Place, land
from dativo_engine.commits.stamp import outdated, standing
from dativo_engine.events import Events
from dativo_engine.storage import storage_of


@dataclass(frozen=True, slots=True)
class Limits:
    """What stays, as moments in the past.

    Attributes:
        snapshots: younger snapshots stay.
        least: and so many of the newest in any case.
        reading: a run that is not over by now may have begun then, so what it may read or stage stays.
        quarantine: rows rejected since then stay.
    """

    snapshots: dt.datetime
    least: int
    reading: dt.datetime
    quarantine: dt.datetime


def expired(metadata: TableMetadata, limits: Limits) -> list[int]:
    """The snapshots that may go: old ones that are no reference's and were no table's present state lately."""
    chain = list(ancestors_of(metadata.current_snapshot(), metadata))
    kept = {ref.snapshot_id for ref in metadata.refs.values()} | {item.snapshot_id for item in chain[: limits.least]}
    followed_at = {before.snapshot_id: after.timestamp_ms for after, before in itertools.pairwise(chain)}
    oldest, reading = (moment.timestamp() * 1000 for moment in (limits.snapshots, limits.reading))
    return [
        snapshot.snapshot_id
        for snapshot in metadata.snapshots
        if snapshot.snapshot_id not in kept
        and snapshot.timestamp_ms < oldest
        and followed_at.get(snapshot.snapshot_id, snapshot.timestamp_ms) < reading
    ]


def expire(place: Place, limits: Limits, events: Events) -> int:
    """Expire a table's old snapshots; answers how many.

    Raises:
        CommitConflictError, CommitStateUnknownError: see `fence.land`.
    """
    bases: list[Table] = []

    def plan(table: Table | None) -> Edit | None:
        doomed = [] if table is None else expired(table.metadata, limits)
        if table is None or not doomed:
            return None
        bases.append(table)
        stamps = standing(table.metadata)
        return Edit(
            snapshot="none",
            updates=(RemoveSnapshotsUpdate.model_validate({"snapshot-ids": doomed}),),
            properties=stamps,
            forgotten=outdated(table.metadata, without=doomed),
        )

    if place.load() is None:
        return 0
    landed = land(place, plan, events)
    if landed.found:
        return 0  # if an answer was lost, what it left is taken for orphans in time
    before = bases[-1]
    gone = named_files(before.metadata, before.io) - named_files(landed.metadata, before.io)
    storage_of(before.io).delete(gone)
    return len(before.metadata.snapshots) - len(landed.metadata.snapshots)
