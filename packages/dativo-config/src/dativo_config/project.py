"""A project folder: its root, its tenants, and what a path in one of its files means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from dativo_config.tenancy import Tenant

IMAGE_HOME = Path("/app")  # where the Docker image keeps the project, and so how many files name it


@dataclass(frozen=True)
class Project:
    """One project folder.

    Attributes:
        root: absolute, as it was given: symlinks in it are not resolved.
        state_root: `STATE_DIR`, else `state/`.
        secrets_root: `--secrets-dir`, else `DATIVO_SECRETS_DIR`, else `secrets/`.
        given_runner_file: `DATIVO_RUNNER_CONFIG`; None: `configs/runner.yaml`.
    """

    root: Path
    state_root: Path
    secrets_root: Path
    given_runner_file: Path | None = None

    @property
    def jobs_folder(self) -> Path:
        """One folder a tenant."""
        return self.root / "jobs"

    @property
    def runner_file(self) -> Path:
        """Where the runner's settings are."""
        return self.given_runner_file or self.root / "configs" / "runner.yaml"

    @cached_property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a folder of jobs."""
        try:
            return frozenset(entry.name for entry in self.jobs_folder.iterdir() if is_folder(entry) and _seen(entry))
        except OSError:
            return frozenset()

    @property
    def one_tenant(self) -> bool:
        """Whether no two tenants have jobs here: not, where that can't be seen."""
        seen = os.access(self.jobs_folder, os.R_OK | os.X_OK) or not is_there(self.jobs_folder)
        return seen and len(self.tenants) <= 1

    @cached_property
    def environment_forms(self) -> dict[str, frozenset[str]]:
        """Which tenants each environment form stands for; one, or a problem."""
        forms: dict[str, frozenset[str]] = {}
        for tenant in map(self.tenant, self.tenants):
            forms[tenant.environment_form] = forms.get(tenant.environment_form, frozenset()) | {tenant.id}
        return forms

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant of that id in this project."""
        return Tenant(tenant_id, self.state_root, self.secrets_root, alone=self.one_tenant)

    def tenant_of(self, job_file: Path) -> str | None:
        """The `jobs/<tenant>/` folder that a job file lies in; "" directly in `jobs/`; None: it lies elsewhere."""
        written = plain(job_file)
        for file, folder in ((written, self.jobs_folder), (job_file.resolve(), self.jobs_folder.resolve())):
            if file.is_relative_to(folder):
                parts = file.relative_to(folder).parts
                return parts[0] if len(parts) > 1 else ""
        return None

    def job_files(self) -> list[Path]:
        """Every job file of every tenant, and those that lie in no tenant's folder, where none may."""
        folders = [self.jobs_folder, *(self.jobs_folder / tenant for tenant in sorted(self.tenants))]
        return [file for folder in folders for file in yaml_files(folder)]

    def resolve(self, text: str) -> Path:
        """The absolute path that a file of the project means by `text`."""
        path = Path(text)
        if path.is_relative_to(IMAGE_HOME) and not IMAGE_HOME.exists():
            path = path.relative_to(IMAGE_HOME)
        return self.root / path


def open_project(
    root: Path, *, environment: Mapping[str, str], state: Path | None = None, secrets: Path | None = None
) -> Project:
    """The project at `root`."""
    root = plain(root)
    chosen = state or (Path(environment["STATE_DIR"]) if environment.get("STATE_DIR") else Path("state"))
    kept = secrets or Path(environment.get("DATIVO_SECRETS_DIR") or "secrets")
    project = Project(root, root / chosen, root / kept)
    if given := environment.get("DATIVO_RUNNER_CONFIG"):
        return replace(project, given_runner_file=project.resolve(given))
    return project


def find_root(start: Path, *, given: Path | None, environment: Mapping[str, str]) -> Path:
    """The project root for a file or folder: `--project`, `DATIVO_HOME`, the nearest parent with `jobs/`, or itself."""
    if given is not None:
        return given
    if environment.get("DATIVO_HOME"):
        return Path(environment["DATIVO_HOME"])
    start = plain(start)
    folder = start if is_folder(start) else start.parent
    return next((parent for parent in (folder, *folder.parents) if is_folder(parent / "jobs")), folder)


def plain(path: Path) -> Path:
    """An absolute path without `..`, as it is written: symlinks are not followed."""
    return Path(os.path.normpath(path.absolute()))


def is_folder(path: Path) -> bool:
    """Whether it is a folder; False also where that may not be seen, which whoever reads it then tells."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a folder above may not be entered


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder, or may be: one that may not be seen is found out when it is read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True


def yaml_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """The YAML files in a folder, or also below it, in order. Names that begin with `.` or `_` are not looked at.

    Jobs lie directly in their folder: below it there may be as much data as a tenant has.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if _seen(entry))
    except OSError:
        return []
    found: list[Path] = []
    for entry in entries:
        if deep and is_folder(entry) and not entry.is_symlink():
            found += yaml_files(entry, deep=True)
        elif entry.suffix in (".yaml", ".yml") and os.path.isfile(entry):  # noqa: PTH113 - as is_folder
            found.append(entry)
    return found


def _seen(path: Path) -> bool:
    return not path.name.startswith((".", "_"))
