"""Where a job stands: what `dativo state show` prints and `state reset` changes. The truth is in the tables."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.catalogs import open_catalog
from dativo_engine.interfaces import Stamp
from dativo_engine.state.mirror import Mirror

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    from dativo_engine.events import Events


@dataclass(frozen=True, slots=True)
class Standing:
    """A job's place in one of its tables.

    Attributes:
        exists: whether the table does.
        rows: in the table, of all jobs.
        stamp: the job's; None: it has none, and its next run starts from the beginning, or fails and says why.
        mirror: what the state folder's copy says; None: nothing.
        other_jobs: jobs whose stamps the table has as well.
    """

    table: TableName
    exists: bool
    rows: int
    stamp: Stamp | None
    mirror: JsonValue
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
                mirror=mirror.get(str(name)),
                other_jobs=tuple(sorted(other.job for other in stamps.values())),
            )
        )
    return found


def reset(job: ResolvedJob, table: TableName, events: Events) -> Stamp:
    """Commit a stamp without cursors to a table, so that the job's next run starts from the beginning.

    Raises:
        FatalError: there is no such table.
        CommitConflictError: others are always faster.
        CommitStateUnknownError: the answer was lost, and the table can't be read.
    """
    from dativo_engine.commits.stamps import restamp

    run_id = f"reset-{uuid.uuid4().hex}"

    def revise(stamp: Stamp | None) -> Stamp:
        return Stamp(
            job=job.name,
            tenant=job.tenant.id,
            run_id=run_id,
            attempt=1,
            cursors={},
            versions={} if stamp is None else stamp.versions,
            quarantine=() if stamp is None else stamp.quarantine,
        )

    return restamp(job, table, open_catalog(job), revise, events)
