"""`dativo explain`: what a job will do, in a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click
from dativo_config.wording import lasting

from dativo_cli.explanation import Explanation, RuleLine, StreamLines, explain_job
from dativo_cli.jobs import load_jobs
from dativo_cli.options import JobFlags, SecretFlags, example, job_options, json_option, secret_options
from dativo_cli.screen import STRONG, Screen


@click.command(epilog=example("dativo explain --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@json_option
@click.pass_obj
def explain(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, as_json: bool) -> None:
    """Say what a job will do.

    Streams, cursor, write mode and delivery guarantee and why, tables, partitions, rules and what breaking one does,
    retries and timeout. Without --config: every job of the project. Reaches nothing.

    --json: a list of objects with job, tenant, file, connector, reads, cursor, mode, mode_reason, delivery,
    validation, catalog, warehouse, branch, retries, timeout_seconds, and streams with stream, inputs, table,
    quarantine, contract, columns, primary_key, partitioning, sort_order and rules.
    """
    found = [explain_job(job) for job in load_jobs(jobs, secrets).jobs]
    if as_json:
        screen.json([asdict(item) for item in found])
        return
    for number, item in enumerate(found):
        if number:
            screen.line()
        _show(screen, item)


def _show(screen: Screen, job: Explanation) -> None:
    screen.line(f"{job.tenant}/{job.job}  ({job.file})", STRONG)
    screen.facts(
        [
            ("source", ", ".join((job.connector, *job.reads))),
            ("cursor", job.cursor),
            ("mode", f"{job.mode}: {job.mode_reason}"),
            ("delivery", job.delivery),
            ("bad rows", job.validation),
            ("catalogue", job.catalog),
            ("warehouse", job.warehouse),
            ("branch", job.branch),
            ("retries", job.retries),
            ("timeout", lasting(job.timeout_seconds)),
        ]
    )
    for stream in job.streams:
        _show_stream(screen, stream)


def _show_stream(screen: Screen, stream: StreamLines) -> None:
    screen.line()
    screen.line(f"{stream.stream} -> {stream.table}", STRONG)
    screen.facts(
        [
            ("reads", "\n".join(stream.inputs) or stream.stream),
            *([("missed", stream.missed)] if stream.missed else []),
            ("contract", f"{stream.contract}, {stream.columns} columns"),
            ("key", ", ".join(stream.primary_key) or "none"),
            ("partitions", ", ".join(stream.partitioning) or "none"),
            ("sorted by", ", ".join(stream.sort_order) or "nothing"),
            ("quarantine", stream.quarantine),
        ]
    )
    screen.table(["column", "wants"], _by_column(stream.rules))


def _by_column(rules: Iterable[RuleLine]) -> list[tuple[str, str]]:
    """One line a column, so that a job stays within a screen; then one for each rule over the run."""
    wants: dict[str, list[str]] = {}
    over_run: list[tuple[str, str]] = []
    for rule in rules:
        if rule.kind == "row":
            wants.setdefault(rule.column, []).append(rule.expected)
        else:
            told = "" if rule.kind == "run" else ", only reported"
            over_run.append((rule.column or "(the run)", f"{rule.rule}: {rule.expected}{told}"))
    return [*((column, ", ".join(expected)) for column, expected in wants.items()), *over_run]
