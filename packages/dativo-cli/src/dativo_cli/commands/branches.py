"""`dativo branches`: what tenants have on Nessie's branches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click
from dativo_config.models.resolved import ResolvedJob

from dativo_cli.jobs import load_jobs, with_secrets
from dativo_cli.options import JobFlags, SecretFlags, example, job_options, json_option, secret_options
from dativo_cli.screen import STRONG, Screen


@click.command(epilog=example("dativo branches", "dativo branches --config jobs/demo/orders_to_iceberg.yaml --json"))
@job_options
@secret_options
@json_option
@click.pass_obj
def branches(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, as_json: bool) -> None:
    """List the branches of tenants on Nessie, and what is not merged on.

    Branches of runs are listed too: a run that goes on has one, and one that was killed leaves it to the next run of
    its job, which deletes it.

    --json: a list with one object a tenant and server: uri, branches with branch, tenant, into, unmerged, conflict and
    committed_at, and runs with branch, tenant, job, run_id, attempt and age_seconds.
    """
    loaded = [job for job in load_jobs(jobs, secrets).jobs if job.target.nessie is not None]
    groups: dict[tuple[str, str], list[ResolvedJob]] = {}
    for job in loaded:
        opened = with_secrets(job, secrets, screen)
        groups.setdefault((opened.tenant.id, _uri(opened)), []).append(opened)
    from dativo_engine.commits.branch_survey import survey  # HTTP takes a while to import

    found = [view for group in groups.values() if (view := survey(group)) is not None]
    if as_json:
        screen.json([view.to_json() for view in found])
        return
    if not found:
        screen.line("no job writes to Nessie: target.connection.nessie names a server")
    for view in found:
        screen.line(view.uri, STRONG)
        rows = [(item.branch, item.into, _unmerged(item.unmerged, item.conflict)) for item in view.branches]
        screen.table(["branch", "merged on to", "not merged yet"], rows)
        if view.runs:
            screen.line()
            lines = [(run.branch, run.job, _age(run.age_seconds)) for run in view.runs]
            screen.table(["branch of a run", "job", "begun"], lines)


def _uri(job: ResolvedJob) -> str:
    return "" if job.target.nessie is None else job.target.nessie.uri


def _unmerged(tables: Sequence[str], conflict: str) -> str:
    return f"can't be: {conflict}" if conflict else ", ".join(tables) or "nothing"


def _age(seconds: int | None) -> str:
    return "at an unknown time" if seconds is None else f"{dt.timedelta(seconds=seconds)} ago"
