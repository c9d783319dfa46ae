"""What Nessie's history still shows of tables: a table as loaded has its present snapshot only, the rest is in commits.

A state is a table as one commit put it. It can be gone back to, read through a tag, or published from another branch,
so its files are needed as long as a commit that shows it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile

from dativo_engine.commits.data_files import named_files

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

    from dativo_engine.catalogs.nessie_api import NessieApi
    from dativo_engine.catalogs.nessie_wire import Branch, TableState

# How far back maintenance leaves what was shown, where nobody says otherwise.
KEPT = dt.timedelta(days=7)


class Walk:
    """The way through the commits since a moment. No commit is passed twice, whichever references lead to it."""

    def __init__(self, api: NessieApi, *, since: dt.datetime) -> None:
        self._api = api
        self._since = since
        self._passed: set[str] = set()
        self._found: dict[str, TableState] = {}

    def states(self, references: Sequence[Branch]) -> list[TableState]:
        """The states of tables that these references, and those asked for before, show or showed since."""
        for reference in references:
            self._follow(reference)
        return list(self._found.values())

    def _follow(self, reference: Branch) -> None:
        """Find every table put since, and what was there at the moment before."""
        if reference.hash in self._passed:
            return
        new: list[TableState] = []
        passed = {reference.hash}
        oldest = reference
        for commit in self._api.history(reference, since=self._since):
            if commit.hash in self._passed:
                break
            new += commit.tables
            passed.add(commit.hash)
            oldest = reference.at(commit.parent)
        else:
            if oldest.hash not in self._passed:
                new += self._api.tables(oldest)
                passed.add(oldest.hash)
        for state in new:
            self._found.setdefault(state.metadata_location, state)
        self._passed |= passed  # only now: a walk that failed half-way has passed nothing


def states(
    api: NessieApi, references: Sequence[Branch], *, since: dt.datetime, wanted: Callable[[TableState], bool]
) -> list[TableState]:
    """The states of tables that a reference shows, or showed at any moment since."""
    return [state for state in Walk(api, since=since).states(references) if wanted(state)]


def metadata_of(state: TableState, io: FileIO) -> TableMetadata:
    """A table as it was, from its own file."""
    return FromInputFile.table_metadata(io.new_input(state.metadata_location))


def files_of(found: Collection[TableState], io: FileIO) -> set[str]:
    """Every file that a reader of one of these states may open, their metadata files included."""
    names = {state.metadata_location for state in found}
    for state in found:
        names |= named_files(metadata_of(state, io), io)
    return names
