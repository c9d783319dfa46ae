"""Shows an earlier snapshot of a table again. Where its jobs stand goes back with it."""

from __future__ import annotations

from dativo_config.models.resolved import ResolvedJob, TableName
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import SetSnapshotRefUpdate, update_table_metadata

from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.fence import Edit, Place, land
from dativo_engine.commits.stamp import standing
from dativo_engine.errors import CommitConflictError, FatalError
from dativo_engine.events import Events
from dativo_engine.state.mirror import Mirror


def earlier(job: ResolvedJob, name: TableName, steps: int) -> int:
    """The snapshot so many steps before the present one.

    Raises:
        FatalError: there is no such table, or it has not so many.
    """
    table = _existing(name, Place(open_catalog(job), name).load())
    chain = list(ancestors_of(table.current_snapshot(), table.metadata))
    if steps >= len(chain):
        message = f"{name}: it can go back {max(len(chain) - 1, 0)} snapshots at most, not {steps}"
        raise FatalError(message)
    return chain[steps].snapshot_id


def roll_back(job: ResolvedJob, name: TableName, snapshot_id: int, *, present: int | None, events: Events) -> None:
    """Make a snapshot the table's present state.

    Args:
        job: one that loads the table; its mirror is repaired.
        snapshot_id: any that the table keeps: one from before, or one that was rolled back.
        present: the snapshot that the caller saw as current: what came since is not rolled back unseen.

    Raises:
        FatalError: there is no such table or snapshot.
        CommitConflictError: another commit came in between, or others are always faster.
        CommitStateUnknownError: the answer was lost, and the table can't be read.
    """

    def plan(found: Table | None) -> Edit | None:
        table = _existing(name, found)
        _kept(table, snapshot_id, name)
        if table.metadata.current_snapshot_id == snapshot_id:
            return None
        if table.metadata.current_snapshot_id != present:
            message = f"{name}: another commit came meanwhile; look at `dativo table snapshots` and try again"
            raise CommitConflictError(message)
        update = SetSnapshotRefUpdate.model_validate(
            {"ref-name": MAIN_BRANCH, "type": "branch", "snapshot-id": snapshot_id}
        )
        after = update_table_metadata(table.metadata, (update,))
        return Edit(snapshot="none", updates=(update,), properties=standing(after))

    landed = land(Place(open_catalog(job), name), plan, events)
    text = standing(landed.metadata).get(job.tenant.stamp_property(job.name))
    if text is not None:
        Mirror(job.tenant, job.name).write({name: text})


def current(job: ResolvedJob, name: TableName) -> int | None:
    """The table's present snapshot; None: it has none.

    Raises:
        FatalError: there is no such table.
    """
    return _existing(name, Place(open_catalog(job), name).load()).metadata.current_snapshot_id


def _existing(name: TableName, table: Table | None) -> Table:
    if table is None:
        message = f"{name}: there is no such table"
        raise FatalError(message)
    return table


def _kept(table: Table, snapshot_id: int, name: TableName) -> Snapshot:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        message = f"{name}: it has no snapshot {snapshot_id}; `dativo table snapshots` lists them"
        raise FatalError(message)
    return snapshot
