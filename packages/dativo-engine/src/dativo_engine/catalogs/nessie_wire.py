"""The JSON of Nessie's API v2, as far as it is used here, and what it means to us."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct, field

from dativo_engine.errors import CommitConflictError

Key: TypeAlias = tuple[str, ...]
"""A table or a namespace: the levels of the namespace, then the table."""

TABLE = "ICEBERG_TABLE"


class ReferenceGoneError(CommitConflictError):
    """A branch or tag is not there, or not the commit that it was seen at; or two of them share no history."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch, and the commit it was at when it was looked at."""

    name: str
    hash: str

    def at(self, commit: str) -> Branch:
        """The branch as it was at one of its commits."""
        return Branch(self.name, commit)


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as a commit has it.

    Attributes:
        content: Nessie's own description, to be put back as it is.
    """

    key: Key
    metadata_location: str
    snapshot_id: int
    content: dict[str, object]


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a branch.

    Attributes:
        parent: the commit before it.
        properties: what its author noted.
        tables: those it put there, as it put them.
    """

    hash: str
    parent: str
    committed_at: dt.datetime
    message: str
    properties: dict[str, str]
    tables: tuple[TableState, ...]


class Elements(Struct):
    """A key."""

    elements: tuple[str, ...]


class Reference(Struct):
    """A branch or a tag."""

    type: str
    name: str
    hash: str

    @property
    def branch(self) -> Branch:
        """Itself, for those who asked for a branch."""
        return Branch(self.name, self.hash)


class OneReference(Struct):
    """The answer to a question after one."""

    reference: Reference


class Committed(Struct, rename="camel"):
    """The answer to a commit."""

    target_branch: Reference


class Page(Struct, rename="camel"):
    """What all lists have."""

    has_more: bool = False
    token: str | None = None


class References(Page, rename="camel"):
    """All branches and tags."""

    references: tuple[Reference, ...] = ()


class Meta(Struct, rename="camel"):
    """Who committed what and when."""

    hash: str
    message: str
    commit_time: dt.datetime
    all_properties: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, str]:
        """What its author noted, one value a name."""
        return {name: values[0] for name, values in self.all_properties.items() if values}


class Operation(Struct):
    """What a commit did to one table or namespace."""

    type: str
    key: Elements
    content: dict[str, object] | None = None


class LogEntry(Struct, rename="camel"):
    """One commit."""

    commit_meta: Meta
    parent_commit_hash: str
    operations: tuple[Operation, ...] | None = None

    @property
    def commit(self) -> Commit:
        """It, with its tables only."""
        meta = self.commit_meta
        puts = [item for item in self.operations or () if item.type == "PUT" and is_table(item.content)]
        tables = tuple(table_state(item.key, item.content or {}) for item in puts)
        return Commit(meta.hash, self.parent_commit_hash, meta.commit_time, meta.message, meta.properties, tables)


class Log(Page, rename="camel"):
    """Commits, the newest first."""

    log_entries: tuple[LogEntry, ...] = ()


class Entry(Struct):
    """A table, view or namespace on a branch."""

    name: Elements
    content: dict[str, object] | None = None


class Entries(Page, rename="camel"):
    """Everything on a branch."""

    entries: tuple[Entry, ...] = ()


class Detail(Struct):
    """What a merge did to one table or namespace."""

    key: Elements


class Merged(Struct):
    """The answer to a merge."""

    details: tuple[Detail, ...] = ()


class Config(Struct, rename="camel"):
    """What the server says of itself."""

    no_ancestor_hash: str


class Refusal(Struct):
    """The answer to a request that was not granted."""

    message: str = ""


def is_table(content: dict[str, object] | None) -> bool:
    """Whether it is an Iceberg table, and no namespace or view."""
    return content is not None and content.get("type") == TABLE


def table_state(key: Elements, content: dict[str, object]) -> TableState:
    """A table from its description."""
    return TableState(key.elements, str(content["metadataLocation"]), int(str(content["snapshotId"])), content)
