"""Lists page by page: every way of cutting them, and lists that would never end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from dativo_engine.errors import (
    AuthenticationError,
    DativoError,
    GoneError,
    MalformedAnswerError,
    RetryableError,
    ServerError,
)
from dativo_engine.rest import (
    ByCursor,
    ByLastId,
    ByLinkHeader,
    ByNextUrl,
    ByOffset,
    ByPage,
    Client,
    Paginator,
    Patience,
    Request,
    Service,
    SinglePage,
    blocks,
    page_reader,
    pages,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_server import Answering, Asked, Reply, Server

Serve = Callable[[Answering], Server]
MakeClient = Callable[..., Client]


def read_all(client: Client, paginator: Paginator, request: Request | None = None, *, width: int = 1) -> list[int]:
    found = pages(client, request or Request("items"), paginator, read=page_reader("data"), width=width)
    return [json.loads(bytes(record))["id"] for page in found for record in page.records]


def api(rows: int, size: int) -> Answering:
    """A list of `rows` records, in pages of `size`, that can be read in every way at once."""

    def answering(asked: Asked) -> Reply:
        told: Mapping[str, str] = {**asked.params, **(json.loads(asked.body) if asked.body else {})}
        step = min(int(told.get("limit", size)), size)
        start = int(
            told.get("cursor") or told.get("after") or told.get("offset") or (int(told.get("page", 1)) - 1) * step
        )
        end = start + step
        more = end < rows
        body: dict[str, object] = {
            "data": [{"id": number} for number in range(start + 1, min(end, rows) + 1)],
            "has_more": more,
            "total": rows,
            "pages": -(-rows // step),
            "next": {"cursor": str(end) if more else None, "url": f"/items?cursor={end}" if more else ""},
        }
        link = f'</items?cursor={end}>; rel="next", </items>; rel="first"' if more else '</items>; rel="first"'
        return Reply(body, headers={"Link": link})

    return answering


WAYS: list[tuple[Paginator, Request]] = [
    (ByCursor("cursor", "next.cursor"), Request("items")),
    (ByCursor("cursor", "next.cursor", "has_more"), Request("items")),
    (ByCursor("cursor", "next.cursor", in_body=True), Request("items", method="POST", json={"filter": "x"})),
    (ByLastId("after", more_path="has_more"), Request("items")),
    (ByLastId("after"), Request("items")),
    (ByNextUrl("next.url"), Request("items")),
    (ByLinkHeader(), Request("items")),
    (ByOffset(size=3), Request("items")),
    (ByOffset(size=3, total_path="total"), Request("items")),
    (ByOffset(size=50, total_path="total"), Request("items")),
    (ByPage(), Request("items")),
    (ByPage(size_param="limit", size=3, pages_path="pages"), Request("items")),
    (ByPage(size_param="limit", size=3, total_path="total"), Request("items")),
    (ByPage(size_param="limit", size=50, total_path="total"), Request("items")),
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(0, 23), size=st.integers(1, 7), way=st.sampled_from(WAYS), width=st.sampled_from([1, 3]))
def test_every_record_comes_once_and_in_order(
    serve: Serve, client: MakeClient, rows: int, size: int, way: tuple[Paginator, Request], width: int
) -> None:
    with Server(api(rows, size)) as server, client(server) as asking:
        assert read_all(asking, way[0], way[1], width=width) == list(range(1, rows + 1))


def test_a_list_in_one_answer_is_one_page(serve: Serve, client: MakeClient) -> None:
    assert read_all(client(serve(api(5, 9))), SinglePage()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "d", "e", "c"]])
def test_a_cursor_that_comes_again_is_an_error_and_no_endless_run(
    serve: Serve, client: MakeClient, tokens: list[str]
) -> None:
    following = dict(zip(["", *tokens], tokens, strict=False))
    server = serve(
        lambda asked: Reply({"data": [{"id": asked.params.get("c", "")}], "next": following[asked.params.get("c", "")]})
    )
    with pytest.raises(MalformedAnswerError, match="leads back to a page that was read already"):
        read_all(client(server), ByCursor("c", "next"))
    assert len(server.asked) < 25


@pytest.mark.parametrize("paginator", [ByPage(), ByOffset(), ByOffset(total_path="total"), ByLastId("wrong", "n")])
@pytest.mark.parametrize("width", [1, 2])
def test_a_parameter_that_the_api_ignores_is_an_error_and_no_endless_run(
    serve: Serve, client: MakeClient, paginator: Paginator, width: int
) -> None:
    server = serve(lambda asked: Reply({"data": [{"id": 1, "n": 1}], "total": 50}))
    with pytest.raises(MalformedAnswerError, match=r"same records|leads back"):
        read_all(client(server), paginator, width=width)
    assert len(server.asked) < 10


def test_an_empty_page_with_more_behind_it_is_passed_over(serve: Serve, client: MakeClient) -> None:
    answers = {"": ([1], "a"), "a": ([], "b"), "b": ([2], None)}

    def answering(asked: Asked) -> Reply:
        ids, following = answers[asked.params.get("c", "")]
        return Reply({"data": [{"id": it} for it in ids], "next": following})

    assert read_all(client(serve(answering)), ByCursor("c", "next")) == [1, 2]


def test_an_empty_page_with_more_behind_it_is_an_error_where_its_last_record_would_be_needed(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(lambda asked: Reply({"data": [], "has_more": True}))
    with pytest.raises(MalformedAnswerError, match="has_more says that there is more, but the page is empty"):
        read_all(client(server), ByLastId("after", more_path="has_more"))


@pytest.mark.parametrize(
    "paginator", [ByCursor("cursor", "next.cursor", "no.such"), ByLastId("after", "id", "no.such")]
)
def test_an_answer_that_does_not_say_whether_there_is_more_ends_no_list(
    serve: Serve, client: MakeClient, paginator: Paginator
) -> None:
    assert read_all(client(serve(api(7, 3))), paginator) == [1, 2, 3, 4, 5, 6, 7]


def test_more_pages_without_a_cursor_to_them_is_an_error(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply({"data": [{"id": 1}], "next": None, "has_more": True}))
    with pytest.raises(MalformedAnswerError, match="has_more says that there is more, but there is no next"):
        read_all(client(server), ByCursor("c", "next", more_path="has_more"))


def test_nothing_but_empty_pages_is_an_error(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply({"data": [], "next": f"{asked.params.get('c', '')}x"}))
    with pytest.raises(MalformedAnswerError, match="100 empty pages in a row"):
        read_all(client(server), ByCursor("c", "next"))


@pytest.mark.parametrize("answer", [{"data": [{"id": 1}]}, {"data": [{"id": 1}], "total": "many"}])
def test_a_total_that_is_not_there_is_told(serve: Serve, client: MakeClient, answer: object) -> None:
    with pytest.raises(MalformedAnswerError, match="no count at 'total'"):
        read_all(client(serve(lambda asked: Reply(answer))), ByOffset(total_path="total"))


def test_a_failure_in_the_middle_of_concurrent_pages_is_the_lists_failure(serve: Serve, client: MakeClient) -> None:
    whole = api(20, 2)
    server = serve(lambda asked: Reply({}, 500) if asked.params.get("offset") == "8" else whole(asked))
    with pytest.raises(ServerError, match="offset 8"):
        read_all(client(server), ByOffset(size=2, total_path="total"), width=3)


def windowed(
    ids: list[int], *, capped: int = -1, changing: Callable[[list[int], int], None] | None = None
) -> Answering:
    """A list by offset or page, with a total; the page with record `capped` has only half of what was asked for.

    `changing` is called before each page with the list, and how many pages were given.
    """
    given = 0

    def answering(asked: Asked) -> Reply:
        nonlocal given
        if changing is not None:
            changing(ids, given)
        given += 1
        told = {**asked.params, **(json.loads(asked.body) if asked.body else {})}
        limit = int(told["limit"])
        start = int(told["offset"]) if "offset" in told else (int(told["page"]) - 1) * limit
        rows = [{"id": it} for it in ids[start : start + limit]]
        if any(row["id"] == capped for row in rows):
            rows = rows[: limit // 2]
        return Reply({"data": rows, "total": len(ids), "pages": -(-len(ids) // limit)})

    return answering


@pytest.mark.parametrize("width", [1, 4])
def test_a_page_in_the_middle_that_is_shorter_than_the_first_loses_nothing(
    serve: Serve, client: MakeClient, width: int
) -> None:
    server = serve(windowed(list(range(40)), capped=25))
    assert read_all(client(server), ByOffset(size=10, total_path="total"), width=width) == list(range(40))


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize(
    "paginator",
    [ByOffset(size=10, total_path="total"), ByPage(size_param="limit", size=10, total_path="total")],
)
def test_a_list_that_gives_fewer_records_than_it_told_of_is_read_again_later(
    serve: Serve, client: MakeClient, paginator: Paginator, width: int
) -> None:
    def delete(ids: list[int], given: int) -> None:
        if given == 1:
            del ids[3]  # what stood behind it moves into pages that were read

    server = serve(windowed(list(range(40)), changing=delete))
    with pytest.raises(RetryableError, match=r"told of 40 records, and then of 39: .* run it again"):
        read_all(client(server), paginator, width=width)


@pytest.mark.parametrize("told", [41, 60])
def test_a_total_that_no_page_keeps_is_an_error(serve: Serve, client: MakeClient, told: int) -> None:
    def answering(asked: Asked) -> Reply:
        number = int(asked.params["page"])
        rows = [{"id": it} for it in range(40)][number * 10 - 10 : number * 10]
        return Reply({"data": rows, "total": told})

    with pytest.raises(RetryableError, match=f"told of {told} records, and 40 came"):
        read_all(client(serve(answering)), ByPage(size_param="limit", size=10, total_path="total"))


@pytest.mark.parametrize(("totals", "error"), [((3, 2), RetryableError), ((2, 3), GoneError)])
def test_a_page_that_is_not_there_is_no_failure_of_a_list_that_became_shorter(
    serve: Serve, client: MakeClient, totals: tuple[int, int], error: type[DativoError]
) -> None:
    answers = [Reply({"data": [{"id": number}], "total": total}) for number, total in enumerate(totals)]
    upcoming = iter(answers)
    server = serve(lambda asked: next(upcoming, Reply({"detail": "Invalid page."}, 404)))
    with pytest.raises(error):
        read_all(client(server), ByPage(total_path="total"))


@pytest.mark.parametrize("width", [1, 4])
def test_pages_that_are_told_of_and_do_not_come_are_an_error(serve: Serve, client: MakeClient, width: int) -> None:
    def delete(ids: list[int], given: int) -> None:
        if given == 1:
            del ids[20:]

    server = serve(windowed(list(range(40)), changing=delete))
    paginator = ByPage(size_param="limit", size=10, pages_path="pages")
    with pytest.raises(RetryableError, match="told of 4 pages"):
        read_all(client(server), paginator, width=width)


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize(
    "paginator",
    [
        ByOffset(size=10, total_path="total"),
        ByPage(size_param="limit", size=10, total_path="total"),
        ByPage(size_param="limit", size=10, pages_path="pages"),
    ],
)
def test_a_list_that_grows_while_it_is_read_is_read_to_its_new_end(
    serve: Serve, client: MakeClient, paginator: Paginator, width: int
) -> None:
    def add(ids: list[int], given: int) -> None:
        if given == 1:
            ids.extend(range(40, 65))

    server = serve(windowed(list(range(40)), changing=add))
    assert read_all(client(server), paginator, width=width) == list(range(65))


def test_a_total_saves_the_request_for_an_empty_page(serve: Serve, client: MakeClient) -> None:
    for paginator in (ByPage(size_param="limit", size=10, total_path="total"), ByOffset(size=10, total_path="total")):
        server = serve(windowed(list(range(20))))
        assert read_all(client(server), paginator) == list(range(20))
        assert len(server.asked) == 2


@pytest.mark.parametrize("width", [1, 4])
def test_numbers_of_pages_and_offsets_stand_in_the_body_where_the_api_wants_them_there(
    serve: Serve, client: MakeClient, width: int
) -> None:
    for paginator in (
        ByOffset(size=10, total_path="total", in_body=True),
        ByPage(size_param="limit", size=10, pages_path="pages", in_body=True),
    ):
        server = serve(windowed(list(range(25))))
        request = Request("items", method="POST", json={"filter": "x"})
        assert read_all(client(server), paginator, request, width=width) == list(range(25))
        assert all(json.loads(asked.body)["filter"] == "x" and not asked.params for asked in server.asked)


def test_a_failure_that_is_final_waits_for_nobody(serve: Serve, client: MakeClient) -> None:
    def answering(asked: Asked) -> Reply:
        match asked.params["offset"]:
            case "0":
                return Reply({"data": [{"id": 0}], "total": 3})
            case "1":
                return Reply({}, 401, after=0.2)
            case _:
                return Reply({}, 503, headers={"Retry-After": "20"})

    asking = client(serve(answering), patience=Patience(tries=5, wait=60))
    begun = time.monotonic()
    with pytest.raises(AuthenticationError):
        read_all(asking, ByOffset(size=1, total_path="total"), width=2)
    assert time.monotonic() - begun < 5


def test_a_connection_that_is_just_being_opened_when_a_page_fails_is_closed_too(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    connect = socket.create_connection
    another_is_asked_for = threading.Event()

    def slowly_but_for_the_first(*arguments: Any, **named: Any) -> socket.socket:
        if opened:
            another_is_asked_for.set()
            time.sleep(0.3)
        opened.append(connect(*arguments, **named))
        return opened[-1]

    def fails_once_another_is_asked_for(asked: Asked) -> Reply:
        if asked.params["offset"] == "0":
            return Reply({"data": [{"id": 0}], "total": 3})
        another_is_asked_for.wait(30)
        return Reply({}, 401)

    monkeypatch.setattr(socket, "create_connection", slowly_but_for_the_first)
    server = serve(fails_once_another_is_asked_for)
    with Client(Service(server.url)) as asking, pytest.raises(AuthenticationError):
        read_all(asking, ByOffset(size=1, total_path="total"), width=2)
    assert [connection.fileno() for connection in opened] == [-1, -1]


def test_small_pages_are_put_together_and_pretty_ones_put_on_one_line(serve: Serve, client: MakeClient) -> None:
    found = pages(client(serve(api(10, 2))), Request("items"), ByPage(), read=page_reader("data"))
    runs = list(blocks(found, block_bytes=1 << 20, block_records=5))
    assert [len(run.elements) for run in runs] == [6, 4]
    assert runs[1].text == b'{"id":7}\n{"id":8}\n{"id":9}\n{"id":10}'
