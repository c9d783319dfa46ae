"""What a table was: a chain of snapshots in its own metadata, or on Nessie the commits of its branch.

A table that Nessie shows has its present snapshot only; the ones before it are in the files that older commits name.
Going back on Nessie is a commit that puts the table's older file in its place again, stamps and all. The branch itself
is not moved: that would take back what others did to other tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from dativo_config.models.resolved import ResolvedJob, TableName
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.update import SetSnapshotRefUpdate, update_table_metadata

from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.fence import Edit, Place, land
from dativo_engine.commits.reachable import metadata_of
from dativo_engine.commits.stamp import standing
from dativo_engine.errors import CommitConflictError, CommitStateUnknownError, FatalError

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

    from dativo_engine.catalogs.nessie_api import NessieApi
    from dativo_engine.catalogs.nessie_wire import Branch, TableState
    from dativo_engine.events import Events

# Each state that is shown on Nessie is a file to read.
SHOWN_STATES = 50


class Past(Protocol):
    """One table's."""

    def snapshots(self) -> list[tuple[Snapshot, bool]]:
        """The newest first, and of each whether it is the present state or one on the way to it."""
        ...

    def chain(self) -> Sequence[int]:
        """The present snapshot and those on the way to it, the newest first."""
        ...

    def go_back(self, snapshot_id: int, *, present: int | None, events: Events) -> TableMetadata:
        """Make a snapshot the table's present state again; answers the table as it then is.

        Args:
            present: what the caller saw as current: what came since is not taken back unseen.

        Raises:
            FatalError: there is no such snapshot.
            CommitConflictError: another commit came in between, or others are always faster.
            CommitStateUnknownError: the answer was lost, and the table can't be read.
        """
        ...


def past_of(job: ResolvedJob, name: TableName) -> Past:
    """The past of one of a job's tables.

    Raises:
        FatalError: there is no such table.
    """
    place = Place(open_catalog(job), name)
    table = place.load()
    if table is None:
        message = f"{name}: there is no such table"
        raise FatalError(message)
    if job.target.nessie is None:
        return SnapshotChain(place, table)
    from dativo_engine.catalogs.nessie_api import NessieApi

    return BranchHistory(NessieApi(job.target.nessie), job.target.branch, place, table)


@dataclass(frozen=True, slots=True)
class SnapshotChain:
    """See `Past`: a table that knows its snapshots itself."""

    place: Place
    table: Table

    def snapshots(self) -> list[tuple[Snapshot, bool]]:
        """See `Past.snapshots`."""
        on_the_way = set(self.chain())
        newest_first = sorted(self.table.metadata.snapshots, key=lambda item: item.sequence_number or 0, reverse=True)
        return [(snapshot, snapshot.snapshot_id in on_the_way) for snapshot in newest_first]

    def chain(self) -> Sequence[int]:
        """See `Past.chain`."""
        return [item.snapshot_id for item in ancestors_of(self.table.current_snapshot(), self.table.metadata)]

    def go_back(self, snapshot_id: int, *, present: int | None, events: Events) -> TableMetadata:
        """See `Past.go_back`."""

        def plan(table: Table | None) -> Edit | None:
            if table is None or table.metadata.snapshot_by_id(snapshot_id) is None:
                raise _unknown(self.place.name, snapshot_id)
            if table.metadata.current_snapshot_id == snapshot_id:
                return None
            _check_seen(self.place.name, table.metadata.current_snapshot_id, present)
            update = SetSnapshotRefUpdate.model_validate(
                {"ref-name": MAIN_BRANCH, "type": "branch", "snapshot-id": snapshot_id}
            )
            after = update_table_metadata(table.metadata, (update,))
            return Edit(snapshot="none", updates=(update,), properties=standing(after))

        return land(self.place, plan, events).metadata


@dataclass(frozen=True, slots=True)
class BranchHistory:
    """See `Past`: a table whose past is the history of a branch."""

    api: NessieApi
    branch: str
    place: Place
    table: Table

    def snapshots(self) -> list[tuple[Snapshot, bool]]:
        """See `Past.snapshots`; those of the table's last commits."""
        on_the_way = set(self.chain())
        found: dict[int, Snapshot] = {}
        for state in islice(self._states(), SHOWN_STATES):
            if state.snapshot_id not in found:
                snapshot = self._metadata(state).current_snapshot()
                found |= {} if snapshot is None else {state.snapshot_id: snapshot}
        newest_first = sorted(found.values(), key=lambda item: item.sequence_number or 0, reverse=True)
        return [(snapshot, snapshot.snapshot_id in on_the_way) for snapshot in newest_first]

    def chain(self) -> Sequence[int]:
        """See `Past.chain`: what was gone back from is left out."""
        states = [state.snapshot_id for state in self._states()]
        chain: list[int] = []
        while states:
            chain.append(states[0])
            first_seen = len(states) - states[::-1].index(states[0])
            states = states[first_seen:]
        return chain

    def go_back(self, snapshot_id: int, *, present: int | None, events: Events) -> TableMetadata:
        """See `Past.go_back`."""
        head = self._head()
        states = list(self._states(head))
        state = next((state for state in states if state.snapshot_id == snapshot_id), None)
        if state is None:
            raise _unknown(self.place.name, snapshot_id)
        metadata = self._metadata(state)
        if states[0].snapshot_id == snapshot_id:
            return metadata
        _check_seen(self.place.name, states[0].snapshot_id, present)
        try:
            self.api.put(head, state, message=f"Roll {self.place.name} back to snapshot {snapshot_id}")
        except CommitStateUnknownError as error:
            message = f"{self.place.name}: Nessie's answer was lost, looking whether the table went back"
            events.emit("commit_answer_lost", message, level="WARNING", error=str(error))
            if next(self._states()).snapshot_id != snapshot_id:
                raise
        return metadata

    def _states(self, head: Branch | None = None) -> Iterator[TableState]:
        """The table at every commit that changed it, the newest first."""
        for commit in self.api.history(head or self._head()):
            yield from (state for state in commit.tables if state.key == self.place.identifier)

    def _head(self) -> Branch:
        head = self.api.branch(self.branch)
        if head is None:
            message = f"branch {self.branch} was deleted"
            raise FatalError(message)
        return head

    def _metadata(self, state: TableState) -> TableMetadata:
        try:
            return metadata_of(state, self.table.io)
        except FileNotFoundError as error:
            message = f"{self.place.name}: snapshot {state.snapshot_id} is gone: maintenance took its files"
            raise FatalError(message) from error


def _check_seen(name: TableName, current: int | None, present: int | None) -> None:
    if current != present:
        message = f"{name}: another commit came meanwhile; look at `dativo table snapshots` and try again"
        raise CommitConflictError(message)


def _unknown(name: TableName, snapshot_id: int) -> FatalError:
    return FatalError(f"{name}: it has no snapshot {snapshot_id}; `dativo table snapshots` lists them")
