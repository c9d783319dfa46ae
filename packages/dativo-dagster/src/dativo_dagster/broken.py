"""Jobs whose files hold problems: shown in the asset graph with what is wrong, so that they are not just missing."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dativo_config.load import Loaded
from dativo_config.problems import Problem, headline
from dativo_config.project import Project

from dativo_dagster.assets import problems_metadata
from dativo_dagster.names import group_name

NO_TENANT = "no tenant"  # with a space, as no id is written


def broken_job_specs(loaded: Loaded) -> list[dg.AssetSpec]:
    """An external asset for each broken job; nothing can run it, and no schedule points at it."""
    return [_broken_spec(loaded.project, path, problems) for path, problems in loaded.broken.items()]


def _broken_spec(project: Project, path: Path, problems: tuple[Problem, ...]) -> dg.AssetSpec:
    tenant = project.tenant_of(path)
    told = [headline(problem) for problem in problems]
    return dg.AssetSpec(
        [tenant, path.name] if tenant else [NO_TENANT, os.path.relpath(path, project.root)],  # tables have three parts
        group_name=group_name(project.tenant(tenant)) if tenant else NO_TENANT.replace(" ", "_"),
        kinds={"broken"},
        tags={"dativo/status": "broken"},
        description="\n\n".join(("This job's files hold problems; until they are mended it does not run.", *told)),
        metadata=problems_metadata(problems),
    )
