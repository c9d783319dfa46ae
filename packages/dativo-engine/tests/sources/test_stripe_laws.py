"""Whatever happens at Stripe while it is read, by whatever clocks: in the end the copy is what is there."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, cast

import pytest
from dativo_config.load import load
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.connectors import specs
from dativo_engine.events import EventLog
from dativo_engine.runs import run_job
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe_support import Copy, serving

from tests.fakes.stripe import TEST_KEY, Json, Object, Request

EXAMPLES = int(os.environ.get("DATIVO_EXAMPLES", "12"))
# Those in which a table is written by whole runs: seconds each.
HISTORIES_OF_TABLES = int(os.environ.get("DATIVO_HISTORIES", "2"))
SKEW = 30
Begin: TypeAlias = "Callable[..., tuple[Copy, History]]"
Kind: TypeAlias = Literal["create", "edit", "delete", "recreate", "pass"]


JOB = """\
tenant_id: acme
source_connector: stripe
source:
  objects: [customers]
  incremental: {{strategy: events}}
  credentials: {{api_key: "${{secret:stripe_api_key}}"}}
  options: {{base_url: "{url}", page_size: {page_size}}}
asset_path: assets/customers.yaml
target_connector: iceberg
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: customers
version: 1.0.0
status: active
schema:
  - name: customers
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: created, logicalType: timestamp, required: true}
      - {name: name, logicalType: string}
