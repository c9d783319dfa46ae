"""What a job will do, in the words of its reader: from the files alone, nothing is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dativo_config.models.resolved import ResolvedJob, ResolvedStream
from dativo_config.problems import shown_file
from dativo_engine import urls
from dativo_engine.contracts.compiled import compile_contract
from dativo_engine.contracts.metrics import expectation


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule of a contract.

    Attributes:
        column: empty: the rule is about the whole object.
        kind: row: judged on every row; run: over all rows of a run; note: only reported.
    """

    column: str
    rule: str
    expected: str
    kind: str


@dataclass(frozen=True, slots=True)
class StreamLines:
    """One stream of a job and the table it feeds. Partitions and sort order as Iceberg transforms.

    Attributes:
        missed: changes that the job's incremental runs do not find; empty: none are known.
    """

    stream: str
    inputs: tuple[str, ...]
    missed: str
    table: str
    quarantine: str
    contract: str
    columns: int
    primary_key: tuple[str, ...]
    partitioning: tuple[str, ...]
    sort_order: tuple[str, ...]
    rules: tuple[RuleLine, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One job, every default filled in. Its fields are those of `dativo explain --json`.

    Attributes:
        reads: what the connector says of the job: API versions, accounts.
    """

    job: str
    tenant: str
    file: str
    connector: str
    reads: tuple[str, ...]
    cursor: str
    mode: str
    mode_reason: str
    delivery: str
    validation: str
    catalog: str
    warehouse: str
    branch: str
    retries: str
    timeout_seconds: float
    streams: tuple[StreamLines, ...]


def explain_job(job: ResolvedJob) -> Explanation:
    """All that a run of the job would do."""
    return Explanation(
        job=job.name,
        tenant=job.tenant.id,
        file=shown_file(job.path),
        connector=job.spec.name,
        reads=job.spec.describe(job.options, job.credentials) if job.spec.describe else (),
        cursor=_cursor(job),
        mode=job.target.mode,
        mode_reason=job.target.mode_reason,
        delivery=_delivery(job),
        validation=_validation(job),
        catalog=shown_file(job.tenant.catalog_file),
        warehouse=job.target.warehouse or shown_file(job.tenant.warehouse_folder),
        branch=_branch(job),
        retries=_retries(job),
        timeout_seconds=job.timeout_seconds,
        streams=tuple(_stream(job, stream) for stream in job.streams),
    )


def _cursor(job: ResolvedJob) -> str:
    if job.incremental is None:
        return "none: every run reads everything"
    strategy = job.incremental.strategy
    told = job.spec.incremental_notes.get(strategy, "only what is new since the last committed run")
    fields = sorted({stream.cursor_field for stream in job.streams if stream.cursor_field})
    lookback = f", and {job.incremental.lookback_days:g} days before it" if job.incremental.lookback_days else ""
    on = f" on {', '.join(fields)}" if fields else ""
    return f"{strategy}{on}: {told}{lookback}"


def _delivery(job: ResolvedJob) -> str:
    together = "rows and cursor become visible in one commit"
    match job.target.mode:
        case "merge":
            return f"exactly once: {together}; rows of a key that is there already are replaced"
        case "replace":
            return "exactly once: each run's rows take the place of all before, in one commit"
        case "append" if job.incremental is None:
            return "each run adds everything it reads, once; what earlier runs read is there again"
        case "append":
            return f"exactly once: {together}; a crash and a second run add nothing twice"


def _validation(job: ResolvedJob) -> str:
    if job.job.schema_validation_mode == "strict":
        return "strict: one bad row or broken rule fails the run, nothing is committed (exit 2)"
    return "warn: good rows land, bad ones go to the quarantine with their reasons (exit 1)"


def _branch(job: ResolvedJob) -> str:
    kind = job.target.catalog
    return job.target.branch if kind == "nessie" else f"none: the {kind} catalogue has no branches"


def _retries(job: ResolvedJob) -> str:
    if job.retry is None:
        return "none with `dativo run`; 3 where schedules run it"
    policy = job.retry
    return (
        f"{policy.max_retries}, the first after {policy.initial_delay_seconds:g} s, each later one "
        f"{policy.backoff_multiplier:g} times as long, at most {policy.max_delay_seconds:g} s"
    )


def _stream(job: ResolvedJob, stream: ResolvedStream) -> StreamLines:
    contract = stream.contract
    return StreamLines(
        stream=stream.name,
        inputs=tuple(_shown_input(item) for item in stream.inputs),
        missed=_missed(job, stream),
        table=str(stream.table),
        quarantine=str(stream.table.quarantine),
        contract=f"{shown_file(contract.path)}, {contract.name} {contract.version}",
        columns=len(stream.schema.properties),
        primary_key=stream.schema.primary_key,
        partitioning=job.target.partitioning,
        sort_order=job.target.sort_order,
        rules=tuple(_rules(job, stream)),
    )


def _missed(job: ResolvedJob, stream: ResolvedStream) -> str:
    if job.incremental is None or job.incremental.strategy not in job.spec.revising_strategies:
        return ""
    return job.spec.missed.get(stream.name, "")


def _rules(job: ResolvedJob, stream: ResolvedStream) -> Iterator[RuleLine]:
    compiled = compile_contract(stream.schema, job.target.mode)
    for name, column, expected in compiled.row_rules():
        yield RuleLine(column, name, expected, "row")
    over_run = [*compiled.run_rules, *((rule, rule.column) for rule in compiled.sql_rules)]
    for rule, column in over_run:
        yield RuleLine(column, rule.name, expectation(rule), "run" if rule.severity == "error" else "note")


def _shown_input(item: str) -> str:
    """A URL's user, password and signature are nobody's to see, though they stand in the job."""
    if item.startswith(urls.SCHEMES):
        return urls.public_name(item)
    return item if "://" in item else shown_file(Path(item))
