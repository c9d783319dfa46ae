"""A checked draft -> the job as the engine and the commands work with it, every default filled in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from dativo_config.crosscheck.meeting import table_of
from dativo_config.draft import Draft
from dativo_config.models.contract import JsonValue
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, ResolvedTarget, TableName
from dativo_config.models.runner import Runner
from dativo_config.modes import choose_mode
from dativo_config.streams import DraftStream
from dativo_config.walls import Walls

_DEFAULT_TIMEOUT_SECONDS = 6 * 3600
_DEFAULT_TARGET_FILE_MEGABYTES = 160
_MEGABYTE = 1024 * 1024
_SOFT = re.compile(r"soft\((?P<column>.+)\)")
# What may change between a run and the one that goes on from its checkpoint.
_NOT_IN_DIGEST = {
    **dict.fromkeys(("logging", "retry_config", "timeout_seconds", "environment", "schema_"), True),
    "source": {"options": True, "connection": True, "credentials": True},  # as the connector's models read them
}


def resolve(draft: Draft, *, runner: Runner | None, walls: Walls, shared_tables: frozenset[TableName]) -> ResolvedJob:
    """The job, ready but for its secrets. The draft has no problems."""
    assert draft.spec is not None  # noqa: S101 - told as a problem otherwise
    streams = tuple(resolved for stream in draft.streams if (resolved := _stream(draft, stream, walls)))
    own, operator = draft.job, runner.orchestrator if runner else None
    retry = own.retry_config or (runner and runner.retry_config) or (operator and operator.retry_config)
    timeout = own.timeout_seconds or (runner and runner.timeout_seconds) or _DEFAULT_TIMEOUT_SECONDS
    return ResolvedJob(
        name=draft.name,
        tenant=draft.tenant,
        project=draft.project.root,
        path=draft.path,
        job=own,
        spec=draft.spec,
        options=draft.options,
        credentials=draft.credentials,
        connection=draft.connection,
        streams=streams,
        incremental=draft.incremental,
        rate_limits=own.source.rate_limits or (draft.recipe.recipe.rate_limits if draft.recipe else None),
        target=_target(draft),
        retry=retry or None,
        timeout_seconds=timeout,
        shares_table=any(stream.table in shared_tables for stream in streams),
        digest=_digest(draft),
        opened=walls.opened,
    )


def _stream(draft: Draft, stream: DraftStream, walls: Walls) -> ResolvedStream | None:
    table = table_of(draft, stream)
    if table is None or stream.schema is None or draft.contract is None:
        return None
    cursor = stream.cursor_field or (draft.incremental.cursor_field if draft.incremental else "")
    return ResolvedStream(
        name=stream.name,
        contract=draft.contract.contract,
        schema=stream.schema,
        table=table,
        inputs=tuple(walls.resolve(text) for _, text in stream.inputs),
        cursor_field=cursor or "",
    )


def _target(draft: Draft) -> ResolvedTarget:
    target, recipe = draft.job.target, draft.target_recipe
    chosen = choose_mode(draft)
    soft = _SOFT.fullmatch(target.deletes)
    partitioning = target.partitioning
    if partitioning is None and recipe is not None:
        partitioning = recipe.recipe.partitioning_default
    return ResolvedTarget(
        mode=chosen.mode,
        mode_reason=chosen.reason,
        connection=draft.target_connection,
        branch=target.branch or draft.tenant.default_branch,
        warehouse=_warehouse(draft),
        partitioning=tuple(partitioning or ()),
        sort_order=tuple(target.sort_order or ()),
        deletes="soft" if soft else "ignore" if target.deletes == "ignore" else "hard",
        soft_delete_column=soft["column"] if soft else "",
        target_file_bytes=int((target.parquet_target_size_mb or _DEFAULT_TARGET_FILE_MEGABYTES) * _MEGABYTE),
        allow_empty=target.allow_empty,
        on_changed_file=target.on_changed_file,
        checkpoint=target.checkpoint,
        properties=_properties(draft),
        audit=target.audit,
        publish=target.publish,
    )


def _warehouse(draft: Draft) -> str:
    own, store = draft.job.target.warehouse, draft.target_connection and draft.target_connection.store
    if own is not None:
        return (own if "://" in own else str(draft.project.resolve(own))).rstrip("/")
    return "" if store is None else store.location


def _properties(draft: Draft) -> dict[str, str]:
    """The contract's table properties, the job's overrides over them, and the job's own over all."""
    job = draft.job
    overrides = {
        "classification": job.classification_overrides,
        "governance": job.governance_overrides,
        "finops": job.finops,
    }
    found = dict(draft.contract.contract.table_properties) if draft.contract else {}
    for prefix, values in overrides.items():
        found |= _flat(prefix, values)
    return {**found, **job.target.properties}


def _flat(prefix: str, values: Mapping[str, JsonValue]) -> dict[str, str]:
    """Nested values as `prefix.key.key`; lists joined by commas; nothing for null."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict):
            found |= _flat(name, value)
        elif isinstance(value, list):
            found[name] = ",".join(item if isinstance(item, str) else json.dumps(item) for item in value)
        elif value is not None:
            found[name] = value if isinstance(value, str) else json.dumps(value)
    return found


def _digest(draft: Draft) -> str:
    """Secrets are masked in it: a rotated key does not make a checkpoint worthless."""
    parts = {
        "job": draft.job.model_dump(mode="json", exclude=_NOT_IN_DIGEST),
        "options": draft.options.model_dump(mode="json") if draft.options else None,
        "connection": draft.connection.model_dump(mode="json") if draft.connection else None,
        "incremental": draft.incremental.model_dump(mode="json") if draft.incremental else None,
        "target": draft.target_connection.model_dump(mode="json") if draft.target_connection else None,
        "contract": draft.contract.document.value if draft.contract else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
