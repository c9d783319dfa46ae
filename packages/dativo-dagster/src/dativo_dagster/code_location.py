"""A code location for `dagster dev -m dativo_dagster.code_location` and for workspace.yaml.

The project is found as `dativo` finds it: `DATIVO_HOME`, else the current folder or one above it.
`DATIVO_RUNNER_CONFIG` names another runner file than `configs/runner.yaml`, `DATIVO_SECRETS_DIR` and
`DATIVO_SECRET_MANAGER` where secrets are; `DATIVO_MODE=cloud` refuses connectors that read this machine.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import dagster as dg
from dativo_config.load import LoadSettings
from dativo_config.project import find_root, open_project
from dativo_engine.process import tune_process

from dativo_dagster.definitions import build_definitions, held_folder
from dativo_dagster.logs import json_lines
from dativo_dagster.service.leash import end_with_service

# Every process that runs a job imports this module, and started by a service it must not outlive it.
end_with_service(os.environ)
if multiprocessing.parent_process() is not None:
    tune_process()  # a run's own


@dg.definitions
def defs() -> dg.Definitions:
    """All that the runner file lists."""
    root = find_root(Path.cwd(), given=None, environment=os.environ)
    runner_config = open_project(root, environment=os.environ).runner_file
    settings = LoadSettings(
        project=root,
        mode="cloud" if os.environ.get("DATIVO_MODE") == "cloud" else "self_hosted",
        held=held_folder(os.environ),
    )
    manager = os.environ.get("DATIVO_SECRET_MANAGER") or None
    definitions = build_definitions(runner_config, settings=settings, secret_manager=manager)
    return dg.Definitions.merge(definitions, dg.Definitions(loggers={"console": json_lines}))
