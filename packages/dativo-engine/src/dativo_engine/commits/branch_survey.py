"""What a tenant has on Nessie's branches, as `dativo branches` prints it: what is not merged on, and what runs left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dativo_config.tenancy import RunBranch, parse_run_branch

from dativo_engine.catalogs.nessie_api import NessieApi
from dativo_engine.errors import CommitConflictError

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from dativo_config.models.resolved import ResolvedJob

    from dativo_engine.catalogs.nessie_wire import Branch


@dataclass(frozen=True, slots=True)
class BranchView:
    """A branch that a tenant's jobs write to, or that has the tenant's name.

    Attributes:
        into: where it is to be merged on: the job's `target.publish.to`, else the server's default branch.
        unmerged: tables that a merge would change there.
        conflict: why it can't be merged; empty: it can.
        committed_at: when it last changed, RFC 3339.
    """

    branch: str
    tenant: str
    into: str
    unmerged: tuple[str, ...]
    conflict: str
    committed_at: str


@dataclass(frozen=True, slots=True)
class RunBranchView:
    """A run's own branch: of one that goes on, or was killed.

    Attributes:
        age_seconds: since the run began; None: its id, which an orchestrator gave, does not say.
    """

    branch: str
    tenant: str
    job: str
    run_id: str
    attempt: int
    age_seconds: int | None


@dataclass(frozen=True, slots=True)
class Survey:
    """One tenant on one server."""

    uri: str
    branches: tuple[BranchView, ...]
    runs: tuple[RunBranchView, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """An entry of `dativo branches --json`: documented, stable names."""
        return asdict(self)


def survey(jobs: Sequence[ResolvedJob], *, now: dt.datetime | None = None) -> Survey | None:
    """The branches of one tenant, whose jobs these are, on the server of the first; None: none of them is on Nessie.

    Raises:
        ConnectionFailedError, RetryableError, AuthenticationError, FatalError: the server can't be asked.
    """
    on_nessie = [(job, server) for job in jobs if (server := job.target.nessie) is not None]
    if not on_nessie:
        return None
    first, server = on_nessie[0]
    api, tenant = NessieApi(server), first.tenant
    into = {job.target.branch: job.target.publish.to for job, _ in on_nessie if job.target.publish is not None}
    named = {job.target.branch for job, _ in on_nessie}
    default = api.default_branch()
    branches, runs = list[BranchView](), list[RunBranchView]()
    for branch in api.branches():
        run = parse_run_branch(branch.name)
        if run is not None and run.tenant_id == tenant.id:
            runs.append(_run_view(run, now or dt.datetime.now(dt.UTC)))
        elif run is None and (tenant.owns(branch.name) or branch.name in named):
            target = _other(api, into.get(branch.name, ""), default)
            branches.append(_view(api, branch, tenant.id, target))
    return Survey(api.uri, tuple(branches), tuple(runs))


def _other(api: NessieApi, name: str, default: Branch) -> Branch:
    return (api.branch(name) if name else None) or default


def _view(api: NessieApi, branch: Branch, tenant: str, into: Branch) -> BranchView:
    unmerged: Iterable[tuple[str, ...]] = ()
    conflict = ""
    if branch.name != into.name:
        try:
            unmerged = api.unmerged(branch, into)
        except CommitConflictError as error:
            conflict = str(error)
    newest = next(iter(api.history(branch)), None)
    return BranchView(
        branch=branch.name,
        tenant=tenant,
        into=into.name,
        unmerged=tuple(sorted(".".join(key) for key in unmerged)),
        conflict=conflict,
        committed_at="" if newest is None else newest.committed_at.isoformat(timespec="seconds"),
    )


def _run_view(run: RunBranch, now: dt.datetime) -> RunBranchView:
    age = None if run.begun_at is None else int((now - run.begun_at).total_seconds())
    return RunBranchView(run.name, run.tenant_id, run.job, run.run_id, run.attempt, age)
