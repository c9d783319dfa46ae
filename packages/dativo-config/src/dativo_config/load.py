"""THE FLOW: read -> parse -> interpolate -> validate -> cross-check -> resolve.

`load` answers jobs that are right, or raises with every problem of every file; `examine` answers what is right beside
the problems. Each has a form for a whole project; `examine_runner` takes the jobs that a runner file lists.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dativo_config.crosscheck.catalog import check_catalog
from dativo_config.crosscheck.contract import check_contract
from dativo_config.crosscheck.meeting import Feed, check_job_names, check_meetings, feeds, table_of
from dativo_config.crosscheck.names import check_names
from dativo_config.crosscheck.schedules import check_schedules
from dativo_config.crosscheck.secret_places import check_secret_places
from dativo_config.crosscheck.source import check_source
from dativo_config.crosscheck.target import check_target
from dativo_config.document import unreadable
from dativo_config.draft import Draft, read_draft
from dativo_config.library import Library, RunnerFileRead
from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.models.runner import Runner, Shared
from dativo_config.problems import ConfigError, Position, Problem
from dativo_config.project import Project, find_root, is_folder, is_there, open_project, plain, yaml_files
from dativo_config.recipes import OpenedRecipe, credentials_in_variables, open_recipe
from dativo_config.resolve import resolve
from dativo_config.rights import where_from
from dativo_config.stamps import Stamp
from dativo_config.walls import Walls, opened_folders

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What the command line and the environment say beside the files.

    Attributes:
        project: `--project`; None: found from the files.
        tenant_id: `--tenant-id`, which jobs must agree with.
        state_dir: None: `STATE_DIR`, else `state/` in the project.
        secrets_dir: None: `secrets/` in the project.
        held: a folder of copies, each under its path in the project, that a runner file's jobs are made of in place of
            the project's own files: a service keeps there what files were before they held problems.
    """

    project: Path | None = None
    tenant_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    state_dir: Path | None = None
    secrets_dir: Path | None = None
    held: Path | None = None
    mode: Literal["self_hosted", "cloud"] = "self_hosted"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files of one project say.

    Attributes:
        runner: None where the project has no runner file, or none that can be read.
        problems: every one of every file read, sorted by place; always empty in what `load` answers.
        broken: the job files that became no job, each with the problems of all files it is made of.
        files: how many files were read.
        looked_at: the stamp of each file that was read or looked for, those of neighbours too, from before that.
        texts: each file that could be read, as it was.
    """

    project: Project
    jobs: tuple[ResolvedJob, ...]
    runner: Runner | None
    problems: tuple[Problem, ...] = ()
    broken: Mapping[Path, tuple[Problem, ...]] = field(default_factory=dict[Path, tuple[Problem, ...]])
    files: int = 0
    looked_at: Mapping[Path, Stamp] = field(default_factory=dict[Path, Stamp])
    texts: Mapping[Path, str] = field(default_factory=dict[Path, str], repr=False)


def load(
    paths: Sequence[Path], connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> Loaded:
    """The jobs in files and folders, with the project's runner settings.

    Raises:
        ConfigError: with every problem of every file.
    """
    return _without_problems(examine(paths, connectors, settings=settings))


def load_project(
    root: Path, connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> Loaded:
    """Every job, recipe and contract of a project, and its runner file with what its schedules point at.

    Raises:
        ConfigError: with every problem of every file.
    """
    return _without_problems(examine_project(root, connectors, settings=settings))


def load_runner(path: Path, *, settings: LoadSettings | None = None) -> Runner:
    """A runner file; the jobs that its schedules point at exist, but are not read.

    Raises:
        ConfigError: with every problem of the file.
    """
    library = Library(_project(path, settings or LoadSettings()), {}, (settings or LoadSettings()).environment)
    read = _read_runner(library, path)
    if library.findings.problems:
        raise ConfigError(library.findings.problems)
    return read.runner


def load_recipe(
    path: Path, connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> OpenedRecipe:
    """A recipe file with its connector's own models, for work that no job names yet.

    Raises:
        ConfigError: with every problem of the file; a secret is one: it would be a tenant's.
    """
    settings = settings or LoadSettings()
    library = Library(_project(path, settings), connectors, settings.environment)
    opened = open_recipe(library, path)
    if opened is None or library.findings.problems:
        raise ConfigError(library.findings.problems)
    return opened


def load_credentials(
    spec: ConnectorSpec, connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> BaseModel | None:
    """Who asks, as vendors' variables (`STRIPE_API_KEY`) say, for work that no job names yet; None: they don't.

    In a project of several tenants none of them counts: it would be nobody's, or everybody's.
    """
    settings = settings or LoadSettings()
    library = Library(_project(Path(), settings), connectors, settings.environment)
    values = credentials_in_variables(library, spec, None)
    return spec.credentials.model_validate(values) if spec.credentials is not None and values else None


def examine(
    paths: Sequence[Path], connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> Loaded:
    """As `load`, but with the problems beside the jobs that have none."""
    settings = settings or LoadSettings()
    library = Library(_project(paths[0] if paths else Path(), settings), connectors, settings.environment)
    files = [file for path in paths for file in _job_files(library, path)]
    return _examine(library, files, settings)


def _job_files(library: Library, path: Path) -> list[Path]:
    """A job file itself, or those of a folder; a folder that has none, or that can't be read, is a problem."""
    if not is_folder(path) and (path.suffix or is_there(path)):
        return [path]
    found = yaml_files(path)
    if not found and not _tell_closed(library, path):
        message = "no job file (*.yaml) lies in this folder"
        library.findings.add([Problem(Position(path), "", message, where_from(path))])
    return found


