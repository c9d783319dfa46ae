"""`target.publish`: after a run, what is on the tenant's branch is merged on to where others read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_engine.catalogs.nessie_api import NessieApi
from dativo_engine.catalogs.nessie_wire import ReferenceGoneError
from dativo_engine.commits.fence import LOST_ANSWERS
from dativo_engine.errors import (
    CommitConflictError,
    CommitStateUnknownError,
    DativoError,
    FatalError,
    RetryableError,
)

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob

    from dativo_engine.catalogs.nessie_wire import Branch, Key
    from dativo_engine.events import Events
    from dativo_engine.results import Status


def is_due(job: ResolvedJob, status: Status) -> bool:
    """Whether the job publishes what a run that ended so left on its branch."""
    publish = job.target.publish
    return publish is not None and (status == "success" or publish.when == "always")


def publish_on(job: ResolvedJob, events: Events) -> None:
    """Merge the job's branch on. All of it: also what runs left there that were not followed by a merge.

    Raises:
        RetryableError: Nessie can't be reached; the next run merges it.
        FatalError: a table was changed on the other branch too, or there is no such branch.
    """
    publish, nessie = job.target.publish, job.target.nessie
    if publish is None or nessie is None:
        return
    try:
        changed = _merge(NessieApi(nessie), job.target.branch, publish.to)
    except DativoError as error:
        told = (
            f"the run's rows are on branch {job.target.branch}, but publishing that to {publish.to} failed; "
            f"the next run tries again: {error}"
        )
        raise (RetryableError if isinstance(error, RetryableError) else FatalError)(told) from error
    tables = [".".join(key) for key in changed]
    message = f"Published {job.target.branch} to {publish.to}: {', '.join(tables) or 'it was there already'}"
    events.emit("branch_published", message, branch=job.target.branch, to=publish.to, changed=tables)


def _merge(api: NessieApi, branch: str, to: str) -> tuple[Key, ...]:
    source, into = _existing(api, branch), _existing(api, to)
    lost: CommitStateUnknownError | None = None
    for _ in range(LOST_ANSWERS):
        try:
            return api.merge(source, into, message=f"Publish {branch}", properties={})
        except ReferenceGoneError as error:
            message = (
                f"{error}; one of the two was deleted meanwhile, or {to} was not made from the branch that {branch} "
                "was: who made it has to make it anew from there"
            )
            raise FatalError(message) from error
        except CommitConflictError as error:
            message = f"{error}; who changed it there has to undo that, or to merge the two"
            raise FatalError(message) from error
        except CommitStateUnknownError as error:
            lost = error  # asked again, it is applied once
    message = f"the answer was lost {LOST_ANSWERS} times; the last time: {lost}"
    raise RetryableError(message) from lost


def _existing(api: NessieApi, name: str) -> Branch:
    found = api.branch(name)
    if found is None:
        message = f"there is no branch {name}; make it, or write another one under target.publish.to"
        raise FatalError(message)
    return found
