"""One run in a process of its own, which may be killed at a named point."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from commit_support import ORDERS, Rows, Run, make_job
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.commits.points import VARIABLE
from dativo_engine.errors import CommitConflictError
from dativo_engine.storage import Storage
from dativo_engine.storage.upload import PART_BYTES, PARTS_ON_THE_WAY

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


def start_uploading(job: ResolvedJob, run_id: str) -> ForkServerProcess:
    """A run of a job that is killed while it uploads a data file, of which parts are there already."""
    process = multiprocessing.get_context("forkserver").Process(target=_upload, args=(job, run_id))
    process.start()
    return process


def _upload(job: ResolvedJob, run_id: str) -> None:
    run = Run(job, run_id)
    run.committer.last()
    layout = run.committer.layout(ORDERS)
    file = Storage(layout.io_properties).create(f"{layout.location}/data/{run_id}-00000.parquet")
    # With so many the first has to be there before the last is taken.
    for _ in range(PARTS_ON_THE_WAY + 1):
        file.sink.write(bytes(PART_BYTES))
    os.kill(os.getpid(), signal.SIGKILL)


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