def _tell_closed(library: Library, folder: Path) -> bool:
    """Tell that a folder can't be listed; whether it can't."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        library.findings.add([unreadable(folder, error, kind="folder")])
        return True
    return False


def examine_project(
    root: Path, connectors: Mapping[str, ConnectorSpec], *, settings: LoadSettings | None = None
) -> Loaded:
    """As `load_project`, but with the problems beside the jobs that have none."""
    settings = settings or LoadSettings()
    project = open_project(
        root, environment=settings.environment, state=settings.state_dir, secrets=settings.secrets_dir
    )
    library = Library(project, connectors, settings.environment)
    _tell_closed(library, project.jobs_folder)
    for path in yaml_files(project.root / "assets", deep=True):
        library.contract(path)
    for path in yaml_files(project.root / "connectors", deep=True):
        library.recipe(path)
    if (runner := library.runner(project.runner_file)) is not None:
        library.findings.add(check_schedules(runner, project))
    return _examine(library, project.job_files(), settings)


def examine_runner(
    path: Path,
    connectors: Mapping[str, ConnectorSpec],
    *,
    settings: LoadSettings | None = None,
    mode: Literal["orchestrated", "oneshot"] | None = None,
) -> Loaded:
    """The jobs that a runner file's schedules point at, each once and in their order, with its settings.

    Args:
        mode: what was asked for, which the file's own mode must be; None: any.

    Raises:
        ConfigError: the runner file itself can't be read, or is made for another mode; what is wrong with its jobs is
            in the answer.
    """
    settings = settings or LoadSettings()
    library = Library(_project(path, settings), connectors, settings.environment, held=settings.held)
    read = _read_runner(library, path)
    runner = read.runner
    if mode is not None and runner.mode != mode:
        message = f"the file is made for '{runner.mode}', and '{mode}' was asked for"
        hint = f"write mode: {mode}, or start {runner.mode}"
        raise ConfigError([*library.findings.problems, read.document.problem(("runner", "mode"), message, hint=hint)])
    files = [library.project.resolve(schedule.config) for schedule in runner.orchestrator.schedules]
    return _examine(library, list(dict.fromkeys(files)), settings, runner=runner)


def _read_runner(library: Library, path: Path) -> RunnerFileRead:
    """A runner file; problems of its schedules are among the library's findings.

    Raises:
        ConfigError: it can't be read at all.
    """
    if not is_there(path):
        hint = where_from(path) or "name it with --runner-config; `dativo init` makes configs/runner.yaml"
        raise ConfigError([Problem(Position(path), "", "there is no such runner file", hint)])
    read = library.runner(path)
    if read is None:
        raise ConfigError(library.findings.problems)
    library.findings.add(check_schedules(read, library.project))
    return read


def _examine(
    library: Library, files: Sequence[Path], settings: LoadSettings, *, runner: Runner | None = None
) -> Loaded:
    """The jobs of these files; `runner` None: the project's own."""
    if runner is None and (read := library.runner(library.project.runner_file)):
        runner = read.runner
    shared = runner.shared if runner else Shared()
    drafts = [draft for file in files if (draft := read_draft(library, file))]
    for draft in drafts:
        library.findings.add(_cross_checks(draft, shared, settings))
    everyone = [*drafts, *_neighbours(library, drafts, files)]
    all_feeds = feeds(everyone)
    met = _met(all_feeds)
    library.findings.add(check_job_names(drafts, everyone))
    library.findings.add(check_meetings(drafts, all_feeds))
    unsound = {problem.position.file for problem in library.findings.problems}
    jobs = [
        resolve(draft, runner=runner, walls=_walls(draft, shared), shared_tables=met)
        for draft in drafts
        if not unsound & draft.files
    ]
    problems = tuple(sorted(library.findings.problems))
    broken = _broken(set(files) - {job.path for job in jobs}, {draft.path: draft.files for draft in drafts}, problems)
    return Loaded(
        library.project,
        tuple(jobs),
        runner,
        problems,
        broken,
        files=library.count,
        looked_at=library.looked_at,
        texts=library.texts,
    )


