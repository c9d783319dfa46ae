"""Whatever happens at HubSpot while it is read, by whatever clocks: in the end the copy is what is there."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from dativo_config.load import load
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.connectors import specs
from dativo_engine.errors import RetryableError
from dativo_engine.events import EventLog
from dativo_engine.rest import Rate
from dativo_engine.runs import run_job
from dativo_engine.sources.hubspot import source as room
from hubspot_support import Copy, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.hubspot import TOKEN, Portal, Request

EXAMPLES = int(os.environ.get("DATIVO_EXAMPLES", "40"))
# Those in which a table is written by whole runs: seconds each.
HISTORIES_OF_TABLES = int(os.environ.get("DATIVO_HISTORIES", "2"))
SECOND, DAY = 1_000, 24 * 3600 * 1_000
SKEW, LAG = 30 * SECOND, 60 * SECOND
Kind: TypeAlias = Literal["create", "edit", "archive", "restore", "merge", "purge", "pass"]

JOB = """\
tenant_id: acme
source_connector: hubspot
source:
  objects: [contacts]
  incremental: {{strategy: modified}}
  credentials: {{access_token: "${{secret:hubspot_access_token}}"}}
  options: {{base_url: "{url}", page_size: {page_size}}}
  rate_limits: {{requests_per_second: 10000}}
asset_path: assets/contacts.yaml
target_connector: iceberg
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: contacts
version: 1.0.0
status: active
schema:
  - name: contacts
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: hs_object_id, logicalType: string}
      - {name: firstname, logicalType: string}
