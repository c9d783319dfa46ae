"""What Nessie's history still shows of tables: a table as loaded has its present snapshot only, the rest is in commits.

A state is a table as one commit put it. It can be gone back to, read through a tag, or published from another branch,
so its files are needed as long as a commit that shows it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
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


def states(
    api: NessieApi, references: Sequence[Branch], *, since: dt.datetime, wanted: Callable[[TableState], bool]
) -> list[TableState]:
    """The states of tables that a reference shows, or showed at any moment since."""
    found: dict[str, TableState] = {}
    for reference in references:
        for state in _shown(api, reference, since):
            if wanted(state):
                found.setdefault(state.metadata_location, state)
    return list(found.values())


def _shown(api: NessieApi, reference: Branch, since: dt.datetime) -> Iterator[TableState]:
    """Every table put since, and what was there at the moment before."""
    oldest = reference
    for commit in api.history(reference, since=since):
        yield from commit.tables
        oldest = reference.at(commit.parent)
    yield from api.tables(oldest)


def metadata_of(state: TableState, io: FileIO) -> TableMetadata:
    """A table as it was, from its own file."""
    return FromInputFile.table_metadata(io.new_input(state.metadata_location))


def files_of(found: Collection[TableState], io: FileIO) -> set[str]:
    """Every file that a reader of one of these states may open, their metadata files included."""
    names = {state.metadata_location for state in found}
    for state in found:
        names |= named_files(metadata_of(state, io), io)
    return names
