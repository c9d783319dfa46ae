"""The fence and the retry loop: the only place from which a table is changed.

A change is planned on a base, and committed with the requirement that the base is still the table's current state. When
it is not, the change is planned again on the new base: the plan sees there whether it may still be made, must not, or
was made already. When the answer was lost, the table is first asked for the snapshot (`unanswered`). A request whose
answer was lost can do no harm after that, because whichever of it and the next one lands first moves the base of the
other.

PyIceberg's own `Transaction` commits again by itself on a base nobody looked at, and so is used to build updates only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from dativo_config.models.resolved import TableName
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import FileIO, InputFile, OutputFile, load_file_io
from pyiceberg.manifest import DataFile
from pyiceberg.table import CommitTableResponse, CreateTableTransaction, StagedTable, Table, Transaction
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertCreate,
    AssertCurrentSchemaId,
    AssertDefaultSpecId,
    AssertRefSnapshotId,
    AssertTableUUID,
    TableRequirement,
    TableUpdate,
)
from typing_extensions import override

from dativo_engine.commits.leftovers import leftovers_told
from dativo_engine.commits.points import reach
from dativo_engine.commits.unanswered import Try, Unanswered
from dativo_engine.errors import CommitConflictError, DativoError, RateLimitError, RetryableError
from dativo_engine.events import Events
from dativo_engine.storage import storage_of

OVERTAKEN: Final = (CommitFailedException, TableAlreadyExistsError)
TRIES = 100
LOST_ANSWERS = 5
LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Edit:
    """One snapshot: the files it takes out and puts in. All empty: a snapshot that only carries its summary.

    Attributes:
        snapshot: `rows`: it changes what is in the table; `same rows`: they only come to lie in other files; `none`:
            there is none, only `updates` and properties.
        updates: to schema, partition spec, sort order and references, made before the snapshot is.
        marks: given the new snapshot's id, what goes into its summary and, as a copy, into the table's properties.
        notes: go into the summary only.
        carried: go into the summary only, unless `marks` say otherwise: other jobs' stamps.
        properties: go into the table's properties only.
        forgotten: properties that the table is to lose.
    """

    snapshot: Literal["rows", "same rows", "none"] = "rows"
    updates: tuple[TableUpdate, ...] = ()
    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = ()
    marks: Callable[[int], Mapping[str, str]] = lambda _: {}
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    carried: Mapping[str, str] = field(default_factory=dict[str, str])
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    forgotten: Sequence[str] = ()


Plan = Callable[[Table | None], Edit | None]
"""Given the table as it stands (None: there is none), what to do; None: it is done already.
Raises CommitConflictError where it must not be done any more."""
Asking = Callable[[Table | None], None]
"""Told of each request for a commit before it is sent: the table as it stands, which the request changes."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A table after a change.

    Attributes:
        found: the change was there already when it was last planned, so that try made none.
        base, edit: what was planned last, and on what; None: nothing was, or there was no table.
        earlier: the snapshot of a try whose answer was lost, and which landed: others may have come since.
    """

    metadata: TableMetadata
    metadata_location: str
    found: bool
    base: Table | None = None
    edit: Edit | None = None
    earlier: int | None = None

    @property
    def snapshot_id(self) -> int | None:
        """The change's snapshot; where it made none, the current one."""
        return self.earlier or self.metadata.current_snapshot_id


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table is, or will be created.

    Attributes:
        creation: the metadata of a table that is made together with its first snapshot.
    """

    catalog: Catalog
    name: TableName
    creation: TableMetadata | None = None

    @property
    def identifier(self) -> tuple[str, ...]:
        """As PyIceberg names it."""
        return (*self.name.namespace, self.name.table)

    def load(self) -> Table | None:
        """The table as it stands."""
        try:
            return self.catalog.load_table(self.identifier)
        except NoSuchTableError:
            return None


def land(place: Place, plan: Plan, events: Events, *, asking: Asking = lambda _: None) -> Landed:
    """Make a change visible, once, in one catalogue commit.

    Raises:
        CommitConflictError: the plan may not be carried out any more, or others are always faster.
        RateLimitError: the catalogue asks to be left alone for longer than a run waits.
        CommitStateUnknownError: an answer was lost, and the table does not say whether the change is in it.
    """
    unanswered = Unanswered(place.name)
    with unanswered.judged():
        return _land(place, plan, events, asking, unanswered)


def _land(place: Place, plan: Plan, events: Events, asking: Asking, unanswered: Unanswered) -> Landed:
    last: tuple[Table | None, Edit | None] = None, None
    refused: Exception | None = None
    for _ in paced():
        table = place.load()
        earlier = unanswered.landed(table)
        edit = None if earlier is not None else plan(table)
        if edit is None:
            return _as_found(place, table, last, earlier)
        if len(unanswered) == LOST_ANSWERS:
            message = f"{place.name}: {LOST_ANSWERS} commits in a row got no answer"
            raise RetryableError(message)
        last = table, edit
        asking(table)
        change = _Change(place, table, edit, events)
        reach("before_commit")
        try:
            response = change.commit()
        except OVERTAKEN as error:
            refused = error
            change.discard()
            why = "asked too often" if isinstance(error, RateLimitError) else "another commit was first"
            message = f"{place.name}: {why}, trying again on top of what is there then"
            events.emit("commit_retry", message, level="DEBUG", table=str(place.name), error=str(error))
        except CommitStateUnknownException as error:
            unanswered.add(change.asked(), error)
            message = f"{place.name}: the catalogue's answer was lost, looking whether the commit happened"
            events.emit("commit_answer_lost", message, level="WARNING", table=str(place.name), error=str(error))
        else:
            reach("after_commit")
            change.drop_old_metadata(response)
            return Landed(response.metadata, response.metadata_location, found=False, base=table, edit=edit)
    if isinstance(refused, RateLimitError):
        raise refused
    message = f"{place.name}: {TRIES} commits in a row lost against other writers; the last time: {refused}"
    raise CommitConflictError(message) from refused


def _as_found(place: Place, table: Table | None, last: tuple[Table | None, Edit | None], earlier: int | None) -> Landed:
    if table is None:
        message = f"{place.name}: planned as done, but there is no table"
        raise CommitConflictError(message)
    base, edit = last
    return Landed(table.metadata, table.metadata_location, found=True, base=base, edit=edit, earlier=earlier)


def paced() -> Iterator[int]:
    """The tries of a commit, a random and growing pause between them."""
    for number in range(TRIES):
        if number:
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.02 * 2**number)))  # noqa: S311 - not a secret
        yield number


class _Change:
    """One try to change a table: updates on one base, and the requirements that hold only there."""

    def __init__(self, place: Place, table: Table | None, edit: Edit, events: Events) -> None:
        """Write the manifests and collect the updates."""
        self._place = place
        self._events = events
        self._base = table
        self._same_rows = edit.snapshot == "same rows"
        self._snapshot_id: int | None = None
        self._transaction = Transaction(table) if table is not None else _creation(place)
        self._made = _note_new_files(self._transaction)
        try:
            self._plan(edit)
        except BaseException:
            self.discard()
            raise

    def _plan(self, edit: Edit) -> None:
        if edit.updates:
            self._transaction._apply(edit.updates)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - staged only
        marks = {} if edit.snapshot == "none" else self._add_snapshot(edit)
        if properties := {**edit.properties, **marks}:
            self._transaction.set_properties(properties)
        if edit.forgotten:
            self._transaction.remove_properties(*edit.forgotten)

    def _add_snapshot(self, edit: Edit) -> Mapping[str, str]:
        """Write its manifests; answers its marks."""
        snapshot = self._transaction.update_snapshot()
        producer = snapshot.overwrite() if edit.removed else snapshot.merge_append()
        self._snapshot_id = producer.snapshot_id
        marks = edit.marks(producer.snapshot_id)
        producer.snapshot_properties = {**edit.carried, **edit.notes, **marks}
        for file in edit.removed:
            producer.delete_data_file(file)
        if edit.removed:
            # Else it would look for the removed files' manifests by a predicate of all their partitions.
            producer.delete_by_predicate(AlwaysTrue())
        for file in edit.added:
            producer.append_data_file(file)
        producer.commit()
        return marks

    def commit(self) -> CommitTableResponse:
        """Ask the catalogue, once."""
        if self._base is None:
            make_namespace(self._place.catalog, self._place.name.namespace)
        table, updates, _ = _inside(self._transaction)
        if self._same_rows:
            updates = tuple(_of_same_rows(update) for update in updates)
        return self._place.catalog.commit_table(table, self._requirements(), updates)

    def _requirements(self) -> tuple[TableRequirement, ...]:
        if self._base is None:
            return (AssertCreate(),)
        metadata = self._base.metadata
        return (
            AssertRefSnapshotId.model_validate({"ref": MAIN_BRANCH, "snapshot-id": metadata.current_snapshot_id}),
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertCurrentSchemaId.model_validate({"current-schema-id": metadata.current_schema_id}),
            AssertDefaultSpecId.model_validate({"default-spec-id": metadata.default_spec_id}),
        )

    def asked(self) -> Try:
        """What `commit` asks for, to recognise it by if nobody answers."""
        return Try(self._base, self._requirements(), self._snapshot_id)

    def discard(self) -> None:
        """Delete the manifests of a change that certainly did not happen."""
        table, _, _ = _inside(self._transaction)
        with leftovers_told(self._events, f"{self._place.name}: manifests of a commit that was not made"):
            storage_of(table.io).delete(self._made)

    def drop_old_metadata(self, response: CommitTableResponse) -> None:
        """Delete metadata files beyond the number that the table's properties keep.

        The commit is made: what can't be deleted is told, not raised.
        """
        if (
            self._base is None
            or response.metadata.properties.get("write.metadata.delete-after-commit.enabled") != "true"
        ):
            return
        kept = {entry.metadata_file for entry in response.metadata.metadata_log}
        for entry in self._base.metadata.metadata_log:
            if entry.metadata_file not in kept:
                try:
                    storage_of(self._base.io).delete([entry.metadata_file])
                except (DativoError, OSError) as error:
                    message = f"{self._place.name}: an old metadata file stays: {error}"
                    self._events.emit("metadata_kept", message, level="WARNING", table=str(self._place.name))


def _note_new_files(transaction: Transaction) -> list[str]:
    """The list to which every file that the transaction makes from now on is added, before it is made."""
    table, _, _ = _inside(transaction)
    io = _NotingFileIO(table.io)
    table.io = io
    return io.made


class _NotingFileIO(FileIO):
    """Another one, of which is remembered what was made through it."""

    def __init__(self, io: FileIO) -> None:
        super().__init__(io.properties)
        self._io = io
        self.made: list[str] = []

    @override
    def new_input(self, location: str) -> InputFile:
        return self._io.new_input(location)

    @override
    def new_output(self, location: str) -> OutputFile:
        self.made.append(location)
        return self._io.new_output(location)

    @override
    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._io.delete(location)


def make_namespace(catalog: Catalog, levels: tuple[str, ...]) -> None:
    """Make a namespace and those it lies in, where they are not there."""
    for depth in range(1, len(levels) + 1):
        if not catalog.namespace_exists(levels[:depth]):
            try:
                catalog.create_namespace(levels[:depth])
            except NamespaceAlreadyExistsError:
                continue  # another run was first


def _of_same_rows(update: TableUpdate) -> TableUpdate:
    """The update, telling engines that follow changes that there is none: PyIceberg has no producer that does."""
    if not isinstance(update, AddSnapshotUpdate) or update.snapshot.summary is None:
        return update
    summary = Summary(Operation.REPLACE, **update.snapshot.summary.additional_properties)
    snapshot = update.snapshot.model_copy(update={"summary": summary})
    return AddSnapshotUpdate(snapshot=snapshot)


def _inside(
    transaction: Transaction,
) -> tuple[Table, tuple[TableUpdate, ...], tuple[TableRequirement, ...]]:
    """What a transaction would commit by itself."""
    return transaction._table, transaction._updates, transaction._requirements  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _creation(place: Place) -> CreateTableTransaction:
    if place.creation is None:
        message = f"{place.name}: the table was dropped while it was being written to"
        raise CommitConflictError(message)
    metadata = place.creation
    location = load_location_provider(metadata.location, metadata.properties).new_table_metadata_file_location()
    return CreateTableTransaction(
        StagedTable(
            identifier=place.identifier,
            metadata=metadata,
            metadata_location=location,
            io=load_file_io({**place.catalog.properties, **metadata.properties}, location),
            catalog=place.catalog,
        )
    )
