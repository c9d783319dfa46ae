"""Write, audit, publish: a run changes its tables on a branch of its own, and one merge shows all of them.

    branch   from where the tenant's branch is now
    land     every part on the run's branch, where nobody competes
    audit    what landed there
    merge    into the tenant's branch, as one commit; the run's branch is deleted

The merge is the fence: Nessie refuses it if a table that the run changed was changed on the tenant's branch since the
run's branch was made. Then the run begins anew on a new branch; its parts, planned again on what is there now, say
whether they still may land. A merge whose answer was lost is resolved by asking Nessie what of the run's branch is not
on the tenant's yet. Asking again for a merge that was applied applies nothing, so a request on its way does no harm.

A run that is killed may have asked for its merge just before. Deleting its branch does not call that back: Nessie may
have looked the branch up already. Its branch and its files therefore stay while the merge would still be carried out,
until the next run's merge has changed the same tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dativo_config.tenancy import parse_run_branch
from pyiceberg.catalog import Catalog

from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.nessie_wire import Branch, ReferenceGoneError
from dativo_engine.commits.fence import LOST_ANSWERS, TRIES, Landed, Place, make_namespace, paced
from dativo_engine.commits.points import reach
from dativo_engine.commits.publication import Part
from dativo_engine.commits.reachable import KEPT, files_of, states
from dativo_engine.errors import CommitConflictError, CommitStateUnknownError, DativoError

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob

    from dativo_engine.catalogs.nessie_api import NessieApi
    from dativo_engine.commits.asked import Asked
    from dativo_engine.events import Events

# What merges note of the run that asked for them.
RUN = "dativo.run"


class Branched:
    """All parts in one merge. See `publication.Publication`."""

    def __init__(self, job: ResolvedJob, api: NessieApi, *, run_id: str, attempt: int, events: Events) -> None:
        self._job = job
        self._api = api
        self._run_id = run_id
        self._attempt = attempt
        self._events = events
        self._left_behind = False
        api.tenant_branch(job.target.branch)
        self._catalog = open_catalog(job)

    @property
    def catalog(self) -> Catalog:
        """See `Publication.catalog`: the tenant's branch."""
        return self._catalog

    @property
    def left_behind(self) -> bool:
        """See `Publication.left_behind`: a branch of the run's."""
        return self._left_behind

    def publish(self, parts: Sequence[Part]) -> None:
        """See `Publication.publish`."""
        # Made on two branches, one namespace would be two, and the second merge refused.
        for namespace in dict.fromkeys(part.table.namespace for part in parts):
            make_namespace(self.catalog, namespace)
        refused: CommitConflictError | None = None
        for turn in paced():
            base = self._api.tenant_branch(self._job.target.branch)
            with self._run_branch(base, turn + 1) as branch:
                refused = self._publish_on(branch, base, parts)
            if refused is None:
                return
        told = f"{TRIES} merges in a row lost against other writers; the last time: {refused}"
        message = f"branch {self._job.target.branch}: {told}"
        raise CommitConflictError(message) from refused

    def _publish_on(self, branch: str, base: Branch, parts: Sequence[Part]) -> CommitConflictError | None:
        """Land the parts on a branch and merge it. An error: a table moved meanwhile, and nothing was merged."""
        catalog = open_catalog(self._job, branch=branch)
        landed = [part.land(catalog) for part in parts]
        tip = self._api.branch(branch)
        if tip is None:
            message = f"branch {branch} was deleted while the run wrote on it"
            raise CommitConflictError(message)
        if tip.hash != base.hash:
            for part, state in zip(parts, landed, strict=True):
                self._audit(part, state)
            reach("before_merge")
            if (refused := self._merge(tip, base)) is not None:
                return refused
            reach("after_merge")
        for part, state in zip(parts, landed, strict=True):
            part.settle(state)
        return None

    def _audit(self, part: Part, landed: Landed | None) -> None:
        if landed is not None:
            part.audit(landed)

    @contextmanager
    def _run_branch(self, base: Branch, turn: int) -> Generator[str]:
        """A branch of the run's own, deleted at the end unless what became of its merge is not known."""
        name = self._job.tenant.run_branch(self._job.name, self._run_id, self._attempt, turn)
        made = self._api.ensure(name, base)
        if made.hash != base.hash:
            # An orchestrator gave this attempt's name to one that was killed.
            self._drop(name)
            self._api.ensure(name, base)
        reach("after_branch")
        try:
            yield name
        except CommitStateUnknownError:
            raise
        except BaseException:
            self._drop(name)
            raise
        else:
            self._drop(name)

    def _merge(self, tip: Branch, base: Branch) -> CommitConflictError | None:
        """Merge the run's branch. An error: refused, because a table moved.

        Raises:
            CommitStateUnknownError: an answer was lost, and nothing that came after it tells what became of the merge.
        """
        message = f"Run {self._run_id} of job {self._job.name}"
        noted = {RUN: f"{self._job.tenant.id}/{self._job.name}/{self._run_id}/{self._attempt}"}
        lost: CommitStateUnknownError | None = None
        try:
            for _ in range(LOST_ANSWERS):
                try:
                    self._api.merge(tip, base, message=message, properties=noted)
                except CommitStateUnknownError as error:
                    lost = error
                    told = f"Nessie's answer to the merge of {tip.name} was lost, looking whether it happened"
                    self._events.emit("commit_answer_lost", told, level="WARNING", error=str(error))
                    if self._api.unmerged(tip, base):
                        continue
                return None
            reason = f"so were {LOST_ANSWERS - 1} more"
        except DativoError as error:
            # That a branch is gone is no answer: it may have been merged before.
            refused = isinstance(error, CommitConflictError) and not isinstance(error, ReferenceGoneError)
            if lost is not None and not refused:
                reason = f"what came then does not tell whether it happened: {error}"
            elif isinstance(error, CommitConflictError):
                told = f"{base.name}: another commit was first, trying again on top of it"
                self._events.emit("commit_retry", told, level="DEBUG", error=str(error))
                return error
            else:
                raise
        message = f"Nessie's answer to the merge of {tip.name} was lost, and {reason}; the last time: {lost}"
        raise CommitStateUnknownError(message) from lost

    def forget(self, runs: Mapping[str, Collection[Asked]], *, living: Collection[str]) -> set[str]:
        """See `Publication.forget`."""
        oldest = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self._job.outlived_seconds)
        waiting = set[str]()
        for branch in self._api.branches(self._job.tenant.run_branches(self._job.name)):
            run = parse_run_branch(branch.name)
            if run is None or run.run_id in living:
                continue
            if run.begun_at is not None and run.begun_at < oldest:
                self._drop(branch.name)
            elif run.run_id in runs:
                if self._may_be_merged(branch):
                    waiting.add(run.run_id)
                else:
                    self._drop(branch.name)
        return waiting

    def _may_be_merged(self, branch: Branch) -> bool:
        """Whether a merge that a dead run asked for changes something, should it be carried out only now."""
        try:
            return bool(self._api.unmerged(branch, self._api.tenant_branch(self._job.target.branch)))
        except CommitConflictError:
            return False

    def named(self, places: Sequence[Place]) -> set[str]:
        """See `Publication.named`."""
        tables = [table for place in places if (table := place.load()) is not None]
        head = self._api.branch(self._job.target.branch)
        if not tables or head is None:
            return set()
        keys = {place.identifier for place in places}
        since = dt.datetime.now(dt.UTC) - KEPT
        return files_of(states(self._api, [head], since=since, wanted=lambda state: state.key in keys), tables[0].io)

    def _drop(self, name: str) -> None:
        """Delete a run branch. What the run did is done: a branch that stays is told, and the next run's to delete."""
        try:
            branch = self._api.branch(name)
            if branch is None or self._api.delete(branch):
                return
            reason = "someone writes on it"
        except DativoError as error:
            reason = str(error)
        self._left_behind = True
        message = f"The run branch {name} stays until the next run: {reason}"
        self._events.emit("run_branch_kept", message, level="WARNING", branch=name)
