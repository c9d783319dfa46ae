"""A code location for `dagster dev -m dativo_dagster.code_location` and for workspace.yaml.

The project is found as `dativo` finds it: `DATIVO_HOME`, else the current folder or one above it.
`DATIVO_RUNNER_CONFIG` names another runner file than `configs/runner.yaml`, `DATIVO_SECRET_MANAGER` where secrets are.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dativo_config.project import find_root, open_project

from dativo_dagster.definitions import build_definitions
from dativo_dagster.logs import json_lines


@dg.definitions
def defs() -> dg.Definitions:
    """All that the runner file lists."""
    root = find_root(Path.cwd(), given=None, environment=os.environ)
    runner_config = open_project(root, environment=os.environ).runner_file
    definitions = build_definitions(runner_config, secret_manager=os.environ.get("DATIVO_SECRET_MANAGER") or None)
    return dg.Definitions.merge(definitions, dg.Definitions(loggers={"console": json_lines}))
