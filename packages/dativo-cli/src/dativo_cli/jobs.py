"""From flags to the jobs they name, and from a job to the same job with its secrets in place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
from dativo_config.interpolate import resolve_secrets
from dativo_config.load import Loaded, LoadSettings, examine, examine_project
from dativo_config.models.resolved import ResolvedJob, ResolvedStream
from dativo_config.problems import ConfigError, closest
from dativo_config.project import find_root, is_folder
from dativo_config.secrets import hide_other_tenants, open_secrets
from dativo_engine.connectors import specs

from dativo_cli.options import NO_SECRET_FLAGS, JobFlags, SecretFlags
from dativo_cli.screen import Screen


def load_jobs(jobs: JobFlags, secrets: SecretFlags = NO_SECRET_FLAGS) -> Loaded:
    """The jobs of one file, of one folder, or of the whole project.

    Raises:
        ConfigError: their files hold problems.
        click.UsageError: both a file and a folder were given, or neither and there is no project here.
    """
    loaded = examine_jobs(jobs, secrets)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def examine_jobs(jobs: JobFlags, secrets: SecretFlags = NO_SECRET_FLAGS) -> Loaded:
    """As `load_jobs`, but with the problems in the answer.

    Raises:
        click.UsageError: as there.
    """
    if jobs.config is not None and jobs.job_dir is not None:
        message = "give --config or --job-dir, not both"
        raise click.UsageError(message)
    settings = load_settings(jobs, secrets)
    given = jobs.config or jobs.job_dir
    if given is not None:
        return examine([given], specs(), settings=settings)
    root = find_root(Path.cwd(), given=jobs.project, environment=os.environ)
    if not is_folder(root / "jobs"):
        message = (
            "there is no project here: neither this folder nor one above it holds `jobs/`; `dativo init` makes one"
        )
        raise click.UsageError(message)
    return examine_project(root, specs(), settings=settings)


def load_settings(jobs: JobFlags, secrets: SecretFlags = NO_SECRET_FLAGS) -> LoadSettings:
    """The flags as the loader takes them."""
    return LoadSettings(
        project=jobs.project, tenant_id=jobs.tenant_id, secrets_dir=secrets.secrets_dir, mode=secrets.mode
    )


def one_job(jobs: JobFlags, secrets: SecretFlags = NO_SECRET_FLAGS) -> ResolvedJob:
    """The job that a command works on: the one given, or the only one of the project.

    Raises:
        click.UsageError: there are several.
    """
    return only_job(load_jobs(jobs, secrets))


def only_job(loaded: Loaded) -> ResolvedJob:
    """The one job that was loaded.

    Raises:
        click.UsageError: there are several.
    """
    found = loaded.jobs
    if len(found) != 1:
        names = ", ".join(str(job.path) for job in found) or "none"
        message = f"say which job with --config; found: {names}"
        raise click.UsageError(message)
    return found[0]


def with_secrets(job: ResolvedJob, secrets: SecretFlags, screen: Screen) -> ResolvedJob:
    """The job as its source and catalogue need it. From here on the process holds this tenant's secrets only.

    Raises:
        SecretError: a secret that the job names is nowhere, or can't be read.
    """
    hide_other_tenants(os.environ, job.tenant)
    found = open_secrets(job.tenant, manager=secrets.secret_manager, environment=os.environ)
    resolved, values = resolve_secrets(job, found)
    screen.hide(values)
    return resolved


def tenant_sources(jobs: JobFlags) -> tuple[str, ...]:
    """What the tenant of a run was read from."""
    return ("job", "folder", "flag") if jobs.tenant_id else ("job", "folder")


def slots(loaded: Loaded) -> int:
    """How many runs of one tenant may go on at once."""
    return loaded.runner.orchestrator.concurrency_per_tenant if loaded.runner else 1


def pick_streams(job: ResolvedJob, names: Sequence[str]) -> tuple[ResolvedStream, ...]:
    """The job's streams of these names; no names: all.

    Raises:
        click.BadParameter: the job has no such stream.
    """
    known = [stream.name for stream in job.streams]
    for name in names:
        if name not in known:
            hint = closest(name, known) or f"it has {', '.join(known)}"
            message = f"{job.path} has no object '{name}'; {hint}"
            raise click.BadParameter(message, param_hint="--object")
    return tuple(stream for stream in job.streams if not names or stream.name in names)


def pick_stream(job: ResolvedJob, name: str | None) -> ResolvedStream:
    """The job's stream of this name, or its only one.

    Raises:
        click.BadParameter: the job has no such stream.
        click.UsageError: it has several, and none was named.
    """
    found = pick_streams(job, () if name is None else (name,))
    if len(found) != 1:
        message = f"say which stream with --object; {job.path} has {', '.join(stream.name for stream in found)}"
        raise click.UsageError(message)
    return found[0]
