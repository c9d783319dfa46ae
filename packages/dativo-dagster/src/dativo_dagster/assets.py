"""A job's tables as assets: what the asset graph shows of them before any run."""

# Dagster looks at the annotation of `context` itself, so annotations are not put off here.
import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import dagster as dg
from dativo_config.models.contract import Contract
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.problems import Problem, headline
from dativo_engine.results import RunOptions
from dativo_engine.urls import public_name

from dativo_dagster.columns import column_schema
from dativo_dagster.names import group_name, pool_name, table_key, tag_key, tag_value
from dativo_dagster.wiring import Check, Wiring

TENANT_TAG = "dativo/tenant"
JOB_TAG = "dativo/job"
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # as Dagster has it


def job_assets(wiring: Wiring, options: RunOptions) -> dg.AssetsDefinition:
    """One op that runs the job and yields its tables and checks."""
    outs = {
        f"table_{number}": dg.AssetOut.from_spec(_table_spec(wiring, table, key), dagster_type=dg.Nothing)
        for number, (table, key) in enumerate(wiring.keys.items(), start=1)
    }

    @dg.multi_asset(
        name=f"load__{wiring.name}",  # the job has the name itself
        description=f"Runs {wiring.file}",
        outs=outs,
        check_specs=[_check_spec(check) for check in wiring.checks],
        can_subset=True,  # a run of some tables reads their streams only; and no output is then required
        pool=pool_name(wiring.job.tenant),
        op_tags={TENANT_TAG: wiring.job.tenant.id},
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[object] | dg.AssetCheckResult]:
        from dativo_dagster.step import run_step  # what only a run needs

        yield from run_step(context, wiring, options)

    return load


def shared_table_specs(wirings: Iterable[Wiring], shared: AbstractSet[TableName]) -> list[dg.AssetSpec]:
    """The tables that several jobs write: external assets, each downstream of every job's part of it."""
    by_table: dict[TableName, list[Wiring]] = {}
    for wiring in wirings:
        for table in wiring.keys.keys() & shared:
            by_table.setdefault(table, []).append(wiring)
    return [_shared_spec(table, writers) for table, writers in by_table.items()]


def _shared_spec(table: TableName, writers: list[Wiring]) -> dg.AssetSpec:
    # They have one contract, or they would be broken jobs.
    spec = _table_spec(writers[0], table, table_key(writers[0].job.tenant, table))
    tags = {key: value for key, value in spec.tags.items() if key != JOB_TAG}
    return spec.replace_attributes(deps=[writer.keys[table] for writer in writers], tags=tags)


def _table_spec(wiring: Wiring, table: TableName, key: dg.AssetKey) -> dg.AssetSpec:
    job = wiring.job
    stream = next(stream for stream in job.streams if stream.table == table)
    contract, schema = stream.contract, stream.schema
    return dg.AssetSpec(
        key,
        group_name=group_name(job.tenant),
        kinds={tag_value(job.spec.name), "iceberg"},
        owners=[_owner(contract.owner)] if contract.owner else [],
        description=_description(schema.description or contract.description, wiring.problems),
        tags={
            TENANT_TAG: job.tenant.id,
            JOB_TAG: job.name,
            **labels(job, contract),
            **{tag_key(tag): "" for tag in (*contract.tags, *schema.tags)},
        },
        metadata={
            "dagster/column_schema": column_schema(schema),
            "dagster/table_name": str(table),
            **_source_metadata(wiring, table),
            **_target_metadata(job),
            "contract": f"{wiring.shown(contract.path)}, version {contract.version}",
            **problems_metadata(wiring.problems),
        },
    )


def _description(said: str, problems: Sequence[Problem]) -> str | None:
    """What the contract says; before it, what is wrong with the files of a job that is served as it was."""
    held = "This job's files hold problems; until they are mended it runs as it did before."
    return "\n\n".join(filter(None, ([held, *map(headline, problems)] if problems else []) + [said])) or None


def problems_metadata(problems: Sequence[Problem]) -> dict[str, dg.MetadataValue]:
    """What is wrong with a job's files, line by line; nothing: nothing."""
    lines = "\n".join(f"- `{headline(problem)}`" for problem in problems)
    return {"problems": dg.MetadataValue.md(lines)} if problems else {}


def labels(job: ResolvedJob, contract: Contract) -> dict[str, str]:
    """What job and contract say of tables and runs in single words, as tags."""
    said = {
        "environment": job.job.environment,
        "status": contract.status,
        "domain": contract.domain,
        "data_product": contract.data_product,
    }
    return {f"dativo/{key}": tag_value(value) for key, value in said.items() if value}


def _source_metadata(wiring: Wiring, table: TableName) -> dict[str, str]:
    job = wiring.job
    streams = [stream for stream in job.streams if stream.table == table]
    inputs = [_shown_input(wiring, text) for stream in streams for text in stream.inputs]
    incremental = job.incremental.strategy if job.incremental else "none: every run reads everything"
    return {
        "source": job.spec.name,
        "streams": ", ".join(stream.name for stream in streams),
        **({"inputs": "\n".join(inputs)} if inputs else {}),
        "incremental": incremental,
        "job_file": wiring.file,
    }


def _shown_input(wiring: Wiring, text: str) -> str:
    """A path as the job's file would have it; a URL without user, password and signature."""
    return public_name(text) if "://" in text else wiring.shown(Path(text))


def _target_metadata(job: ResolvedJob) -> dict[str, str]:
    target = job.target
    named = (
        target.connection.model_dump(include={"nessie", "rest", "sql"}, exclude_none=True) if target.connection else {}
    )
    said = {
        "catalog": next(iter(named), "embedded"),
        "branch": target.branch if "nessie" in named else "",
        "warehouse": public_name(target.warehouse) if target.warehouse else "",
        "mode": target.mode,
        "validation": job.job.schema_validation_mode,
        "partitioning": ", ".join(target.partitioning),
    }
    return {key: value for key, value in said.items() if value}


def _check_spec(check: Check) -> dg.AssetCheckSpec:
    rule = check.rule
    if rule is None:
        return dg.AssetCheckSpec(
            check.name,
            asset=check.key,
            description="Every row has the types, values and keys that the contract asks for.",
        )
    subject = " ".join(filter(None, (rule.metric or rule.query, rule.column and f"of {rule.column}")))
    threshold = " and ".join(f"{number:g}" for number in rule.threshold)
    return dg.AssetCheckSpec(
        check.name,
        asset=check.key,
        description=rule.description or f"{subject} {rule.comparison.replace('_', ' ')} {threshold} ({rule.unit})",
        metadata={"rule": rule.name, "severity": rule.severity},
    )


def _owner(owner: str) -> str:
    """A person by e-mail address, else a team: the two forms that Dagster takes."""
    return owner if EMAIL.fullmatch(owner) else f"team:{owner}"
