"""Shows an earlier snapshot of a table again. Where its jobs stand goes back with it."""

from __future__ import annotations

from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.commits.past import past_of
from dativo_engine.commits.stamp import standing
from dativo_engine.errors import FatalError
from dativo_engine.events import Events
from dativo_engine.state.mirror import Mirror


def earlier(job: ResolvedJob, name: TableName, steps: int) -> int:
    """The snapshot so many steps before the present one.

    Raises:
        FatalError: there is no such table, or it has not so many.
    """
    chain = past_of(job, name).chain()
    if steps >= len(chain):
        message = f"{name}: it can go back {max(len(chain) - 1, 0)} snapshots at most, not {steps}"
        raise FatalError(message)
    return chain[steps]


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
    after = past_of(job, name).go_back(snapshot_id, present=present, events=events)
    text = standing(after).get(job.tenant.stamp_property(job.name))
    if text is not None:
        Mirror(job.tenant, job.name).write({name: text})


def current(job: ResolvedJob, name: TableName) -> int | None:
    """The table's present snapshot; None: it has none.

    Raises:
        FatalError: there is no such table.
    """
    return next(iter(past_of(job, name).chain()), None)
