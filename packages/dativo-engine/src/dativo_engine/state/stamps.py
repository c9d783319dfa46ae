"""Where a job stands: what `dativo state show` prints and the other `state` commands change.

The truth is in the tables.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.catalogs import ensure_branch, open_catalog
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor, Stamp
from dativo_engine.state.mirror import Mirror

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    from dativo_engine.events import Events


MirrorState = Literal["same", "differs", "missing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A job's place in one of its tables.

    Attributes:
        exists: whether the table does.
        rows: in the table, of all jobs.
        stamp: the job's; None: it has none, and its next run starts from the beginning, or fails and says why.
        mirror: whether the state folder's copy says the same; the next run repairs it.
        other_jobs: jobs whose stamps the table has as well.
    """

    table: TableName
    exists: bool
    rows: int
    stamp: Stamp | None
    mirror: MirrorState
    other_jobs: tuple[str, ...]


def show(job: ResolvedJob) -> list[Standing]:
    """Where the job stands in each of its tables.

    Raises:
        FatalError: a stamp can't be read.
    """
    from dativo_engine.commits.data_files import stored_rows
    from dativo_engine.commits.fence import Place
    from dativo_engine.commits.stamp import standing
    from dativo_engine.commits.stamps import codec

    catalog = open_catalog(job)
    keeper = codec(job, catalog)
    mirror = Mirror(job.tenant, job.name).read()
    found: list[Standing] = []
    for name in dict.fromkeys(stream.table for stream in job.streams):
        table = Place(catalog, name).load()
        texts = {} if table is None else standing(table.metadata)
        stamps = {key: keeper.decode(text) for key, text in texts.items()}
        stamp = stamps.pop(keeper.key, None)
        found.append(
            Standing(
                table=name,
                exists=table is not None,
                rows=0 if table is None else stored_rows(table.metadata),
                stamp=stamp,
                mirror=_compare(texts.get(keeper.key), mirror.get(str(name))),
                other_jobs=tuple(sorted(other.job for other in stamps.values())),
            )
        )
    return found


def _compare(stamp: str | None, copy: JsonValue) -> MirrorState:
    if copy is None:
        return "same" if stamp is None else "missing"
    return "same" if stamp is not None and json.loads(stamp) == copy else "differs"


def reset(job: ResolvedJob, table: TableName, events: Events) -> Stamp:
    """Commit a stamp without cursors to a table, so that the job's next run starts from the beginning.

    Raises:
        FatalError: there is no such table.
        CommitConflictError: others are always faster.
        CommitStateUnknownError: the answer was lost, and the table can't be read.
    """
    return _restamp(job, table, lambda _: {}, events, kind="reset")


def set_cursors(job: ResolvedJob, table: TableName, cursors: Mapping[str, Cursor], events: Events) -> Stamp:
    """Commit a stamp with these cursors to a table; streams that they do not name stay where they are.

    A table that is not there yet is made, so that the job's first run begins there.

    Raises:
        FatalError, CommitConflictError, CommitStateUnknownError: as in `reset`.
    """

    def revise(stamp: Stamp | None) -> Mapping[str, Cursor]:
        return {**({} if stamp is None else stamp.cursors), **cursors}

    return _restamp(job, table, revise, events, kind="set", creates=True)


def adopt(job: ResolvedJob, table: TableName, cursors: Mapping[str, Cursor], events: Events) -> Stamp:
    """Make a table with rows, in which the job has no stamp, one that it goes on loading, from these cursors.

    Does nothing where the job loads the table already and stands there.

    Raises:
        FatalError: there is no such table, or the job stands elsewhere in it.
        CommitConflictError, CommitStateUnknownError: as in `reset`.
    """

    def revise(stamp: Stamp | None) -> Mapping[str, Cursor]:
        if stamp is not None and not cursors.items() <= stamp.cursors.items():
            message = f"{table}: job {job.name} has a cursor in it already; `dativo state set` moves it"
            raise FatalError(message)
        return cursors if stamp is None else stamp.cursors

    return _restamp(job, table, revise, events, kind="adopt")


def take_over(job: ResolvedJob, table: TableName, old: str, events: Events) -> Stamp:
    """Go on where the tenant's job `old` stands in a table: what a rename of the job asks for.

    The mirror of `old` stays: should a job of that name run again, it fails and does not load everything anew.

    Raises:
        FatalError: `old` has no stamp in the table, or both have one.
        CommitConflictError, CommitStateUnknownError: as in `reset`.
    """
    from dativo_engine.commits import stamps

    return _mirrored(job, table, stamps.take_over(job, table, open_catalog(job), old, events))


def _restamp(
    job: ResolvedJob,
    table: TableName,
    cursors: Callable[[Stamp | None], Mapping[str, Cursor]],
    events: Events,
    *,
    kind: str,
    creates: bool = False,
) -> Stamp:
    """Commit the job's stamp with other cursors. Nothing is committed where they are those that stand."""
    from dativo_engine.commits.layout import wanted
    from dativo_engine.commits.stamps import restamp

    run_id = f"{kind}-{uuid.uuid4().hex}"
    stream = next(stream for stream in job.streams if stream.table == table)

    def revise(stamp: Stamp | None) -> Stamp:
        new = cursors(stamp)
        if stamp is not None and new == stamp.cursors:
            return stamp
        return Stamp(
            job=job.name,
            tenant=job.tenant.id,
            run_id=run_id,
            attempt=1,
            cursors=new,
            versions={} if stamp is None else stamp.versions,
            quarantine=() if stamp is None else stamp.quarantine,
        )

    creation = None
    if creates:
        ensure_branch(job)
        creation = wanted(job, stream).creation()
    return _mirrored(job, table, restamp(job, table, open_catalog(job), revise, events, creation=creation))


def _mirrored(job: ResolvedJob, table: TableName, stamp: Stamp) -> Stamp:
    """Repair the mirror from what now stands in the table."""
    from dativo_engine.commits.stamps import codec

    Mirror(job.tenant, job.name).write({table: codec(job, open_catalog(job)).encode(stamp)})
    return stamp
