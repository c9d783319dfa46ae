"""The first rows of a job's source: as they would land in the table, and those that would be rejected."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from dativo_config.models.resolved import ResolvedJob, ResolvedStream
from dativo_engine.connectors import open_source
from dativo_engine.contracts.enforce import compile_enforcer
from dativo_engine.contracts.jsontext import python_rows
from dativo_engine.interfaces import Batch, Enforcer
from dativo_engine.memory import MEBIBYTE
from dativo_engine.pipeline import source_settings

from dativo_cli.screen import Json

MEMORY = 64 * MEBIBYTE


@dataclass(slots=True)
class Sample:
    """One stream's first rows. Its fields are those of `dativo preview --json`.

    Attributes:
        rows: accepted rows, by column of the table.
        rejected: why, where, and the row as JSON or its raw text.
    """

    stream: str
    table: str
    columns: dict[str, str]
    rows: list[Mapping[str, Json]] = field(default_factory=list[Mapping[str, Json]])
    rejected: list[Mapping[str, Json]] = field(default_factory=list[Mapping[str, Json]])

    @property
    def read(self) -> int:
        """How many rows the sample is of."""
        return len(self.rows) + len(self.rejected)


def first_rows(job: ResolvedJob, streams: tuple[ResolvedStream, ...], limit: int) -> list[Sample]:
    """Read and enforce the first `limit` rows of each stream; nothing is written.

    Rules over a whole run, and keys that the table holds already, are not judged.

    Raises:
        DativoError: the source can't be read, or does not fit its contract.
    """
    job = replace(job, streams=streams)
    samples = {
        stream.name: Sample(
            stream.name, str(stream.table), {item.column: str(item.physical_type) for item in stream.schema.properties}
        )
        for stream in streams
    }
    with tempfile.TemporaryDirectory() as folder:
        enforcers = {stream.name: _enforcer(job, stream, Path(folder)) for stream in streams}
        with closing(_batches(job)) as batches:
            for batch in batches:
                sample = samples[batch.stream]
                if sample.read < limit:
                    _take(sample, enforcers[batch.stream], batch, limit - sample.read)
                if all(sample.read >= limit for sample in samples.values()):
                    break
    return list(samples.values())


def _enforcer(job: ResolvedJob, stream: ResolvedStream, folder: Path) -> Enforcer:
    return compile_enforcer(
        stream,
        mode="warn",
        unknown_columns=job.job.unknown_columns,
        write_mode=job.target.mode,
        memory_bytes=MEMORY,
        spill_folder=folder,
    )


def _batches(job: ResolvedJob) -> Generator[Batch]:
    source = open_source(source_settings(job, memory_bytes=MEMORY))
    plan = source.plan({stream.name: None for stream in job.streams})
    try:
        for split in plan.splits:
            yield from source.read(split)
    finally:
        plan.close(None)


def _take(sample: Sample, enforcer: Enforcer, batch: Batch, wanted: int) -> None:
    malformed = batch.malformed[:wanted]
    records = batch.records.slice(0, wanted - len(malformed))
    op = None if batch.op is None else batch.op.slice(0, records.num_rows)
    verdict = enforcer.enforce(replace(batch, records=records, op=op, malformed=malformed))
    sample.rows += cast(
        "list[Mapping[str, Json]]", python_rows(verdict.accepted)
    )  # times and decimals are shown as text
    if verdict.rejected is not None:
        sample.rejected += verdict.rejected.drop_columns(["rejected_at", "stream"]).to_pylist()
