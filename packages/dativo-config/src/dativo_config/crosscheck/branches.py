"""Which of Nessie's branches a job writes to and publishes to, and that there is a Nessie where it wants one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dativo_config.draft import Draft
from dativo_config.problems import Problem

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_MAX_LENGTH = 128


def check_branches(draft: Draft, shared: Sequence[str]) -> Iterator[Problem]:
    """`target.branch`, `target.publish` and `target.audit`.

    Args:
        shared: branches that the operator opened to every tenant.
    """
    target = draft.job.target
    publish = target.publish
    if target.branch is not None:
        wrong = list(_branch(draft, ("target", "branch"), target.branch, shared))
        yield from wrong or _without_branches(draft, target.branch)
    if publish is not None:
        yield from _branch(draft, ("target", "publish", "to"), publish.to, shared)
        if publish.to == (target.branch or draft.tenant.default_branch):
            yield draft.problem(
                ("target", "publish", "to"), "is the branch that the job writes to", hint="leave it out"
            )
    yield from _catalog(draft)


def _branch(draft: Draft, at: tuple[str, ...], branch: str, shared: Sequence[str]) -> Iterator[Problem]:
    shown, tenant = draft.shown(at, branch), draft.tenant.id
    if not _NAME.fullmatch(branch) or ".." in branch or branch.endswith(".") or len(branch) > _MAX_LENGTH:
        yield draft.problem(at, f"{shown} is no branch name", hint="use letters, digits, _ . -, a letter first")
    elif "__run__" in branch:
        yield draft.problem(at, f"{shown} is a name that runs give their own branches", hint="write another one")
    elif not draft.tenant.owns(branch) and branch not in shared:
        hint = (
            f"write {tenant} or {tenant}__..., or let the operator list it in runner.yaml under runner.shared.branches"
        )
        yield draft.problem(at, f"{shown} does not belong to tenant '{tenant}'", hint=hint)


def _without_branches(draft: Draft, branch: str) -> Iterator[Problem]:
    """Another catalogue has one state only, which the tenant's own branch may stand for."""
    on_nessie = draft.target_connection is not None and draft.target_connection.nessie is not None
    if not on_nessie and branch != draft.tenant.default_branch:
        message = "the catalogue has no branches: rows would land in the live table"
        hint = "name a server under target.connection.nessie, or keep tables apart with target.namespace"
        yield draft.problem(("target", "branch"), message, hint=hint)


def _catalog(draft: Draft) -> Iterator[Problem]:
    connection, target = draft.target_connection, draft.job.target
    if connection is not None and connection.nessie is not None:
        if not draft.tenant.id[:1].isalpha():
            message = "Nessie's branches begin with a letter, and runs name theirs after the tenant"
            yield draft.problem(("tenant_id",), message, hint="choose another id, or another catalogue")
        return
    for name in ("publish", "audit"):
        if name in target.model_fields_set and getattr(target, name) is not None:
            message = "has a meaning on Nessie only, where runs have branches"
            yield draft.problem(
                ("target", name), message, hint="name a server under target.connection.nessie", key=True
            )
