"""Jobs of one project that meet: in one table, or under one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dativo_config.draft import Draft
from dativo_config.models.contract import SchemaObject
from dativo_config.models.resolved import TableName
from dativo_config.modes import choose_mode
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem
from dativo_config.streams import DraftStream


def table_of(draft: Draft, stream: DraftStream) -> TableName | None:
    """The table that a stream feeds; None while its contract can't be read and the job names none."""
    target = draft.job.target
    table = target.table or (stream.schema.table if stream.schema else None)
    namespace = target.namespace or draft.tenant.id
    return TableName(tuple(namespace.split(".")), table) if table else None


@dataclass(frozen=True, slots=True)
class Feed:
    """One job's way into one table."""

    draft: Draft
    schema: SchemaObject | None

    @property
    def at(self) -> ValuePath:
        return ("target", "table") if self.draft.job.target.table else ("asset_path",)


def feeds(drafts: Iterable[Draft]) -> dict[TableName, list[Feed]]:
    """Which jobs load which table."""
    found: dict[TableName, list[Feed]] = {}
    for draft in drafts:
        for stream in draft.streams:
            if table := table_of(draft, stream):
                found.setdefault(table, []).append(Feed(draft, stream.schema))
    return found


def check_meetings(drafts: Sequence[Draft], all_feeds: dict[TableName, list[Feed]]) -> Iterator[Problem]:
    """Two jobs may load one table if both name it, agree on contract and key, and neither replaces it."""
    mine = {draft.path for draft in drafts}
    for table, meeting in all_feeds.items():
        for feed in meeting:
            others = [other for other in meeting if other.draft.path != feed.draft.path]
            if feed.draft.path in mine and others:
                yield from _meeting(table, feed, others[0])


def _meeting(table: TableName, feed: Feed, other: Feed) -> Iterator[Problem]:
    draft, them = feed.draft, other.draft.path.name
    for named, whose in ((draft, "this job"), (other.draft, them)):
        if named.job.target.table is None:
            hint = "write target.table in both, with one contract, if they are meant to share it"
            yield draft.problem(feed.at, f"{them} loads the table {table} too, and {whose} does not name it", hint=hint)
            return
    if feed.schema and other.schema and feed.schema.primary_key != other.schema.primary_key:
        yield draft.problem(feed.at, f"{them} loads the table {table} too, by another primary key")
    elif _contract(draft) != _contract(other.draft):
        yield draft.problem(feed.at, f"{them} loads the table {table} too, under another contract")
    for replacing, whose in ((draft, "this job"), (other.draft, them)):
        if choose_mode(replacing).mode == "replace":
            yield draft.problem(feed.at, f"{them} loads the table {table} too, and {whose} replaces it")
            return


def check_job_names(drafts: Sequence[Draft], everyone: Iterable[Draft]) -> Iterator[Problem]:
    """Two jobs of one tenant may not have one name: it identifies stamp, lease and state."""
    by_name: dict[tuple[str, str], list[Draft]] = {}
    for draft in everyone:
        by_name.setdefault((draft.tenant.id, draft.name), []).append(draft)
    for draft in drafts:
        twins = [other for other in by_name.get((draft.tenant.id, draft.name), ()) if other.path != draft.path]
        if twins:
            at = ("name",) if draft.job.name else ()
            message = f"{twins[0].path.name} has the same job name, '{draft.name}'"
            yield draft.problem(at, message, hint="give one of them another name:")


def _contract(draft: Draft) -> object:
    return draft.contract and draft.contract.document.path
