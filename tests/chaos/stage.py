"""A scene set up in a folder: put back to the moment before the run that is killed, and looked at after it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from dativo_config.load import load
from dativo_engine.commits.quarantine import quarantines
from dativo_engine.connectors import specs
from pyiceberg.table import StaticTable

from tests.chaos.bucket import Bucket
from tests.chaos.child import Child, Mark
from tests.chaos.scenes import Files, Scene
from tests.readers.duckdb_reader import connect
from tools.services.seaweedfs import S3Server

CONFIG = "jobs/acme/load.yaml"
# When and by which run a row was rejected differs between two histories that are otherwise the same.
OF_THE_RUN = ("rejected_at", "run_id", "attempt")


@dataclass(frozen=True, slots=True)
class Sight:
    """What people see of a project's tables: all rows, in one order, and the rejected rows that are shown."""

    tables: Mapping[str, pa.Table]
    rejected: Sequence[str]

    def difference(self, other: Sight) -> str:
        """What tells the two apart, for a failing test; empty: nothing."""
        if self.tables.keys() != other.tables.keys():
            return f"tables {sorted(self.tables)} and {sorted(other.tables)}"
        told = [
            f"{name}: {mine.num_rows} and {other.tables[name].num_rows} rows of {mine.schema.names}"
            for name, mine in self.tables.items()
            if not mine.equals(other.tables[name])
        ]
        if self.rejected != other.rejected:
            told.append(f"{len(self.rejected)} and {len(other.rejected)} rejected rows are shown")
        return "; ".join(told)


