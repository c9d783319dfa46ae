"""A contract in a line, a job's settings, and all that a run would read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from dativo_config.models.contract import PhysicalType as Type
from dativo_config.models.contract import Property, SchemaObject
from dativo_config.models.job import Incremental
from dativo_config.walls import Walls
from dativo_engine.connectors import open_source, specs
from dativo_engine.interfaces import Batch, Cursor, Malformed, Source, SourceSettings, StreamSettings

STREAM = "orders"

Write: TypeAlias = "Callable[[str, bytes | str], Path]"
Read: TypeAlias = "Callable[..., Loaded]"
MakeJob: TypeAlias = "Callable[..., Job]"


def contract(**columns: str | Property) -> SchemaObject:
    """`contract(id="long", price="decimal(10, 2)")`."""
    return SchemaObject(STREAM, STREAM, tuple(_property(name, kind) for name, kind in columns.items()))


def _property(name: str, kind: str | Property) -> Property:
    if isinstance(kind, Property):
        return kind
    base, _, arguments = kind.rstrip(")").partition("(")
    precision, scale = (int(part) for part in arguments.split(",")) if arguments else (0, 0)
    return Property(name, name, "string", Type(base, precision, scale))


@dataclass
class Job:
    """A job under test: change a field, then ask for its source or read everything."""

    connector: str
    project: Path
    inputs: tuple[str, ...]
    schema: SchemaObject | None = None
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    credentials: Mapping[str, object] = field(default_factory=dict[str, object])
    incremental: bool = False
    rereads: bool = False
    on_changed_file: str = "error"
    memory_bytes: int = 128 * 1024 * 1024
    walls: Walls | None = None

    def source(self) -> Source:
        spec = specs()[self.connector]
        return open_source(
            SourceSettings(
                connector=self.connector,
                tenant_id="acme",
                job_name="orders",
                project=self.project,
                streams=(StreamSettings(STREAM, self.inputs, self.schema),),
                options=spec.options(**self.options) if spec.options else None,
                credentials=spec.credentials(**self.credentials) if spec.credentials else None,
                incremental=Incremental(strategy="file_modified_time") if self.incremental else None,
                rereads_changed_files=self.rereads,
                on_changed_file="ignore" if self.on_changed_file == "ignore" else "error",
                memory_bytes=self.memory_bytes,
                walls=self.walls,
            )
        )

    def read(self, start: Cursor | None = None) -> Loaded:
        source = self.source()
        plan = source.plan({STREAM: start})
        batches = [batch for split in plan.splits for batch in source.read(split)]
        return Loaded(batches, plan.ends[STREAM])


@dataclass
class Loaded:
    """All that one run read, and where it ended."""

    batches: Sequence[Batch]
    end: Cursor | None

    @property
    def rows(self) -> list[dict[str, object]]:
        return [row for batch in self.batches for row in batch.records.to_pylist()]

    @property
    def malformed(self) -> list[Malformed]:
        return [record for batch in self.batches for record in batch.malformed]

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(batch.position.source for batch in self.batches))

    def column(self, name: str) -> list[object]:
        return [row[name] for row in self.rows]

    def types(self, name: str) -> list[str]:
        return [str(batch.records.schema.field(name).type) for batch in self.batches]

    def numbers(self) -> list[int]:
        return [batch.position.row(index) for batch in self.batches for index in range(batch.records.num_rows)]
