"""What a runner file points at, and its schedules among each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dativo_config.library import RunnerFileRead
from dativo_config.problems import Problem, closest
from dativo_config.project import Project, is_folder, is_there
from dativo_config.rights import where_from


def check_schedules(read: RunnerFileRead, project: Project) -> Iterator[Problem]:
    """Each schedule has its own name and a job file of the project; alerts are a tenant's; opened folders absolute."""
    base = ("runner", "orchestrator", "schedules")
    seen: dict[str, int] = {}
    for index, schedule in enumerate(read.runner.orchestrator.schedules):
        at = (*base, index)
        if schedule.name in seen:
            message = f"'{schedule.name}' is the name of another schedule too, number {seen[schedule.name] + 1}"
            yield read.document.problem((*at, "name"), message)
        seen.setdefault(schedule.name, index)
        path = project.resolve(schedule.config)
        if project.tenant_of(path) is None or ".." in path.parts:
            message = f"'{schedule.config}' is no job file of the project"
            yield read.document.problem((*at, "config"), message, hint="write jobs/<tenant>/<job>.yaml")
        elif is_folder(path) or not is_there(path):
            hint = closest(path.name, [file.name for file in path.parent.glob("*.y*ml")]) or where_from(path)
            yield read.document.problem((*at, "config"), f"'{schedule.config}' does not exist", hint=hint)
    if read.runner.retry_config is not None and read.runner.orchestrator.retry_config is not None:
        at = ("runner", "orchestrator", "retry_config")
        yield read.document.problem(at, "stands under runner too, which counts", hint="keep one of them", key=True)
    for tenant in read.runner.alerts.tenants:
        if tenant not in project.tenants:
            at = ("runner", "alerts", "tenants", tenant)
            yield read.document.problem(at, f"'{tenant}' is no tenant", hint=closest(tenant, project.tenants))
    for index, folder in enumerate(read.runner.shared.folders):
        if not Path(folder).is_absolute():
            at = ("runner", "shared", "folders", index)
            yield read.document.problem(at, f"'{folder}' must be an absolute path", hint="write /data/{tenant}")
