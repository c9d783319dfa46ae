"""THE FLOW: runner.yaml -> jobs -> assets with checks, an asset job each, schedules.

Nothing here reads data or reaches a server: what reads and writes is imported when a run begins.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
from dativo_config.load import Loaded, LoadSettings, examine_runner
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.models.runner import Orchestrator
from dativo_config.problems import Problem, headline
from dativo_engine.connectors import specs
from dativo_engine.results import RunOptions

from dativo_dagster.assets import job_assets, shared_table_specs
from dativo_dagster.broken import broken_job_specs
from dativo_dagster.jobs import asset_job
from dativo_dagster.names import Names
from dativo_dagster.schedules import Timetable, build_schedule
from dativo_dagster.wiring import wire

# How often a run is tried again where neither job nor runner has a `retry_config`.
DEFAULT_RETRIES = 3


# The folder of copies that a service has its processes read in place of files that hold problems now.
HELD_FILES = "DATIVO_HELD_FILES"


def held_folder(environment: Mapping[str, str]) -> Path | None:
    """Where the service that started this process keeps those copies; None: there is none."""
    given = environment.get(HELD_FILES)
    return Path(given) if given else None


def build_definitions(
    runner_config: Path | str, *, settings: LoadSettings | None = None, secret_manager: str | None = None
) -> dg.Definitions:
    """The assets, jobs and schedules of a runner file: for a code location of your own, or for tests.

    A job whose files hold problems becomes a broken asset, and is logged; it does not stop the others.

    Args:
        runner_config: the `runner.yaml`.
        settings: what the command line and the environment say beside the files.
        secret_manager: `env` or `filesystem`; None: both, then GLOBAL.

    Raises:
        ConfigError: the runner file itself can't be read.
    """
    loaded = examine_runner(Path(runner_config), specs(), settings=settings)
    assert loaded.runner is not None  # noqa: S101 - it raises otherwise
    _log_problems(loaded)
    orchestrator, shared, names = loaded.runner.orchestrator, _shared_tables(loaded.jobs), Names()
    held_back = _held_back(Path(runner_config), settings)
    wirings = [wire(job, shared=shared, names=names, problems=held_back.get(job.path, ())) for job in loaded.jobs]
    options = RunOptions(
        secret_manager=secret_manager,
        concurrency_per_tenant=orchestrator.concurrency_per_tenant,
        default_retries=DEFAULT_RETRIES,
        tenant_sources=("job", "folder"),
    )
    schedules = list(_schedules(loaded, orchestrator, {wiring.job.path: wiring.name for wiring in wirings}))
    return dg.Definitions(
        assets=[
            *(job_assets(wiring, options) for wiring in wirings),
            *shared_table_specs(wirings, shared),
            *broken_job_specs(loaded),
        ],
        jobs=[asset_job(wiring, default_retries=DEFAULT_RETRIES) for wiring in wirings],
        schedules=[each for each in schedules if isinstance(each, dg.ScheduleDefinition)],
        sensors=[each for each in schedules if isinstance(each, dg.SensorDefinition)],
    )


def _shared_tables(jobs: Iterable[ResolvedJob]) -> frozenset[TableName]:
    """The tables that several of the jobs write."""
    writers = Counter(table for job in jobs for table in {stream.table for stream in job.streams})
    return frozenset(table for table, count in writers.items() if count > 1)


def _schedules(
    loaded: Loaded, orchestrator: Orchestrator, jobs: Mapping[Path, str]
) -> Iterator[dg.ScheduleDefinition | dg.SensorDefinition]:
    """The schedules whose job can run; `jobs` are the names that job files have in Dagster."""
    names = Names()
    for schedule in orchestrator.schedules:
        job = jobs.get(loaded.project.resolve(schedule.config))
        if job is not None:
            most = min(schedule.max_concurrent_runs, orchestrator.concurrency_per_tenant)
            yield build_schedule(Timetable(names.give(schedule.name), schedule, job, most))


def _held_back(runner_config: Path, settings: LoadSettings | None) -> Mapping[Path, tuple[Problem, ...]]:
    """What is wrong with the files of jobs that are served as they were before; a run's process needs not know."""
    if multiprocessing.parent_process() is not None or not (
        settings and settings.held and any(settings.held.glob("*"))
    ):
        return {}
    return examine_runner(runner_config, specs(), settings=replace(settings, held=None)).broken


def _log_problems(loaded: Loaded) -> None:
    """Tell them once a load: a run's process, which loads the definitions again, keeps quiet."""
    if multiprocessing.parent_process() is None:
        for problem in loaded.problems:
            dg.get_dagster_logger("dativo").warning(headline(problem))
