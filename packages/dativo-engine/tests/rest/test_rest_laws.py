"""Whatever happens at an API while it is read: in the end the copy is what is there, or the run says that it is not."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import pytest
from dativo_config.load import load
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.connectors import open_source, specs
from dativo_engine.errors import RetryableError
from dativo_engine.events import EventLog
from dativo_engine.interfaces import Cursor, Source, SourceSettings, StreamSettings
from dativo_engine.rest import ByOffset, ByPage, Client, Paginator, Patience, Request, Service, page_reader, pages
from dativo_engine.runs import run_job
from dativo_engine.sources.rest.spec import RestConnection, RestCredentials, RestOptions
from dativo_engine.testing.reading import through_json
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_server import Asked, Reply, Server

EXAMPLES = int(os.environ.get("DATIVO_EXAMPLES", "25"))
# Those in which a table is written by whole runs: seconds each.
HISTORIES_OF_TABLES = int(os.environ.get("DATIVO_HISTORIES", "2"))
BEGIN = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SKEW = 30
Kind: TypeAlias = Literal["create", "edit", "pass"]
Row: TypeAlias = "dict[str, int | str]"

JOB = """\
tenant_id: acme
source_connector: rest
source:
  objects: [items]
  connection: {{base_url: "{url}"}}
  options:
    records_path: data
    paginator: {{type: cursor, param: after, path: next}}
    endpoints: {{items: {{path: items, params: {{limit: {page_size}}}, cursor: {{param: since}}}}}}
  incremental: {{strategy: cursor_field, cursor_field: at}}
asset_path: assets/items.yaml
target_connector: iceberg
target: {{mode: {mode}}}
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: items
version: 1.0.0
status: active
schema:
  - name: items
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: at, logicalType: timestamp, physicalType: timestamptz, required: true}
      - {name: v, logicalType: integer}
