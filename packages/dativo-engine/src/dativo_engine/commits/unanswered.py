"""Tries to change a table whose answers were lost: which of them landed, and whether one of them still may have.

A try names the snapshot that it makes. Where the table keeps that snapshot, the try landed, whatever came on top of it.
Where it does not, the try did not land if the table shows all that came since the try's base, and never will if that
base is no longer the table's current state. Anything else is not known: snapshots between may have been expired, and
Nessie shows the current one only.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_config.models.resolved import TableName
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.update import TableRequirement

from dativo_engine.commits.data_files import last_sequence_number
from dativo_engine.errors import CommitStateUnknownError

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata


@dataclass(frozen=True, slots=True)
class Try:
    """One request to change a table.

    Attributes:
        base: the table that it changes; None: it creates one.
        snapshot_id: of the snapshot that it makes; None: it makes none.
    """

    base: Table | None
    requirements: tuple[TableRequirement, ...]
    snapshot_id: int | None

    def is_over(self, metadata: TableMetadata | None) -> bool:
        """Whether it certainly did not land, and never will, given the table as it is now."""
        return self.snapshot_id is not None and self._is_refused(metadata) and self._is_all_shown(metadata)

    def _is_refused(self, metadata: TableMetadata | None) -> bool:
        try:
            for requirement in self.requirements:
                requirement.validate(metadata)
        except CommitFailedException:
            return True
        return False

    def _is_all_shown(self, metadata: TableMetadata | None) -> bool:
        """Whether every snapshot that came after the base is there to be seen, and none of them is this one."""
        if metadata is None or metadata.format_version == 1:
            return False  # version 1 does not number its snapshots
        base = None if self.base is None else self.base.metadata
        if base is not None and base.table_uuid != metadata.table_uuid:
            return False
        shown = {snapshot.sequence_number for snapshot in metadata.snapshots}
        since = range(1 if base is None else last_sequence_number(base) + 1, last_sequence_number(metadata) + 1)
        return shown.issuperset(since) and metadata.snapshot_by_id(self.snapshot_id or 0) is None


class Unanswered:
    """The tries of one change whose answers were lost."""

    def __init__(self, name: TableName) -> None:
        self._name = name
        self._tries: list[Try] = []
        self._errors: list[Exception] = []
        self._metadata: TableMetadata | None = None

    def __len__(self) -> int:
        return len(self._tries)

    def add(self, lost: Try, error: Exception) -> None:
        """Another one."""
        self._tries.append(lost)
        self._errors.append(error)

    def landed(self, table: Table | None) -> int | None:
        """The snapshot of the one that landed, if the table as it is now keeps it."""
        self._metadata = None if table is None else table.metadata
        kept = set[int]() if table is None else {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
        return next((item.snapshot_id for item in self._tries if item.snapshot_id in kept), None)

    @contextmanager
    def judged(self) -> Generator[None]:
        """What fails here says that the change did not happen only if that is certain.

        Raises:
            CommitStateUnknownError: something failed, and a try may have landed or may land yet.
        """
        try:
            yield
        except Exception as error:  # whatever it is: files that a table may name must not be deleted for it
            if all(item.is_over(self._metadata) for item in self._tries):
                raise
            message = (
                f"{self._name}: the catalogue's answer to a commit was lost, and whether it happened can't be seen: "
                f"{error}; the first time: {self._errors[0]}"
            )
            raise CommitStateUnknownError(message) from self._errors[0]
