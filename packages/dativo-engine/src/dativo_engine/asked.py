"""A job as one run of it was asked for: only some streams, read from the beginning, or rejected rows once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob

from dativo_engine.errors import FatalError
from dativo_engine.results import RunOptions


def as_asked(job: ResolvedJob, options: RunOptions) -> ResolvedJob:
    """The job with the streams and the write mode of this run.

    Raises:
        FatalError: there is no such stream, or rows that nobody would read again would be replaced.
    """
    if options.full_refresh:
        if job.shares_table:
            message = f"{job.path}: a full refresh would drop the rows of the other jobs that load its table"
            raise FatalError(message)
        job = _in_mode(job, "replace")
    if options.replay is not None and job.target.mode == "replace":
        # Mended rows join those that are there.
        job = _in_mode(job, "append")
    return _narrowed(job, options.objects) if options.objects else job


def _in_mode(job: ResolvedJob, mode: Mode) -> ResolvedJob:
    return replace(job, target=replace(job.target, mode=mode))


def _narrowed(job: ResolvedJob, names: Sequence[str]) -> ResolvedJob:
    known = [stream.name for stream in job.streams]
    if unknown := [name for name in names if name not in known]:
        message = f"{job.path}: there is no object {', '.join(unknown)}; there is {', '.join(known)}"
        raise FatalError(message)
    chosen = tuple(stream for stream in job.streams if stream.name in names)
    tables = {stream.table for stream in chosen}
    left_out = [stream.name for stream in job.streams if stream.table in tables and stream not in chosen]
    if job.target.mode == "replace" and left_out:
        message = (
            f"{job.path}: replacing the table by {', '.join(names)} alone would drop the rows of {', '.join(left_out)}"
        )
        raise FatalError(message)
    return replace(job, streams=chosen)
