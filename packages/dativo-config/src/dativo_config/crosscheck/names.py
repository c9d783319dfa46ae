"""The names of a job: its tenant, its own, its branches, namespace and table. None leads out of the tenant's walls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dativo_config.crosscheck.branches import check_branches
from dativo_config.draft import Draft
from dativo_config.models.runner import Shared
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem
from dativo_config.tenancy import check_id

_LEVEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # of a namespace, and a table
_NAME_MAX_LENGTH = 128
_OURS = "dativo."  # table properties that only dativo itself writes
# What engines write files by: another place than the tenant's, another store, or code of anyone's.
_PLACE = re.compile(
    r"write\.(?:data|metadata|object-storage|folder-storage)\.path|write\.(?:py-)?location-provider\..*"
    r"|(?:s3|client|gcs|adls|hdfs|oss|hf)\..*|(?:py-)?io-impl"
)
QUARANTINE_SUFFIX = "__rejected"


def check_names(draft: Draft, *, tenant_id: str | None, shared: Shared) -> Iterator[Problem]:
    """Every name the job gives."""
    yield from _tenant(draft, tenant_id)
    yield from _job_name(draft)
    yield from check_branches(draft, shared.branches)
    yield from _namespace(draft, shared.namespaces)
    yield from _table(draft)
    yield from _properties(draft)


def _tenant(draft: Draft, tenant_id: str | None) -> Iterator[Problem]:
    at, found = ("tenant_id",), draft.tenant.id
    shown = draft.shown(at, found)
    wrong = check_id(found)
    if wrong:
        yield draft.problem(at, f"{shown} {wrong}")
        return
    folder = draft.project.tenant_of(draft.path)
    if folder == "":
        yield draft.problem(at, "the file lies in no tenant's folder", hint=f"move it to jobs/{found}/")
    elif folder not in (None, found):
        yield draft.problem(at, f"{shown} is not the tenant of the file's folder jobs/{folder}/")
    if tenant_id not in (None, found):
        yield draft.problem(at, f"{shown} is not the tenant that --tenant-id gives, '{tenant_id}'")
    form = draft.tenant.environment_form
    twins = draft.project.environment_forms.get(form, frozenset()) - {found}
    if twins:
        yield draft.problem(at, f"{shown} and '{min(twins)}' are both {form} in variables; rename one of them")


def _job_name(draft: Draft) -> Iterator[Problem]:
    wrong = check_id(draft.name)
    if wrong and draft.job.name is not None:
        yield draft.problem(("name",), f"{draft.shown(('name',), draft.name)} {wrong}")
    elif wrong:
        yield draft.problem((), f"the job's name, from its file's, {wrong}", hint="rename the file, or write name:")


def _namespace(draft: Draft, shared: Sequence[str]) -> Iterator[Problem]:
    at, namespace = ("target", "namespace"), draft.job.target.namespace
    if namespace is None:
        return
    levels = namespace.split(".")
    if not all(_LEVEL.fullmatch(level) and len(level) <= _NAME_MAX_LENGTH for level in levels):
        hint = "use letters, digits, _ and -, with dots between levels"
        yield draft.problem(at, f"{draft.shown(at, namespace)} is no namespace", hint=hint)
    elif not draft.tenant.owns(levels[0]) and not {levels[0], namespace} & set(shared):
        tenant, shown = draft.tenant.id, draft.shown(at, levels[0])
        hint = f"write {tenant} or {tenant}__..., or let the operator list it under runner.shared.namespaces"
        yield draft.problem(at, f"{shown} does not belong to tenant '{tenant}'", hint=hint)


def _table(draft: Draft) -> Iterator[Problem]:
    table = draft.job.target.table
    if table is not None:
        yield from _table_name(draft, ("target", "table"), table)
        if len(draft.streams) > 1:
            yield draft.problem(
                ("target", "table"), f"one table is named for {len(draft.streams)} streams", hint="leave it out"
            )
        return
    seen: dict[str, str] = {}
    for stream in draft.streams:
        if stream.schema is None:
            continue
        name = stream.schema.table
        yield from _table_name(draft, stream.at, name)
        if name in seen:
            yield draft.problem(
                stream.at, f"the streams '{seen[name]}' and '{stream.name}' both load the table '{name}'"
            )
        seen[name] = stream.name


def _table_name(draft: Draft, at: ValuePath, name: str) -> Iterator[Problem]:
    if not _LEVEL.fullmatch(name) or len(name) > _NAME_MAX_LENGTH:
        hint = f"use letters, digits, _ and -, at most {_NAME_MAX_LENGTH}; set target.table"
        yield draft.problem(at, f"the table name {draft.shown(at, name)} is not allowed", hint=hint)
    elif name.endswith(QUARANTINE_SUFFIX):
        yield draft.problem(
            at, f"tables that end in {QUARANTINE_SUFFIX} are where rejected rows go; choose another name"
        )


def _properties(draft: Draft) -> Iterator[Problem]:
    for key in draft.job.target.properties:
        if key.lower().startswith(_OURS):
            at = ("target", "properties", key)
            yield draft.problem(at, f"properties that begin with {_OURS} are written by dativo itself", key=True)
        elif _PLACE.fullmatch(key.lower()):
            at, hint = ("target", "properties", key), "set target.warehouse and target.connection"
            yield draft.problem(
                at, "a table's property may not say where or by what its files lie", hint=hint, key=True
            )