"""


class Act(NamedTuple):
    """Something that happens at Stripe, by a clock that may be wrong.

    Attributes:
        which: the object, counted from the newest; for `pass` the seconds.
    """

    kind: Kind
    which: int
    skew: int = 0


ACTS = st.builds(
    Act,
    st.sampled_from(["create", "create", "edit", "edit", "delete", "recreate", "pass"]),
    st.integers(0, 12),
    st.sampled_from([0, 0, -SKEW, SKEW, -7, 11]),
)
LONG_PASSES = st.sampled_from([Act("pass", seconds) for seconds in (60, 90, 300, 86_400)])
HISTORIES = st.lists(st.lists(st.one_of(ACTS, ACTS, ACTS, LONG_PASSES), max_size=5), min_size=1, max_size=20)


@dataclass
class History:
    """What happens before each request, as long as there is something left."""

    copy: Copy
    name: str
    parts: list[Sequence[Act]]

    def __call__(self, request: Request) -> None:
        if self.parts:
            for act in self.parts.pop(0):
                self._do(act)

    def _do(self, act: Act) -> None:
        account, clock = self.copy.account, self.copy.fake.clock
        there = list(account.shelves[self.name].objects)
        deleted = [key for key, name in account.deleted.items() if name == self.name and key not in there]
        if act.kind == "pass":
            clock.advance(act.which)
        elif act.kind == "create" or not there:
            account.create(self.name, self._values(), skew=act.skew)
        elif act.kind == "edit":
            key = there[-1 - act.which % len(there)]
            account.edit(self.name, key, self._values(account.shelves[self.name].objects[key]), skew=act.skew)
        elif act.kind == "delete":
            account.delete(self.name, there[-1 - act.which % len(there)], skew=act.skew)
        elif deleted and self.name == "coupons":
            account.create(self.name, {"id": deleted[0], **self._values()}, skew=act.skew)

    def _values(self, before: Object | None = None) -> dict[str, Json]:
        """Such as no object ever had; of members of a list every other one stays."""
        number = len(self.copy.account.events.objects)
        if self.name != "subscriptions":
            return {"name": f"version {number}"}
        kept = cast("list[Json]", before["items"])[::2] if before is not None else []
        return {"items": [*kept, *({"id": f"si_{number}_{at}", "quantity": number} for at in range(number % 4))]}


@pytest.fixture(scope="module")
def begin() -> Generator[Begin]:
    """Makes an empty account, and what is going to happen in it."""
    with serving() as served:

        def make(stream: str, parts: Sequence[Sequence[Act]], **options: object) -> tuple[Copy, History]:
            served.fake.accounts.clear()
            copy = replace(served, stream=stream, options=options, rows={}, told=[], gone=[])
            name = "subscriptions" if stream == "subscription_items" else stream
            history = History(copy, name, list(parts))
            served.fake.hooks[:] = [history]
            return copy, history

        yield make


def make_project(root: Path, url: str, *, page_size: int) -> ResolvedJob:
    """A job that keeps a table of customers."""
    for file, text in (("assets/customers.yaml", CONTRACT), ("secrets/acme/stripe_api_key", TEST_KEY)):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(text)
    job = root / "jobs" / "acme" / "customers.yaml"
    job.parent.mkdir(parents=True)
    job.write_text(JOB.format(url=url, page_size=page_size))
    return load([job], specs()).jobs[0]


def final(copy: Copy, name: str) -> dict[str, Object]:
    return copy.account.final(name)


def moment(second: Json) -> datetime:
    return datetime.fromtimestamp(cast("int", second), UTC)


@pytest.mark.parametrize("stream", ["customers", "coupons"])
@given(parts=HISTORIES, page_size=st.integers(1, 5), same_version=st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_copy_ends_as_what_is_at_stripe_laws(
    begin: Begin, stream: str, parts: Sequence[Sequence[Act]], page_size: int, same_version: bool
) -> None:
    copy, history = begin(stream, parts, page_size=page_size)
    copy.columns = ("id", "created", "name")
    if not same_version:
        copy.account.api_version = "2019-02-19"
    while history.parts:
        copy.run()

    copy.run()

    expected = {
        key: {"id": key, "created": moment(item["created"]), "name": item["name"]}
        for key, item in final(copy, stream).items()
    }
    assert copy.rows == expected
    # A coupon that was made again under its id is told by the feed and by the list.
    assert stream == "coupons" or len(copy.read) == len(set(copy.read))
    copy.run()
    assert (copy.read, copy.gone) == ([], [])


@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=HISTORIES_OF_TABLES, deadline=None)
def test_the_table_ends_as_what_is_at_stripe_laws(
    begin: Begin, tmp_path_factory: pytest.TempPathFactory, parts: Sequence[Sequence[Act]], page_size: int
) -> None:
    copy, history = begin("customers", parts)
    job = make_project(tmp_path_factory.mktemp("project"), copy.url, page_size=page_size)
    for _ in range(3):
        assert not run_job(job, EventLog(io.StringIO())).error
    history.parts.clear()

    assert not run_job(job, EventLog(io.StringIO())).error

    stored = open_catalog(job).load_table(("acme", "customers")).scan().to_arrow().to_pylist()
    expected = [(key, item["name"], moment(item["created"])) for key, item in final(copy, "customers").items()]
    assert sorted((row["id"], row["name"], row["created"]) for row in stored) == sorted(expected)


@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_members_of_lists_end_as_at_stripe_laws(begin: Begin, parts: Sequence[Sequence[Act]], page_size: int) -> None:
    copy, history = begin("subscription_items", parts, page_size=page_size)
    copy.columns = ("id", "quantity")
    while history.parts:
        copy.run()

    copy.run()

    members = [
        cast("Object", member)
        for item in copy.account.shelves["subscriptions"].objects.values()
        for member in cast("list[Json]", item["items"])
    ]
    assert sorted(copy.rows) == sorted({str(member["id"]) for member in members})


@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_new_objects_come_once_whatever_the_clocks_laws(
    begin: Begin, parts: Sequence[Sequence[Act]], page_size: int
) -> None:
    """With the strategy `created`, which may append: nothing lost that stays, nothing twice."""
    copy, history = begin("customers", parts, page_size=page_size)
    copy.strategy = "created"
    every: list[str] = []
    while history.parts:
        every += copy.run().read

    every += copy.run().read

    assert len(every) == len(set(every))
    assert set(final(copy, "customers")) <= set(every)