"""


@dataclass(frozen=True)
class Act:
    """Something that happens at HubSpot, by a clock that may be wrong.

    Attributes:
        which: the record, counted from the oldest; for `pass` the milliseconds.
        lag: milliseconds until the search sees it.
    """

    kind: Kind
    which: int = 0
    skew: int = 0
    lag: int = 0


ACTS = st.builds(
    Act,
    st.sampled_from(["create", "create", "edit", "edit", "archive", "restore", "merge", "purge"]),
    st.integers(0, 12),
    st.sampled_from([0, 0, -SKEW, SKEW, -7, 11]),
    st.sampled_from([0, 0, 1, 5 * SECOND, LAG]),
)
PASSES = st.sampled_from([1, 7, SECOND, LAG, 2 * LAG, DAY]).map(lambda time: Act("pass", time))
HISTORIES = st.lists(st.lists(st.one_of(ACTS, ACTS, PASSES), max_size=6), min_size=1, max_size=60)


@dataclass
class History:
    """What happens before each request, as long as there is something left."""

    portal: Portal
    name: str
    parts: list[Sequence[Act]]
    purged: set[int] = field(default_factory=set[int])
    _restored: list[int] = field(default_factory=list[int])
    _versions: itertools.count[int] = field(default_factory=itertools.count)

    def __call__(self, request: Request) -> None:
        self.portal.now += 1
        if self.parts:
            for act in self.parts.pop(0):
                self._do(act)

    def _do(self, act: Act) -> None:
        portal, shelf = self.portal, self.portal.shelves[self.name]
        portal.skew, portal.index_lag = (lambda: act.skew), (lambda: act.lag)
        match act.kind:
            case "pass":
                portal.now += act.which
            case "restore":
                self._restored.append(act.which)
            case "merge" if len(shelf.live) > 1:
                one, other = (shelf.live[(act.which + step) % len(shelf.live)] for step in (0, 1))
                portal.merge(self.name, one, other)
            case "edit" if shelf.live:
                portal.edit(self.name, self._chosen(act), self._values())
            case "archive" if shelf.live:
                portal.archive(self.name, self._chosen(act))
            case "purge" if shelf.live:
                self._purge(self._chosen(act))
            case _:
                portal.create(self.name, self._values())

    def between_runs(self) -> None:
        """Restore what was to be restored. What is restored while a run reads may be told by nothing afterwards."""
        self.portal.index_lag = lambda: 0
        for which in self._restored:
            if archived := self.portal.shelves[self.name].archived:
                self.portal.restore(self.name, archived[which % len(archived)])
        self._restored.clear()

    def _purge(self, record_id: int) -> None:
        """With it goes all that told of those that were merged into it."""
        merged = self.portal.shelves[self.name].records[record_id].value("hs_merged_object_ids") or ""
        self.purged |= {record_id, *(int(it) for it in merged.split(";") if it)}
        self.portal.purge(self.name, record_id)

    def _chosen(self, act: Act) -> int:
        live = self.portal.shelves[self.name].live
        return live[act.which % len(live)]

    def _values(self) -> dict[str, str]:
        """Such as no record ever had."""
        return {NAMES[self.name]: f"version {next(self._versions)}"}


NAMES = {"contacts": "firstname", "deals": "dealname"}


@pytest.fixture(scope="module")
def copy() -> Generator[Copy]:
    with serving() as made, pytest.MonkeyPatch.context() as patched:
        patched.setattr(room, "SEARCH_RATE", Rate(10_000, 1_000))
        yield made


def started(copy: Copy, stream: str, parts: Sequence[Sequence[Act]], **options: object) -> tuple[Copy, History]:
    """An empty account, and what is going to happen in it."""
    copy.fake.portal = Portal()
    columns = ("id", "hs_object_id", NAMES[stream])
    fresh = replace(copy, stream=stream, columns=columns, options=options, cursor=None, rows={}, read=[], gone=[])
    history = History(fresh.portal, stream, list(parts))
    copy.fake.hooks[:] = [history]
    return fresh, history


def make_project(root: Path, url: str, *, page_size: int) -> ResolvedJob:
    """A job that keeps a table of contacts."""
    for file, text in (("assets/contacts.yaml", CONTRACT), ("secrets/acme/hubspot_access_token", TOKEN)):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_text(text)
    job = root / "jobs" / "acme" / "contacts.yaml"
    job.parent.mkdir(parents=True)
    job.write_text(JOB.format(url=url, page_size=page_size))
    return load([job], specs()).jobs[0]


def there(copy: Copy) -> Mapping[str, Mapping[str, object]]:
    """What a copy should be."""
    records = copy.portal.current(copy.stream).items()
    return {str(it): {name: record.value(name) for name in copy.columns} | {"id": str(it)} for it, record in records}


@pytest.mark.parametrize("stream", ["contacts", "deals"])
@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_copy_ends_as_the_source_laws(
    copy: Copy, stream: str, parts: Sequence[Sequence[Act]], page_size: int
) -> None:
    run, history = started(copy, stream, parts, page_size=page_size)
    while history.parts:
        try:
            run.run()
        except RetryableError as error:
            # Of an account that is emptied while it is read, the next run makes sure.
            if "lists no record, and the search knows" not in str(error):
                raise
        history.between_runs()
    run.portal.now += LAG + SKEW

    run.run()

    purged = {str(it) for it in history.purged}
    assert {it: row for it, row in run.rows.items() if it not in purged} == there(run)
    assert (run.run().read, run.gone) == ([], [])
    run.portal.now += 8 * DAY
    run.run()
    assert run.rows == there(run)


@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=HISTORIES_OF_TABLES, deadline=None)
def test_the_table_ends_as_the_source_laws(
    copy: Copy, tmp_path_factory: pytest.TempPathFactory, parts: Sequence[Sequence[Act]], page_size: int
) -> None:
    fresh, history = started(copy, "contacts", parts)
    job = make_project(tmp_path_factory.mktemp("project"), copy.url, page_size=page_size)
    for _ in range(3):
        assert not run_job(job, EventLog(io.StringIO())).error
        history.between_runs()
    history.parts.clear()
    copy.portal.now += LAG + SKEW + 8 * DAY

    assert not run_job(job, EventLog(io.StringIO())).error

    rows = open_catalog(job).load_table(("acme", "contacts")).scan().to_arrow().to_pylist()
    expected = there(fresh).values()
    assert sorted(rows, key=lambda row: row["id"]) == sorted(expected, key=lambda row: str(row["id"]))


@given(parts=HISTORIES, page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_full_read_has_what_was_there_all_along_once_laws(
    copy: Copy, parts: Sequence[Sequence[Act]], page_size: int
) -> None:
    run, _ = started(copy, "contacts", parts, page_size=page_size)
    run.incremental = False
    kept = run.portal.create_many("contacts", ({"firstname": str(number)} for number in range(9)))

    run.run()

    assert len(run.read) == len(set(run.read))
    # Nothing is restored while it is read.
    assert {str(it) for it in kept if it in run.portal.current("contacts")} <= set(run.read)
