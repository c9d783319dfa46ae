"""One run in a process of its own, which may be killed at a named point."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from commit_support import ORDERS, Rows, Run, make_job
from dativo_config.models.job import Mode
from dativo_engine.commits.points import VARIABLE
from dativo_engine.errors import CommitConflictError

CONFLICT = 3
PRELOAD = ["dativo_engine.commits.iceberg", "dativo_engine.catalogs.embedded", "pyiceberg.io.pyarrow", "pytest"]


@dataclass(frozen=True)
class Task:
    """A run of job `name`, which reads `rows`; in append not if its cursor stands at `at` already."""

    root: Path
    run_id: str
    rows: Rows
    at: int
    name: str = "orders_job"
    mode: Mode = "append"
    rejected: tuple[str, ...] = ()
    kill_at: str = ""


def start(task: Task) -> ForkServerProcess:
    """The run in a child that a server forks, which has imported everything once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=run_task, args=(task,))
    process.start()
    return process


def run_task(task: Task) -> None:
    os.environ[VARIABLE] = task.kill_at
    run = Run(make_job(task.root, name=task.name, mode=task.mode), task.run_id)
    stamp = run.committer.last()[ORDERS]
    if task.mode == "replace" or stamp is None or stamp.cursors["orders"].value["at"] != task.at:
        run.stage(task.rows)
        if task.rejected:
            run.reject(task.rejected)
    try:
        run.publish(at=task.at)
    except CommitConflictError:
        run.committer.abandon()
        sys.exit(CONFLICT)