"""


class Act(NamedTuple):
    """Something that happens at the API.

    Attributes:
        which: the record, counted from the oldest; for `pass` the seconds.
        many: how many of them, at one moment.
        skew: seconds that the clock which stamps it is wrong by.
    """

    kind: Kind
    which: int = 0
    many: int = 1
    skew: int = 0


ACTS = st.builds(
    Act, st.sampled_from(["create", "edit", "edit", "pass"]), st.integers(0, 20), st.integers(1, 9), st.just(0)
)
SKEWED = st.builds(
    Act,
    st.sampled_from(["create", "edit", "edit", "pass"]),
    st.integers(0, 20),
    st.integers(1, 3),
    st.sampled_from([0, 0, -SKEW, SKEW, -7]),
)


def histories(acts: st.SearchStrategy[Act]) -> st.SearchStrategy[list[list[Act]]]:
    """What happens before each request."""
    return st.lists(st.lists(acts, max_size=3), min_size=1, max_size=30)


@dataclass
class Api:
    """Records by their modification time, those of one moment by their ids; a token says where a page ended."""

    rows: dict[int, Row] = field(default_factory=dict[int, "Row"])
    parts: list[list[Act]] = field(default_factory=list[list[Act]])
    now: int = 0
    _versions: itertools.count[int] = field(default_factory=itertools.count)

    def __call__(self, asked: Asked) -> Reply:
        self.now += 1
        for act in self.parts.pop(0) if self.parts else ():
            self._do(act)
        since = asked.params.get("since", "")
        places = sorted((str(row["at"]), key) for key, row in self.rows.items())
        if token := asked.params.get("after"):
            at, key = json.loads(token)
            places = [place for place in places if place > (at, key)]
        places = [place for place in places if place[0] >= since]
        page = places[: int(asked.params["limit"])]
        more = len(page) < len(places)
        data = [self.rows[key] for _, key in page]
        return Reply({"data": data, "next": json.dumps(page[-1]) if more else None})

    def _do(self, act: Act) -> None:
        self.now += act.which if act.kind == "pass" else 1
        for step in range(act.many if act.kind != "pass" else 0):
            keys = list(self.rows)
            key = keys[(act.which + step) % len(keys)] if act.kind == "edit" and keys else len(keys)
            moment = BEGIN + dt.timedelta(seconds=self.now + act.skew)
            self.rows[key] = {"id": key, "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "v": next(self._versions)}

    @property
    def versions(self) -> dict[int, int]:
        """What a copy should have."""
        return {key: int(row["v"]) for key, row in self.rows.items()}


@pytest.fixture(scope="module")
def server() -> Generator[tuple[Server, list[Callable[[Asked], Reply]]]]:
    answering: list[Callable[[Asked], Reply]] = []
    with Server(lambda asked: answering[-1](asked)) as made:  # noqa: PLW0108 - a test puts in another
        yield made, answering


Serving: TypeAlias = "tuple[Server, list[Callable[[Asked], Reply]]]"


def source(url: str, page_size: int, lookback_days: float | None) -> Source:
    kinds = {"id": "long", "at": "timestamptz", "v": "long"}
    schema = SchemaObject("items", "items", tuple(Property(n, n, "string", PhysicalType(k)) for n, k in kinds.items()))
    endpoint = {"path": "items", "params": {"limit": page_size}, "cursor": {"param": "since"}}
    paginator = {"type": "cursor", "param": "after", "path": "next"}
    options = {"records_path": "data", "paginator": paginator, "endpoints": {"items": endpoint}}
    return open_source(
        SourceSettings(
            connector="rest",
            tenant_id="acme",
            job_name="items",
            project=Path(),
            streams=(StreamSettings("items", (), schema, cursor_field="at"),),
            options=RestOptions.model_validate(options),
            credentials=RestCredentials(),
            connection=RestConnection(base_url=url),
            incremental=Incremental(strategy="cursor_field", cursor_field="at", lookback_days=lookback_days),
        )
    )


def run(opened: Source, cursor: Cursor | None) -> tuple[list[tuple[int, int]], Cursor | None]:
    """The records of one run, with their versions, and where it ended."""
    read: list[tuple[int, int]] = []
    for split in opened.plan({"items": cursor}).splits:
        for batch in opened.read(split):
            read += [(row["id"], row["v"]) for row in batch.records.to_pylist()]
            cursor = batch.cursor or cursor
    return read, None if cursor is None else through_json(cursor)


def copied(api: Api, opened: Source) -> list[tuple[int, int]]:
    """All that is read until nothing happens any more, run after run."""
    cursor: Cursor | None = None
    read: list[tuple[int, int]] = []
    while api.parts:
        more, cursor = run(opened, cursor)
        read += more
    more, cursor = run(opened, cursor)
    return read + more


@given(parts=histories(ACTS), page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_copy_ends_as_the_source_and_no_version_comes_twice_laws(
    server: Serving, parts: list[list[Act]], page_size: int
) -> None:
    api = Api(parts=list(parts))
    server[1][:] = [api]

    read = copied(api, source(server[0].url, page_size, None))

    assert len(set(read)) == len(read)
    assert dict(read) == api.versions


@given(parts=histories(SKEWED), page_size=st.integers(1, 5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_looking_back_finds_what_a_wrong_clock_stamped_laws(
    server: Serving, parts: list[list[Act]], page_size: int
) -> None:
    api = Api(parts=list(parts))
    server[1][:] = [api]

    read = copied(api, source(server[0].url, page_size, 2 * (2 * SKEW + 30) / 86_400))

    assert dict(read) == api.versions


@pytest.mark.parametrize("mode", ["merge", "append"])
@given(parts=histories(ACTS), page_size=st.integers(1, 5))
@settings(max_examples=HISTORIES_OF_TABLES, deadline=None)
def test_the_table_ends_as_the_source_laws(
    server: Serving, tmp_path_factory: pytest.TempPathFactory, mode: str, parts: list[list[Act]], page_size: int
) -> None:
    api = Api(parts=list(parts))
    server[1][:] = [api]
    job = make_project(tmp_path_factory.mktemp("project"), server[0].url, page_size=page_size, mode=mode)
    for _ in range(3):
        assert not run_job(job, EventLog(io.StringIO())).error
    api.parts.clear()

    assert not run_job(job, EventLog(io.StringIO())).error

    if not api.rows:
        return
    rows = open_catalog(job).load_table(("acme", "items")).scan().to_arrow().to_pylist()
    read = sorted((row["id"], row["v"]) for row in rows)
    assert len(set(read)) == len(read)
    assert dict(read) == api.versions
    assert mode == "append" or len(read) == len(api.rows)


def make_project(root: Path, url: str, *, page_size: int, mode: str) -> ResolvedJob:
    """A job that keeps a table of the records."""
    job = root / "jobs" / "acme" / "items.yaml"
    for file, text in (
        # What is appended may come again, changed: then no column tells it apart.
        (root / "assets" / "items.yaml", CONTRACT.replace(", primaryKey: true", "") if mode == "append" else CONTRACT),
        (job, JOB.format(url=url, page_size=page_size, mode=mode)),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return load([job], specs()).jobs[0]


NUMBERED: Sequence[Paginator] = (
    ByOffset(size=3, total_path="total"),
    ByPage(size_param="limit", size=3, total_path="total"),
)


@pytest.mark.parametrize("change", ["delete", "add"])
@given(
    count=st.integers(0, 20),
    acts=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=10),
    paginator=st.sampled_from(NUMBERED),
    width=st.sampled_from([1, 3]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_numbered_list_that_changes_is_whole_or_an_error_laws(
    server: Serving, change: str, count: int, acts: list[int | None], paginator: Paginator, width: int
) -> None:
    ids, upcoming = list(range(count)), list(acts)

    def answering(asked: Asked) -> Reply:
        act = upcoming.pop(0) if upcoming else None
        if act is not None and change == "add":
            ids.append(count + len(ids))
        elif act is not None and ids:
            del ids[act % len(ids)]
        start = int(asked.params["offset"]) if "offset" in asked.params else (int(asked.params["page"]) - 1) * 3
        return Reply({"data": [{"id": it} for it in ids[start : start + 3]], "total": len(ids)})

    server[1][:] = [answering]
    with Client(Service(server[0].url, patience=Patience(tries=1))) as client:
        walk = pages(client, Request("items"), paginator, read=page_reader("data"), width=width)
        try:
            read = [json.loads(bytes(record))["id"] for page in walk for record in page.records]
        except RetryableError:
            assert change == "delete"
            return
    assert len(set(read)) == len(read)
    assert set(ids) & set(range(count)) <= set(read)
