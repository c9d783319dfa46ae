"""What a request ends in, whatever the server does: the class, the number of tries, the words."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from dativo_engine.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DativoError,
    FatalError,
    GoneError,
    MalformedAnswerError,
    PermissionDeniedError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from dativo_engine.rest import (
    Client,
    Patience,
    Request,
    Service,
    Throttle,
    basic,
    bearer,
    header,
    page_reader,
    query,
    transport,
)
from rest_server import Answering, Asked, Reply, Server, self_signed, tunnel

Serve = Callable[[Answering], Server]
MakeClient = Callable[..., Client]
LIST = Request("items", {"limit": "10"})
KEY = "sk_secret+/1234567890"


@pytest.mark.parametrize(
    ("reply", "error", "tries", "words"),
    [
        (Reply({"error": {"message": "slow down"}}, 429), RateLimitError, 3, "429 Too Many Requests, 'slow down'"),
        (Reply({}, 429, {"Retry-After": "60"}), RateLimitError, 1, "source.rate_limits"),
        (Reply({"message": "later"}, 403, {"Retry-After": "60"}), RateLimitError, 1, "'later'"),
        (Reply(b"<html><title>502 Bad Gateway</title>", 502), ServerError, 3, "a page for people: 502 Bad Gateway"),
        (Reply({"errors": [{"detail": "oops"}]}, 500), ServerError, 3, "500 Internal Server Error, 'oops'"),
        (Reply({}, 503), ServerError, 3, "503 Service Unavailable"),
        (Reply({}, 401), AuthenticationError, 1, "check source.credentials"),
        (Reply({"error": "no access"}, 403), PermissionDeniedError, 1, "'no access'"),
        (Reply({}, 404), GoneError, 1, "check source.connection.base_url"),
        (Reply({"error": {"message": "No such cursor: cus_1"}}, 400), RequestRefusedError, 1, "No such cursor: cus_1"),
        (Reply({"data": [1]}, cut=4), ConnectionFailedError, 3, "hung up before the answer was complete"),
        (Reply({"data": []}, after=0.8), ConnectionFailedError, 3, "sent nothing for 0.5 s"),
        (Reply(b'{"data": [}'), MalformedAnswerError, 3, "not JSON"),
        (Reply(b""), MalformedAnswerError, 3, "the answer is empty, not JSON"),
        (Reply(b"<!doctype html><h1>Log in</h1>"), MalformedAnswerError, 3, "does base_url lead to the API?"),
        (Reply({"items": []}), MalformedAnswerError, 3, "there is no 'data' on the way of records_path: 'data'; there"),
        (Reply({"data": {"a": 1}}), MalformedAnswerError, 3, "no list of records at records_path: 'data'"),
        (Reply(b"no gzip", headers={"Content-Encoding": "gzip"}), MalformedAnswerError, 3, "not compressed as it says"),
        (Reply({}, 302, {"Location": "/items"}), FatalError, 1, "more than 5 redirects"),
        (Reply({"data": ["x" * 2_000_000]}), FatalError, 1, "DATIVO_MEMORY_LIMIT"),
    ],
)
def test_a_failure_ends_in_its_class_after_its_tries_with_words_to_act_on(
    serve: Serve, client: MakeClient, reply: Reply, error: type[DativoError], tries: int, words: str
) -> None:
    server = serve(lambda asked: reply)
    with pytest.raises(DativoError) as raised:
        client(server, auth=query("api_key", KEY)).fetch(LIST, read=page_reader("data"))
    told = str(raised.value)
    assert type(raised.value) is error, told
    assert words in told
    assert told.startswith(f"GET {server.url}/items: ")
    assert "\n" not in told
    assert "sk_secret" not in told
    assert len(server.asked) == (6 if "redirects" in told else tries)
    assert ("(asked 3 times)" in told) == (tries == 3)


def test_what_passes_is_tried_again_and_told_in_the_log(
    serve: Serve, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    replies = iter([Reply({}, 500), Reply(b"{", 200), Reply({"data": [{"a": 1}]})])
    server = serve(lambda asked: next(replies))
    assert len(client(server).fetch(LIST, read=page_reader("data")).records) == 1
    told = [record for record in caplog.records if record.name == "dativo_engine.rest.client"]
    assert [(record.levelname, record.__dict__["event_type"]) for record in told] == [
        ("WARNING", "request_retried")
    ] * 2
    assert "trying again in 0.0 s (2 of 3)" in caplog.text


def test_a_request_that_must_not_be_repeated_is_asked_once(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply({}, 500))
    with pytest.raises(ServerError):
        client(server).fetch(Request("run", method="POST", json={"a": 1}, repeatable=False))
    assert [json.loads(asked.body) for asked in server.asked] == [{"a": 1}]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(serve: Serve, client: MakeClient, as_date: bool) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    replies = iter([Reply({}, 429, {"Retry-After": date if as_date else "1"}), Reply([])])
    server, began = serve(lambda asked: next(replies)), time.monotonic()
    client(server, patience=Patience(tries=2, delay=0.01)).fetch(LIST)
    assert time.monotonic() - began > 0.9


def test_a_longer_wait_than_the_run_has_patience_for_is_told_to_its_own_retries(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(lambda asked: Reply({}, 429, {"Retry-After": "3600"}))
    asking = client(server)
    for _ in range(2):  # the second without asking: the bucket remembers
        with pytest.raises(RateLimitError) as raised:
            asking.fetch(LIST)
        assert raised.value.retry_after == pytest.approx(3600, abs=5)
    assert len(server.asked) == 1


def test_headers_that_tell_of_an_empty_bucket_hold_the_next_request(serve: Serve, client: MakeClient) -> None:
    reset = str(time.time() + 0.6)
    server = serve(lambda asked: Reply([], headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
    asking, began = client(server), time.monotonic()
    asking.fetch(LIST)
    asking.fetch(LIST)
    assert time.monotonic() - began > 0.3


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (bearer(KEY), "authorization", f"Bearer {KEY}"),
        (basic("ann", "pw"), "authorization", "Basic YW5uOnB3"),
        (header("X-Key", KEY), "x-key", KEY),
    ],
)
def test_credentials_are_in_every_request(
    serve: Serve, client: MakeClient, auth: object, name: str, value: str
) -> None:
    server = serve(lambda asked: Reply([]))
    client(server, auth=auth, headers={"Api-Version": "2024"}).fetch(LIST)
    (asked,) = server.asked
    assert (asked.headers[name], asked.headers["api-version"]) == (value, "2024")
    assert asked.params == {"limit": "10"}


def test_a_redirect_to_another_host_is_followed_without_credentials(serve: Serve, client: MakeClient) -> None:
    other = serve(lambda asked: Reply([1]))
    server = serve(lambda asked: Reply({}, 302, {"Location": f"{other.url}/copy?signed=1"}))
    own = Request("items", headers={"X-Own": KEY})
    for auth in (bearer(KEY), header("X-Key", KEY), query("key", KEY)):
        answer = client(server, auth=auth, headers={"Account": "a"}).fetch(own)
        assert json.loads(answer.body) == [1]
    assert server.asked[-1].headers["x-own"] == KEY
    for asked in other.asked:
        assert asked.params == {"signed": "1"}
        assert not {"authorization", "x-key", "account", "x-own"} & set(asked.headers)


def test_a_link_to_another_host_is_followed_without_credentials(serve: Serve, client: MakeClient) -> None:
    other = serve(lambda asked: Reply([1]))
    asking = client(serve(lambda asked: Reply([])), auth=bearer(KEY), headers={"Account": "a"})
    asking.fetch(Request(f"{other.url}/page2", headers={"X-Own": KEY}))
    assert not {"authorization", "account", "x-own"} & set(other.asked[0].headers)


def test_nothing_is_posted_to_where_another_host_redirects(serve: Serve, client: MakeClient) -> None:
    other = serve(lambda asked: Reply([1]))
    server = serve(lambda asked: Reply({}, 307, {"Location": f"{other.url}/elsewhere"}))
    with pytest.raises(FatalError, match="which nothing is posted to"):
        client(server).fetch(Request("search", method="POST", json={"key": KEY}))
    assert other.asked == []


@pytest.mark.parametrize("key", ["sk_secret\nline", "sk_secret-ö"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(
    serve: Serve, client: MakeClient, key: str
) -> None:
    with pytest.raises(FatalError, match=r"a header holds a line end.*check source\.credentials") as raised:
        client(serve(lambda asked: Reply([])), auth=bearer(key)).fetch(LIST)
    assert "sk_secret" not in "".join(traceback.format_exception(raised.value))


def test_a_redirect_on_the_same_host_keeps_the_credentials(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply([1]) if asked.path == "/v2" else Reply({}, 308, {"Location": "/v2"}))
    client(server, auth=query("key", KEY)).fetch(LIST)
    assert [asked.params.get("key") for asked in server.asked] == [KEY, KEY]


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"]
)
def test_the_clouds_metadata_addresses_are_never_asked(serve: Serve, client: MakeClient, address: str) -> None:
    with pytest.raises(FatalError, match="never asked"):
        client(address)
    server = serve(lambda asked: Reply({}, 302, {"Location": address}))
    with pytest.raises(FatalError, match="never asked"):
        client(server).fetch(LIST)


@pytest.mark.parametrize("url", ["ftp://host/x", "api.example.com", "http://", "http://host:port"])
def test_an_address_that_is_none_is_refused_by_name(client: MakeClient, url: str) -> None:
    with pytest.raises(FatalError, match="base_url"):
        client(url)


def test_nobody_at_the_address_is_told_with_host_and_port(client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionFailedError, match=rf"127\.0\.0\.1:{port} can't be reached"):
        client(f"http://127.0.0.1:{port}").fetch(LIST)
    with pytest.raises(ConnectionFailedError, match=r"no-such-host\.invalid:443 can't be reached"):
        client("https://no-such-host.invalid").fetch(LIST)


def test_compressed_answers_are_read_and_connections_kept(serve: Serve, client: MakeClient) -> None:
    packed = Reply(gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})
    asking = client(serve(lambda asked: packed))
    assert {asking.fetch(LIST).body for _ in range(3)} == {b"[1]"}


def test_a_status_that_is_expected_is_an_answer(serve: Serve, client: MakeClient) -> None:
    assert client(serve(lambda asked: Reply({"e": 1}, 400))).fetch(LIST, expect={400}).status == 400


def test_the_apis_words_lose_the_key_and_are_cut_short(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda asked: Reply({"message": f"bad key {KEY} " + "x" * 1000}, 401))
    with pytest.raises(AuthenticationError) as raised:
        client(server, auth=bearer(KEY)).fetch(LIST)
    assert "bad key ***" in str(raised.value)
    assert len(str(raised.value)) < 500


def test_the_key_is_in_no_log_line_at_any_level(
    serve: Serve, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    replies = iter([Reply({}, 500), Reply([], headers={"Set-Cookie": f"session={KEY}"})] * 3)
    server = serve(lambda asked: next(replies))
    for auth in (bearer(KEY), query("key", KEY), basic("u", KEY)):
        client(server, auth=auth).fetch(LIST)
    assert "httpcore" in caplog.text
    for form in ("sk_secret", "c2tfc2VjcmV0", "dTpza19"):
        assert form not in caplog.text


def test_the_rate_of_a_tenant_is_shared_through_a_file(serve: Serve, client: MakeClient, tmp_path: Path) -> None:
    from dativo_engine.rest import Rate

    server = serve(lambda asked: Reply([]))
    file, began = tmp_path / "rates" / "x", time.monotonic()
    clients = [client(server, throttle=Throttle(file, Rate(10, burst=2))) for _ in range(2)]
    for _ in range(4):
        for asking in clients:
            asking.fetch(LIST)
    assert time.monotonic() - began > 0.55  # 8 requests, 2 of them at once, the others a tenth of a second apart


def test_a_rate_holds_for_several_processes_together(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from dativo_engine.rest.throttle import Rate, Throttle;"
        "throttle = Throttle(pathlib.Path(sys.argv[1]), Rate(0.5, burst=3));"
        "print(*(throttle.reserve().seconds for _ in range(5)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "rates" / "x")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    turns = sorted(float(turn) for process in processes for turn in process.communicate()[0].split())
    assert sum(turn < 1 for turn in turns) in (3, 4, 5)  # the burst, and what a slow machine's seconds add to it
    assert 15 < turns[-1] <= 24  # of 15 turns, 3 at once and the others two seconds apart


@pytest.mark.parametrize(
    "reply", [Reply({}, 503, {"Retry-After": "30"}), Reply([], after=2)], ids=["its turn", "an answer"]
)
def test_what_waits_is_ended_by_another_thread(serve: Serve, reply: Reply) -> None:
    server = serve(lambda asked: reply)
    with Client(Service(server.url)) as asking:
        threading.Timer(0.3, asking.interrupt).start()
        began = time.monotonic()
        with pytest.raises(DativoError):
            asking.fetch(LIST)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("proxied", [False, True])
def test_what_waits_on_an_encrypted_connection_is_ended_too(
    client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setattr(transport, "_trusted", lambda: ssl.create_default_context(cafile=certificate))
    with tunnel() as proxy, Server(lambda asked: Reply([], after=2), certificate=certificate) as server:
        if proxied:
            monkeypatch.setenv("HTTPS_PROXY", proxy)
            monkeypatch.setenv("NO_PROXY", "")
        asking = client(server, patience=Patience(read=30))
        threading.Timer(0.3, asking.interrupt).start()
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError):
            asking.fetch(LIST)
        assert time.monotonic() - began < 1.5


def test_paths_and_parameters_join_the_base_url(serve: Serve, client: MakeClient) -> None:
    seen: list[Asked] = []

    def answering(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply([])

    server = serve(answering)
    asking = client(f"{server.url}/v1/")
    asking.fetch(Request("/items?fixed=1", {"a b": "ü&=", "types[]": ["x", "y"]}))
    asking.fetch(Request(f"{server.url}/other?x=1"))
    assert [(asked.path, dict(asked.params)) for asked in seen] == [
        ("/v1/items", {"fixed": "1", "a b": "ü&=", "types[]": "y"}),
        ("/other", {"x": "1"}),
    ]