def _broken(
    left: Collection[Path], made_of: Mapping[Path, Collection[Path]], problems: Sequence[Problem]
) -> dict[Path, tuple[Problem, ...]]:
    """The files that became no job, with the problems of what each is made of: of itself alone, if it can't be read."""
    return {
        path: tuple(problem for problem in problems if problem.position.file in made_of.get(path, (path,)))
        for path in sorted(left)
    }


def _cross_checks(draft: Draft, shared: Shared, settings: LoadSettings) -> Iterable[Problem]:
    yield from check_names(draft, tenant_id=settings.tenant_id, shared=shared)
    yield from check_contract(draft)
    yield from check_source(draft, walls=_walls(draft, shared), cloud=settings.mode == "cloud")
    yield from check_target(draft)
    yield from check_catalog(draft)
    yield from check_secret_places(draft)


def _neighbours(library: Library, drafts: Sequence[Draft], files: Sequence[Path]) -> list[Draft]:
    """The project's other jobs that could meet these; problems of theirs are told when they are loaded themselves."""
    project = library.project
    tables = [(draft, table) for draft in drafts for stream in draft.streams if (table := table_of(draft, stream))]
    if all(draft.tenant.owns(table.namespace[0]) for draft, table in tables):
        tenants = {draft.tenant.id for draft in drafts} & project.tenants
        candidates = [file for tenant in sorted(tenants) for file in yaml_files(project.jobs_folder / tenant)]
    else:
        candidates = project.job_files()
    loaded = {plain(file) for file in files}
    quiet = Library(project, library.connectors, library.variables)
    others = (file for file in candidates if file not in loaded)
    found = [draft for file in others if (draft := read_draft(quiet, file))]
    library.looked_at = {**quiet.looked_at, **library.looked_at}
    return found


def _met(all_feeds: Mapping[TableName, Sequence[Feed]]) -> frozenset[TableName]:
    return frozenset(table for table, meeting in all_feeds.items() if len({feed.draft.path for feed in meeting}) > 1)


def _walls(draft: Draft, shared: Shared) -> Walls:
    return Walls(draft.project, draft.tenant.id, opened_folders(shared.folders, draft.tenant.id))


def _project(start: Path, settings: LoadSettings) -> Project:
    root = find_root(start, given=settings.project, environment=settings.environment)
    return open_project(root, environment=settings.environment, state=settings.state_dir, secrets=settings.secrets_dir)


def _without_problems(loaded: Loaded) -> Loaded:
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded
