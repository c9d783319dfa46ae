"""One table of a run: where it stood when the run was planned, what is staged for it, and what may be done to it.

`Target.plan` is the heart: the run's change, made anew on every base that the fence finds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, TableName
from dativo_config.wording import counted
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from dativo_engine.commits import quarantine
from dativo_engine.commits.audit import Audit
from dativo_engine.commits.data_files import came_since, live_entries, scan_tasks, stored_rows, to_data_file
from dativo_engine.commits.fence import Edit, Landed, Place
from dativo_engine.commits.keys import KeySearch
from dativo_engine.commits.layout import Step, Wanted, check_unmoved, layout_of, next_step, wanted
from dativo_engine.commits.merge import Merged
from dativo_engine.commits.mergestep import MergeStep, change_layout, merge_rule
from dativo_engine.commits.rows import reader_of
from dativo_engine.commits.stamp import StampCodec, standing
from dativo_engine.commits.stamps import sealed
from dativo_engine.errors import CommitConflictError, FatalError
from dativo_engine.interfaces import LateRows, StagedFile, Stamp, TableLayout
from dativo_engine.state.mirror import Mirror
from dativo_engine.storage import Storage, storage_of

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a run of a job.

    Attributes:
        replays: runs whose rows in quarantine this one takes over.
        memory_bytes: what a merge, or a search for keys, may take.
    """

    job: ResolvedJob
    catalog: Catalog
    codec: StampCodec
    run_id: str
    attempt: int
    replays: Collection[str]
    memory_bytes: int

    @property
    def mode(self) -> Mode:
        """How its rows get into the tables."""
        return self.job.target.mode


@dataclass
class Target:
    """A table, or the quarantine of one.

    Attributes:
        place: with the metadata it will be created with.
        base: the table when the run was planned; None: it did not exist.
        expected: the job's stamp then, encoded; None: there was none.
    """

    run: Run
    stream: ResolvedStream
    place: Place
    want: Wanted
    base: Table | None
    expected: str | None = None
    staged: dict[str, StagedFile] = field(default_factory=dict[str, StagedFile])
    merging: MergeStep | None = None
    merged: Merged | None = None

    @property
    def merges(self) -> bool:
        """Whether what is staged are changes, to be merged by key."""
        return self.run.mode == "merge" and self.name == self.stream.table

    @property
    def change_folder(self) -> Path:
        """Where this run's changes are staged."""
        return self.run.job.tenant.staged_folder(self.run.job.name) / "changes" / str(self.name)

    @property
    def name(self) -> TableName:
        """The table's."""
        return self.place.name

    @cached_property
    def step(self) -> Step:
        """What the run's commit changes in the table besides its rows."""
        if self.base is None:
            return Step(self.want.creation())
        return next_step(self.name, self.base.metadata, self.want, self.run.job.job.schema_evolution)

    @property
    def metadata(self) -> TableMetadata:
        """The table as it will be: what files are written for."""
        return self.step.metadata

    @cached_property
    def before(self) -> Stamp | None:
        """The job's stamp when the run was planned."""
        return None if self.expected is None else self.run.codec.decode(self.expected)

    @property
    def io(self) -> FileIO:
        """How its files are read: with credentials of its own, where the catalogue hands some out."""
        return self.run.codec.io if self.base is None else self.base.io

    @cached_property
    def storage(self) -> Storage:
        """Where its files are, and what is staged for it."""
        return storage_of(self.io)

    def layout(self) -> TableLayout:
        """How the table's files must look."""
        size = self.run.job.target.target_file_bytes
        return layout_of(self.name, self.metadata, io=self.io, target_file_bytes=size)

    def staging_layout(self) -> TableLayout:
        """How the files must look that the run stages: the table's own, or in merge mode files of changes."""
        if not self.merges:
            return self.layout()
        return change_layout(self.run.job, self.change_folder, self.layout())

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns whose values no two rows of the table may share, where this run could bring that about."""
        guarded = self.run.mode == "append" and self.name == self.stream.table
        return self.stream.schema.primary_key if guarded else ()

    def find_stored(self, files: Sequence[StagedFile], *, enough: int | None = None) -> list[LateRows]:
        """The rows of staged files whose key the table holds already."""
        if self.base is None or not self.keys:
            return []
        held = self._key_search(self.base).held(files, scan_tasks(self.base), enough=enough)
        message = "the table already holds a row with the key"
        return [LateRows(path, rows, "primaryKey", self.keys, message) for path, rows in held.items()]

    def moves(self, stamp: Stamp) -> bool:
        """Whether the run changes anything in the table, were it only the job's cursor."""
        if self.staged or self.before is None or self.step.updates or self._sets_anew(self.base):
            return True
        replaces = self.run.mode == "replace" and self.base is not None and stored_rows(self.base.metadata) > 0
        return replaces or self._moves_cursor(stamp)

    def _moves_cursor(self, stamp: Stamp) -> bool:
        before = self.before
        return before is None or stamp.cursors != before.cursors or stamp.quarantine != before.quarantine

    def _sets_anew(self, table: Table | None) -> bool:
        return table is not None and self.want.sets_anew(table.properties)

    def plan(self, table: Table | None, stamp: Stamp) -> Edit | None:
        """The run's change to the table as it stands; None: it is there.

        Raises:
            CommitConflictError: the run may not be carried out on this base, and must be planned again.
            FatalError: it would empty the table, and nobody allowed that.
        """
        stamps = {} if table is None else standing(table.metadata)
        text = stamps.get(self.run.codec.key)
        if text != self.expected:
            if text is not None and self.run.codec.decode(text).run_id == self.run.run_id:
                return None
            message = f"{self.name}: another run of job {self.run.job.name} committed first"
            raise CommitConflictError(message)
        if table is not None:
            check_unmoved(self.name, self.base.metadata if self.base else self.metadata, table.metadata)
            self._check_keys(table)
        self.check_allowed(table)
        added, removed = self._merge(table) if self.merges else (list(self.staged.values()), self._removed(table))
        anew = self._sets_anew(table)
        if not (added or removed or self.step.updates or anew) and not self._moves_cursor(stamp):
            return None
        stored = {} if table is None else table.properties
        properties, forgotten = self.want.changed_properties(stored, self.metadata.schema())
        return Edit(
            updates=() if table is None else self.step.updates,
            added=[to_data_file(file, self.metadata.spec()) for file in added],
            removed=removed,
            marks=sealed(stamp, self.run.codec),
            carried=stamps,
            properties={} if table is None else properties,
            forgotten=forgotten,
        )

    def audit(self, landed: Landed) -> None:
        """Examine what landed, as the job asks for.

        Raises:
            AuditError: it is not what was planned.
        """
        job, schema, is_quarantine = self.run.job, self.stream.schema, self.name != self.stream.table
        Audit(
            table=self.name,
            io=self.run.codec.io,
            level=job.target.audit,
            required=() if is_quarantine else tuple(item.column for item in schema.properties if item.required),
            keys=() if is_quarantine else schema.primary_key,
            deletes=None if self.merged is None else self.merged.deleted,
            stamp=None if is_quarantine else (self.run.codec.key, self.run.run_id),
            folder=job.tenant.staged_folder(job.name),
            memory_bytes=self.run.memory_bytes,
        ).examine(landed)

    def discard(self) -> None:
        """Delete what was staged, and what a merge wrote."""
        if self.merging is not None:
            self.merging.discard()
            self.merging.close()
            self.merging = None
        self.storage.delete(self.staged)
        self.staged.clear()

    def let_go(self, *, certain: bool) -> bool:
        """What was staged is the table's now: nothing that comes later deletes it. False: other files are left.

        Changes have served, and so has what merges into overtaken bases wrote, if it is `certain` which landed.
        """
        staged, merging = dict(self.staged), self.merging
        self.staged.clear()
        self.merging = None
        if merging is not None:
            merging.close()
        if self.merges:
            self.storage.delete(staged)
        return merging is None or merging.drop_superseded(certain=certain)

    def landed_files(self) -> list[StagedFile]:
        """The data files that the run's commit brings."""
        return list(self.staged.values()) if self.merged is None else list(self.merged.added)

    def _merge(self, table: Table | None) -> tuple[list[StagedFile], list[DataFile]]:
        """The files a merge of the staged changes brings and takes away, on this base."""
        if not self.staged:
            return [], []
        if self.merging is None:
            self.merging = MergeStep(
                merge_rule(self.run.job, self.stream),
                list(self.staged.values()),
                layout=self.layout(),
                io=self.io,
                run_id=self.run.run_id,
                folder=self.run.job.tenant.staged_folder(self.run.job.name),
                memory_bytes=self.run.memory_bytes,
            )
        self.merged = self.merging.onto(table)
        return list(self.merged.added), list(self.merged.removed)

    def check_allowed(self, table: Table | None) -> None:
        """That the run may take away from the table what it would.

        Raises:
            FatalError: it would empty the table or drop another job's rows, and nobody allowed that.
        """
        if table is None or self.run.mode != "replace":
            return
        rows = stored_rows(table.metadata)
        if rows and not self.staged and not self.run.job.target.allow_empty:
            message = (
                f"{self.name}: no row was accepted, and replacing would empty a table of {counted(rows, 'row')}; "
                "set target.allow_empty: true if that is meant"
            )
            raise FatalError(message)
        self._check_alone(table)

    def _removed(self, table: Table | None) -> list[DataFile]:
        """The stored files that give way in replace: all of them."""
        if table is None or self.run.mode != "replace":
            return []
        return [entry.data_file for entry in live_entries(table)]

    def _check_alone(self, table: Table) -> None:
        others = [
            self.run.codec.decode(text) for key, text in standing(table.metadata).items() if key != self.run.codec.key
        ]
        if others:
            names = ", ".join(sorted(f"{stamp.tenant}/{stamp.job}" for stamp in others))
            message = (
                f"{self.name}: replacing would drop the rows of {names}; "
                "if that is this job's earlier name, run `dativo state import --from` with it"
            )
            raise FatalError(message)

    def _check_keys(self, table: Table) -> None:
        """That no file which came since the run was planned holds one of its keys."""
        planned = None if self.base is None else self.base.metadata.current_snapshot_id
        if not self.keys or table.metadata.current_snapshot_id == planned:
            return
        if self._key_search(table).held(list(self.staged.values()), came_since(table, self.base), enough=1):
            message = f"{self.name}: rows with the same keys were added during the run"
            raise CommitConflictError(message)

    def _key_search(self, table: Table) -> KeySearch:
        reader = reader_of(table.metadata, self.io, schema=self.metadata.schema())
        folder = self.run.job.tenant.staged_folder(self.run.job.name)
        return KeySearch(reader, self.keys, folder, self.run.memory_bytes)


