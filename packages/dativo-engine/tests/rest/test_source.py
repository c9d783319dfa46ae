"""Any API from a description: what is asked, what becomes of the answers, where a stream stands after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from dativo_config.models.contract import Limits, PhysicalType, Property, SchemaObject
from dativo_config.models.job import Incremental, RateLimits
from dativo_engine.connectors import open_source
from dativo_engine.errors import AuthenticationError, FatalError, GoneError, MalformedAnswerError
from dativo_engine.interfaces import Batch, Cursor, Source, SourceSettings, StreamSettings
from dativo_engine.sources.rest.spec import RestConnection, RestCredentials, RestOptions
from pydantic import ValidationError
from rest_server import Answering, Asked, Reply, Server

Serve = Callable[[Answering], Server]


def contract(**columns: str) -> SchemaObject:
    return SchemaObject(
        "rows", "rows", tuple(Property(n, n, "string", PhysicalType(kind)) for n, kind in columns.items())
    )


def source(
    server: Server,
    endpoints: Mapping[str, object],
    schema: SchemaObject | None = None,
    *,
    cursor: str = "",
    lookback_days: float | None = None,
    credentials: Mapping[str, object] | None = None,
    stream: str = "",
    **options: object,
) -> Source:
    name = stream or list(endpoints)[-1]
    incremental = Incremental(strategy="cursor_field", cursor_field=cursor, lookback_days=lookback_days)
    return open_source(
        SourceSettings(
            connector="rest",
            tenant_id="acme",
            job_name="rows",
            project=Path("/nowhere"),
            streams=(StreamSettings(name, (), schema, cursor_field=cursor),),
            options=RestOptions.model_validate({"tries": 1, "endpoints": endpoints, **options}),
            credentials=RestCredentials.model_validate(credentials or {}),
            connection=RestConnection(base_url=server.url),
            incremental=incremental if cursor else None,
        )
    )


def read(source: Source, start: Cursor | None = None) -> list[Batch]:
    plan = source.plan(dict.fromkeys(source._streams, start))  # pyright: ignore[reportAttributeAccessIssue]
    return [batch for split in plan.splits for batch in source.read(split)]


def rows(batches: list[Batch]) -> list[dict[str, object]]:
    return [row for batch in batches for row in batch.records.to_pylist()]


def test_what_is_described_is_what_is_asked(serve: Serve) -> None:
    server = serve(lambda asked: Reply({"data": {"items": [{"id": 1}]}}))
    endpoint = {
        "path": "items/search",
        "method": "POST",
        "params": {"archived": False, "fields": ["a", "b"]},
        "headers": {"X-One": "1"},
        "body": {"filter": {"a": [1]}},
        "records_path": "data.items",
    }
    described = source(server, {"items": endpoint}, contract(id="long"), headers={"X-All": "2"}, params={"v": 2})
    assert rows(read(described)) == [{"id": 1}]
    asked = server.asked[-1]
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", "/items/search", {"filter": {"a": [1]}})
    assert asked.params == {"archived": "false", "fields": "b", "v": "2"}
    assert (asked.headers["x-one"], asked.headers["x-all"]) == ("1", "2")
    assert asked.headers["content-type"] == "application/json"


def test_children_are_read_for_each_parent_and_carry_its_fields(serve: Serve) -> None:
    def answering(asked: Asked) -> Reply:
        if asked.path == "/customers":
            page = int(asked.params["page"])
            return Reply(
                [{"id": f"c/{page}{it}", "info": {"name": f"n{page}{it}"}} for it in range(3)] if page < 3 else []
            )
        customer = asked.path.split("/")[2].replace("%2F", "/")
        page = int(asked.params["page"])
        count = 2 if customer != "c/11" else 0
        return Reply([{"no": f"{customer}-{page}-{it}"} for it in range(count)] if page < 3 else [])

    server = serve(answering)
    endpoints = {
        "customers": {"path": "customers"},
        "orders": {
            "path": "customers/{id}/orders",
            "parent": {
                "endpoint": "customers",
                "include": {"customer_id": "id", "customer": "info.name", "none": "x.y"},
            },
        },
    }
    schema = contract(no="string", customer_id="string", customer="string", none="string")
    found = rows(read(source(server, endpoints, schema, paginator={"type": "page"}, concurrency=3)))
    customers = [f"{page}{it}" for page in (1, 2) for it in range(3) if (page, it) != (1, 1)]
    assert found == [
        {"no": f"c/{it}-{page}-{no}", "customer_id": f"c/{it}", "customer": f"n{it}", "none": None}
        for it in customers
        for page in (1, 2)
        for no in range(2)
    ]


def test_a_parent_that_is_gone_is_an_error_or_passed_over(serve: Serve) -> None:
    def answering(asked: Asked) -> Reply:
        if asked.path == "/customers":
            return Reply([{"id": 1}, {"id": 2}])
        return Reply({}, 404) if asked.path == "/customers/1/orders" else Reply([{"no": 5}])

    server = serve(answering)
    for skip in (True, False):
        child = {"path": "customers/{id}/orders", "parent": {"endpoint": "customers", "skip_missing": skip}}
        described = source(server, {"customers": {"path": "customers"}, "orders": child}, contract(no="long"))
        if skip:
            assert rows(read(described)) == [{"no": 5}]
        else:
            with pytest.raises(GoneError, match="customers/1/orders"):
                read(described)


def test_a_parent_without_the_field_is_told(serve: Serve) -> None:
    server = serve(lambda asked: Reply([{"name": "x"}]))
    child = {"path": "customers/{id}/orders", "parent": {"endpoint": "customers"}}
    with pytest.raises(MalformedAnswerError, match="a record of customers has no 'id' to ask for its list with"):
        read(source(server, {"customers": {"path": "customers"}, "orders": child}, contract(no="long")))


TIMES = ["2024-02-29T10:00:00Z", "2024-02-29T11:00:00.250Z", "2024-02-29T11:00:00.250Z"]


def changing(records: list[dict[str, object]]) -> Answering:
    """A list whose `since` is inclusive, as most are."""

    def answering(asked: Asked) -> Reply:
        since = asked.params.get("since", "")
        return Reply([record for record in records if str(record["at"]) >= since.removesuffix("Z")])

    return answering


def test_only_what_changed_is_read_and_records_at_the_last_value_come_once(serve: Serve) -> None:
    records: list[dict[str, object]] = [{"id": it, "at": at, "v": 1} for it, at in enumerate(TIMES)]
    server = serve(changing(records))
    endpoint = {"items": {"path": "items", "cursor": {"param": "since"}}}
    described = source(server, endpoint, contract(id="long", at="timestamptz", v="long"), cursor="at")
    first = read(described)
    assert [row["id"] for row in rows(first)] == [0, 1, 2]
    assert [asked.params for asked in server.asked] == [{}]

    again = read(described, first[-1].cursor)
    assert rows(again) == []
    assert again[-1].cursor == first[-1].cursor
    assert server.asked[-1].params == {"since": "2024-02-29T11:00:00.250000Z"}

    records[1] = {**records[1], "v": 2}  # within the same instant
    records.append({"id": 3, "at": TIMES[2], "v": 1})
    third = read(described, again[-1].cursor)
    assert [(row["id"], row["v"]) for row in rows(third)] == [(1, 2), (3, 1)]
    assert [third[0].position.row(index) for index in range(2)] == [1, 3]
    assert rows(read(described, third[-1].cursor)) == []


@pytest.mark.parametrize("count", [1_001, 25_000])
def test_however_many_records_are_at_the_last_value_they_come_once(serve: Serve, count: int) -> None:
    records: list[dict[str, object]] = [{"id": it, "at": "2024-02-29"} for it in range(count)]
    server = serve(lambda asked: Reply(records))
    endpoint = {"items": {"path": "items", "cursor": {"param": "since"}}}
    described = source(server, endpoint, contract(id="long", at="date"), cursor="at")
    first = read(described)
    assert len(rows(first)) == count
    again = read(described, first[-1].cursor)
    assert (rows(again), again[-1].cursor) == ([], first[-1].cursor)
    records.append({"id": count, "at": "2024-02-29"})
    assert [row["id"] for row in rows(read(described, again[-1].cursor))] == [count]


@pytest.mark.parametrize("bad", ["oops", {"id": "x", "at": "2024-02-29T10:24:00Z"}, {"id": 1, "at": "soon"}])
@pytest.mark.parametrize("comes", ["in both runs", "later", "before"])
def test_an_element_that_does_not_fit_moves_nothing_else(serve: Serve, bad: object, comes: str) -> None:
    sound: list[object] = [{"id": it, "at": f"2024-02-29T10:{it // 2:02}:00Z", "in": {"n": 1.50}} for it in range(50)]
    answers = {"in both runs": [[*sound, bad]] * 2, "later": [sound, [*sound, bad]], "before": [[*sound, bad], sound]}
    upcoming = iter([answers[comes][0], answers[comes][1][48:]])
    server = serve(lambda asked: Reply(next(upcoming)))
    inner = Property("in", "in", "object", PhysicalType("struct"), properties=contract(n="double").properties)
    columns = contract(id="long", at="timestamptz")
    endpoint = {"items": {"path": "items", "cursor": {"param": "since"}}}
    schema = SchemaObject("rows", "rows", (*columns.properties, inner))
    described = source(server, endpoint, schema, cursor="at")
    again = read(described, read(described)[-1].cursor)
    came = {str(row["id"]) for row in rows(again)}
    assert came <= {"x", "1"}, "records that the first run had"
    assert len(came) + sum(len(batch.malformed) for batch in again) <= (0 if comes == "before" else 1)


def test_a_time_that_the_contract_has_a_format_for_is_compared_as_that_time(serve: Serve) -> None:
    server = serve(lambda asked: Reply([{"at": "09.03.2024"}, {"at": "10.02.2024"}]))
    column = Property("at", "at", "date", PhysicalType("date"), limits=Limits(format="dd.MM.yyyy"))
    endpoint = {"items": {"path": "items", "cursor": {"param": "since"}}}
    described = source(server, endpoint, SchemaObject("rows", "rows", (column,)), cursor="at")
    first = read(described)
    assert first[-1].cursor is not None
    assert first[-1].cursor.value["value"] == "2024-03-09"
    assert [row["at"] for row in rows(read(described, first[-1].cursor))] == ["10.02.2024"]


def test_looking_back_reads_again_what_the_merge_will_tell(serve: Serve) -> None:
    server = serve(changing([{"id": it, "at": at} for it, at in enumerate(TIMES)]))
    endpoint = {"items": {"path": "items", "cursor": {"param": "since"}}}
    described = source(server, endpoint, contract(id="long", at="timestamptz"), cursor="at", lookback_days=0.5)
    cursor = read(described)[-1].cursor
    assert len(rows(read(described, cursor))) == 3
    assert server.asked[-1].params == {"since": "2024-02-28T23:00:00.250000Z"}


@pytest.mark.parametrize(
    ("kind", "form", "value", "sent"),
    [
        ("timestamptz", "iso", "2024-02-29T11:00:00.250Z", "2024-02-29T11:00:00.250000Z"),
        ("timestamptz", "iso", "2024-02-29T12:00:00+01:00", "2024-02-29T11:00:00Z"),
        ("timestamp", "epoch", "2024-02-29T11:00:00.999", "1709204400"),
        ("timestamptz", "epoch_ms", "2024-02-29T11:00:00.250Z", "1709204400250"),
        ("timestamptz", "%Y-%m-%d %H:%M", "2024-02-29T11:00:59Z", "2024-02-29 11:00"),
        ("date", "iso", "2024-02-29", "2024-02-29"),
        ("long", "iso", 170, "170"),
        ("string", "iso", "a/b", "a/b"),
        ("decimal", "iso", 12.5, "12.5"),
    ],
)
def test_the_last_value_is_written_as_the_api_takes_it_and_never_later(
    serve: Serve, kind: str, form: str, value: object, sent: str
) -> None:
    server = serve(lambda asked: Reply([{"at": value}]))
    physical = PhysicalType("decimal", 10, 1) if kind == "decimal" else PhysicalType(kind)
    schema = SchemaObject("rows", "rows", (Property("at", "at", "string", physical),))
    endpoint = {"items": {"path": "items", "cursor": {"param": "since", "format": form, "start": "s"}}}
    described = source(server, endpoint, schema, cursor="at")
    first = read(described)
    assert server.asked[-1].params == {"since": "s"}
    cursor = first[-1].cursor
    assert cursor is not None
    read(described, Cursor(json.loads(json.dumps(dict(cursor.value)))))
    assert server.asked[-1].params == {"since": sent}


def test_an_api_that_can_not_be_asked_for_changes_is_read_whole_and_the_cursor_kept(serve: Serve) -> None:
    described = source(
        serve(lambda asked: Reply([{"id": 7}, {"id": 5}])), {"i": {"path": "i"}}, contract(id="long"), cursor="id"
    )
    first = read(described)
    assert first[-1].cursor is not None
    assert first[-1].cursor.value["value"] == 7


def test_a_cursor_of_another_type_than_the_contracts_is_told_with_the_remedy(serve: Serve) -> None:
    described = source(serve(lambda asked: Reply([])), {"i": {"path": "i"}}, contract(id="long"), cursor="id")
    with pytest.raises(FatalError, match="dativo state reset"):
        read(described, Cursor({"value": "2024-01-01"}))


@pytest.mark.parametrize(("more", "expected"), [({}, [1]), ({"records_path": ""}, [2])])
def test_an_endpoint_may_have_its_records_elsewhere_than_the_others(
    serve: Serve, more: Mapping[str, object], expected: list[int]
) -> None:
    server = serve(lambda asked: Reply([{"id": 2}] if more else {"data": [{"id": 1}]}))
    described = source(server, {"i": {"path": "i", **more}}, contract(id="long"), records_path="data")
    assert [row["id"] for row in rows(read(described))] == expected


def test_a_cell_that_does_not_fit_costs_its_row_and_keeps_its_digits(serve: Serve) -> None:
    page = b'[{"id": 1, "n": 1.10}, {"id": "x", "n": 2.20}, {"id": 3, "n": {"a": 1}}, [4]]'
    server = serve(lambda asked: Reply(page))
    (batch,) = read(source(server, {"i": {"path": "i"}}, contract(id="long", n="string")))
    assert batch.records.to_pylist() == [
        {"id": "1", "n": "1.10"},
        {"id": "x", "n": "2.20"},
        {"id": "3", "n": '{"a": 1}'},
    ]
    assert [(bad.raw, bad.row) for bad in batch.malformed] == [("[4]", 4)]
    assert batch.position.source == f"{server.url}/i"


def test_discover_proposes_types_keys_and_cursors_from_a_sample(serve: Serve) -> None:
    record = {"uid": "a", "at": "2024-01-01T00:00:00Z", "n": 1.5, "tags": ["x"], "meta": {}, "in": {"meta": {}}}
    server = serve(lambda asked: Reply([record]))
    (info,) = source(server, {"items": {"path": "items", "primary_key": ["uid"]}}).discover()
    assert (info.primary_key, info.cursor_candidates, info.detail) == (("uid",), ("at",), f"{server.url}/items")
    assert {field.name: str(field.type) for field in info.arrow_schema} == {
        "uid": "string",
        "at": "timestamp[us]",
        "n": "double",
        "tags": "list<item: string>",
        "meta": "string",
        "in": "struct<meta: string>",
    }


def test_discover_finds_nothing_in_an_empty_list(serve: Serve) -> None:
    (info,) = source(serve(lambda asked: Reply([])), {"items": {"path": "items"}}).discover()
    assert info.arrow_schema.names == []


def test_credentials_that_are_refused_in_the_middle_end_the_run_by_name(serve: Serve) -> None:
    def answering(asked: Asked) -> Reply:
        return Reply([{"id": int(asked.params["page"])}]) if asked.params["page"] != "3" else Reply({}, 401)

    server = serve(answering)
    described = source(
        server, {"i": {"path": "i"}}, contract(id="long"), paginator={"type": "page"}, credentials={"token": "t0ken"}
    )
    with pytest.raises(AuthenticationError, match=r"\(page 3\): answered 401 Unauthorized; check source.credentials"):
        read(described)


@pytest.mark.parametrize(
    ("endpoints", "words"),
    [
        ({}, "at least 1 item"),
        ({"a": {"path": "a/{id}"}}, r"only \{id\} can stand in it"),
        ({"a": {"path": "a", "parent": {"endpoint": "b"}}}, r"has \{id\} in its path"),
        ({"a": {"path": "a/{id}", "parent": {"endpoint": "b"}}}, "there is no endpoint 'b'"),
        ({"a": {"path": "a/{id}", "parent": {"endpoint": "a"}}}, "its own ancestor"),
        ({"a": {"path": "a", "body": {}}}, "write method: POST"),
        ({"a": {"path": "a", "paginator": {"type": "cursor", "param": "p"}}}, "path"),
    ],
)
def test_a_description_that_can_not_work_is_refused(endpoints: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RestOptions.model_validate({"endpoints": endpoints})


@pytest.mark.parametrize(
    "told",
    [
        {"type": "basic"},
        {"type": "header", "token": "x"},
        {"type": "client_credentials", "token_url": "u"},
        {"type": "service_account"},
        {"user": "ann"},
    ],
)
def test_credentials_that_lack_something_are_refused(told: object) -> None:
    with pytest.raises(ValidationError, match="needs"):
        RestCredentials.model_validate(told)


def test_a_stream_that_the_description_lacks_is_told(serve: Serve) -> None:
    with pytest.raises(FatalError, match=r"there is no endpoint 'x' in source\.options\.endpoints; it has a"):
        source(serve(lambda asked: Reply([])), {"a": {"path": "a"}}, stream="x")


def test_a_rate_that_the_job_sets_is_kept_to(serve: Serve, tmp_path: Path) -> None:
    from dativo_engine.rest import Rate

    assert Rate.of(RateLimits(requests_per_minute=30, requests_per_second=5)) == Rate(0.5, 1)
    assert Rate.of(RateLimits(burst=7), Rate(3)) == Rate(3, 7)
    assert Rate.of(None, Rate(3)) == Rate(3)