class Tables:
    """The tables of a project's tenant, read without dativo."""

    def __init__(self, root: Path, bucket: Bucket | None = None) -> None:
        self._state = root / "state" / "acme"
        self._bucket = bucket

    def rows(self, name: str) -> pa.Table:
        """A table's rows, in the order of all its columns."""
        rows = self._open(self.metadata()[name]).scan().to_arrow()
        return rows.sort_by([(column, "ascending") for column in rows.column_names]).combine_chunks()

    def rows_in_duckdb(self, name: str) -> pa.Table:
        """The same, as DuckDB reads them."""
        location = self.metadata()[name].removeprefix("file://")
        with connect() as duckdb:
            rows = duckdb.execute(f"SELECT * FROM iceberg_scan('{location}') ORDER BY ALL").to_arrow_table()
        return rows.cast(self.rows(name).schema).combine_chunks()

    def metadata(self) -> dict[str, str]:
        """Where the current metadata of each table is, as the catalogue says."""
        with closing(sqlite3.connect(self._state / "catalog.db")) as connection:
            return dict(connection.execute("SELECT table_name, metadata_location FROM iceberg_tables").fetchall())

    def leftovers(self) -> list[str]:
        """Files that no snapshot of any table names, and whatever is still staged."""
        named = {path for location in self.metadata().values() for path in _named_files(self._open(location))}
        there = {str(path) for path in self._state.glob("warehouse/**/data/**/*") if path.is_file()}
        begun: list[str] = []
        if self._bucket is not None:
            there |= {f"s3://{self._bucket.name}/{key}" for key in self._bucket.objects() if "/data/" in key}
            begun = [f"begun: {upload['Key']}" for upload in self._bucket.uploads()]
        missing = [f"missing: {path}" for path in named - there]
        staged = [str(path) for path in (self._state / "staged").rglob("*") if path.is_file()]
        return [*sorted(there - named), *missing, *begun, *staged]

    def commits(self, name: str) -> int:
        """How many snapshots a table has."""
        return len(self._open(self.metadata()[name]).metadata.snapshots)

    def _open(self, location: str) -> StaticTable:
        return StaticTable.from_metadata(location, {} if self._bucket is None else self._bucket.properties)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A run without a crash: its steps, what is seen after it, and after the next one."""

    steps: Sequence[Mark]
    seen: Sight
    later: Sight


class Stage:
    """One scene in a folder of its own, whose state is kept aside and put back between two runs."""

    def __init__(self, root: Path, scene: Scene, server: S3Server | None = None) -> None:
        """Load it for the first time.

        Args:
            server: where the tables lie; None: in the state folder.
        """
        self.scene = scene
        self.root = root
        self._bucket = None if server is None else Bucket(server)
        self.tables = Tables(root, self._bucket)
        self._data = root / "data" / "acme"
        self._kept = root / "kept"
        self._logs = root / "logs"
        self._runs = 0
        for folder in (self._logs, root / "jobs" / "acme", root / "assets"):
            folder.mkdir(parents=True)
        if self._bucket is not None:
            self._bucket.make()
        (root / CONFIG).write_text(scene.job(self._bucket.connection if self._bucket is not None else ""))
        (root / "assets" / "orders.yaml").write_text(scene.contract)
        self._write(scene.first)
        self.run()
        (root / "assets" / "orders.yaml").write_text(scene.newer)
        self._write(scene.killed)
        shutil.copytree(self._state, self._kept)
        self._kept_objects = {} if self._bucket is None else self._bucket.keep()

    @cached_property
    def undisturbed(self) -> Undisturbed:
        """What a run without a crash gives."""
        self.restore()
        steps = self.run()
        return Undisturbed(steps, self.look(), self.a_day_later())

    def prove(self, killed: str) -> None:
        """After a run was killed, and how is told by `killed`: run to the end, and compare with the undisturbed."""
        self.run()
        assert not (told := self.look().difference(self.undisturbed.seen)), f"{killed}: {told}"
        assert not (told := self.a_day_later().difference(self.undisturbed.later)), f"{killed}, a day later: {told}"
        assert self.tables.leftovers() == [], killed

    def restore(self) -> None:
        """Back to the moment before the run that is killed."""
        shutil.rmtree(self._state)
        shutil.copytree(self._kept, self._state)
        if self._bucket is not None:
            self._bucket.restore(self._kept_objects)
        for name in self.scene.later:
            (self._data / name).unlink(missing_ok=True)

    def start(self, *, environment: Mapping[str, str] | None = None, dies_at: int = 0) -> Child:
        """Start `dativo run`; the caller ends it. See `Child`."""
        self._runs += 1
        log = self._logs / f"{self._runs}.log"
        return Child(self.root, ["run", "--config", CONFIG], log=log, environment=environment, dies_at=dies_at)

    def run(self) -> Sequence[Mark]:
        """`dativo run` to its end; 1 says that some rows were rejected, as some are."""
        child = self.start()
        assert child.finish() in (0, 1), child.log.read_text()
        child.log.unlink()
        return child.marks

    def a_day_later(self) -> Sight:
        """The next incremental run, and what is seen after it."""
        self._write(self.scene.later)
        self.run()
        return self.look()

    def look(self) -> Sight:
        """All rows as PyIceberg reads them, and what `dativo quarantine` shows."""
        tables = {name: self.tables.rows(name) for name in self.tables.metadata() if not name.endswith("__rejected")}
        job = load([self.root / CONFIG], specs()).jobs[0]
        rejected = [row for shown in quarantines(job) for batch in shown.rows() for row in batch.to_pylist()]
        return Sight(tables, sorted(map(_told, rejected)))

    @property
    def _state(self) -> Path:
        return self.root / "state" / "acme"

    def _write(self, files: Files) -> None:
        for name, text in files.items():
            path = self._data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _told(rejected: Mapping[str, Any]) -> str:
    """A rejected row, without what differs between two histories that are otherwise the same."""
    return str({name: value for name, value in rejected.items() if name not in OF_THE_RUN})


def _named_files(table: StaticTable) -> set[str]:
    entries = (
        entry
        for snapshot in table.metadata.snapshots
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    )
    return {entry.data_file.file_path.removeprefix("file://") for entry in entries}