def look(run: Run, name: TableName, stream: ResolvedStream, mirror: Mirror) -> Target:
    """A table as it stands now.

    Raises:
        FatalError: the contract does not fit it, or it has rows and no stamp where one is due.
    """
    is_quarantine = name != stream.table
    want = quarantine.wanted(run.job, stream.table) if is_quarantine else wanted(run.job, stream)
    place = Place(run.catalog, name, want.creation())
    base = place.load()
    if base is None:
        return Target(run, stream, place, want, base)
    expected = None if is_quarantine else _expected(run, name, base, mirror)
    return Target(run, stream, place, want, base, expected)


def _expected(run: Run, name: TableName, table: Table, mirror: Mirror) -> str | None:
    """The stamp that a run may be planned from."""
    stamps = standing(table.metadata)
    if (text := stamps.get(run.codec.key)) is not None:
        return text
    if not stored_rows(table.metadata):
        return None
    remedy = "`dativo state reset` (start from the beginning), `state set` (from a cursor) or `state adopt`"
    if not stamps:
        message = f"{name}: the table has rows, and none that dativo loaded; say where to start with {remedy}"
        raise FatalError(message)
    if run.codec.key not in table.properties and mirror.knows(name):
        message = f"{name}: job {run.job.name} loaded rows before, but its stamp is gone; go on with {remedy}"
        raise FatalError(message)
    return None  # a job that joins a table, or one whose commits were all rolled back
