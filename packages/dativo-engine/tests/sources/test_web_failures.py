"""What a run ends in when an API fails in the middle of a list: the class, the number of tries, words to act on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import hubspot_support
import pytest
import stripe_support
from dativo_engine.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DativoError,
    FatalError,
    MalformedAnswerError,
    PermissionDeniedError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from dativo_engine.interfaces import Source, SourceSettings, StreamSettings
from dativo_engine.rest import Patience
from dativo_engine.sources.hubspot import source as hubspot_room
from dativo_engine.sources.rest import described
from dativo_engine.sources.rest.source import RestSource
from dativo_engine.sources.rest.spec import RestConnection, RestCredentials, RestOptions
from dativo_engine.sources.stripe import source as stripe_room
from dativo_engine.testing.reading import read

from tests.fakes import hubspot, stripe

QUICK = Patience(connect=2, read=0.3, tries=3, delay=0.01)
REST_OPTIONS = {
    "tries": QUICK.tries,
    "timeout_seconds": QUICK.read,
    "headers": {"Stripe-Version": "2026-10-28.endive"},
    "endpoints": {
        "customers": {
            "path": "v1/customers",
            "params": {"limit": 2},
            "records_path": "data",
            "paginator": {"type": "last_id", "param": "starting_after", "more_path": "has_more"},
        }
    },
}
R = TypeVar("R")


class Asked(Protocol):
    """A request to one of the fakes."""

    @property
    def query(self) -> str: ...


@dataclass(frozen=True)
class Fault:
    """What every page but the first is answered with, seconds later."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    after: float = 0

    def hook(self, respond: Callable[[int, bytes, Mapping[str, str]], R]) -> Callable[[Asked], R | None]:
        def answer(request: Asked) -> R | None:
            if "after=" not in request.query:
                return None
            time.sleep(self.after)
            return respond(self.status, self.body, {"content-type": "application/json", **self.headers})

        return answer


@dataclass(frozen=True)
class Web:
    """A source of three pages of two records, and the API behind it.

    Attributes:
        fails: makes the API fail from now on.
        asked: how often it was asked for a page behind the first one.
        setting, base_url_setting: where a person sets the credentials and the address.
    """

    stream: str
    open: Callable[[str], Source]
    url: str
    fails: Callable[[Fault], None]
    asked: Callable[[], int]
    setting: str
    base_url_setting: str

    def failure(self, url: str = "") -> DativoError:
        with pytest.raises(DativoError) as raised:
            read(self.open(url or self.url), {self.stream: None})
        return raised.value


def described_api(url: str) -> Source:
    """Stripe's customers, as YAML would describe them."""
    return RestSource(
        SourceSettings(
            connector="rest",
            tenant_id="acme",
            job_name="customers",
            project=Path(),
            streams=(StreamSettings("customers", (), stripe_support.contract("customers", "id", "name")),),
            options=RestOptions.model_validate(REST_OPTIONS),
            credentials=RestCredentials.model_validate({"token": stripe.TEST_KEY}),
            connection=RestConnection(base_url=url),
        )
    )


def behind_the_first(requests: list[R], query: Callable[[R], str]) -> int:
    return sum("after=" in query(request) for request in requests)


@contextmanager
def rest_api() -> Generator[Web]:
    with stripe_api() as web:
        yield replace(
            web, open=described_api, setting="source.credentials", base_url_setting="source.connection.base_url"
        )


@contextmanager
def stripe_api() -> Generator[Web]:
    with stripe_support.serving() as copy:
        copy.strategy = None
        copy.options = {"page_size": 2}
        for number in range(6):
            copy.account.create("customers", {"name": f"n{number}"})
        yield Web(
            copy.stream,
            lambda url: replace(copy, url=url).source(),
            copy.url,
            lambda fault: copy.fake.hooks.append(fault.hook(stripe.Response)),
            lambda: behind_the_first(copy.fake.requests, lambda request: request.query),
            "source.credentials.api_key",
            "source.options.base_url",
        )


@contextmanager
def hubspot_api() -> Generator[Web]:
    with hubspot_support.serving() as copy:
        copy.incremental = False
        copy.options = {"page_size": 2}
        copy.portal.create_many("contacts", ({"firstname": f"n{number}"} for number in range(6)))
        yield Web(
            copy.stream,
            lambda url: replace(copy, url=url).source(),
            copy.url,
            lambda fault: copy.fake.hooks.append(fault.hook(hubspot.Response)),
            lambda: behind_the_first(copy.fake.requests, lambda request: request.query),
            "source.credentials",
            "source.options.base_url",
        )


@pytest.fixture(params=[rest_api, stripe_api, hubspot_api], ids=["rest", "stripe", "hubspot"])
def web(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[Web]:
    for room in (stripe_room, hubspot_room):
        monkeypatch.setattr(room, "PATIENCE", QUICK)
    monkeypatch.setattr(described, "Patience", partial(Patience, delay=QUICK.delay))
    with request.param() as opened:
        yield opened


@pytest.mark.parametrize(
    ("fault", "error", "tries", "words"),
    [
        (Fault(429, headers={"retry-after": "3600"}), RateLimitError, 1, "429 Too Many Requests.*source.rate_limits"),
        (Fault(429), RateLimitError, 3, "429 Too Many Requests.*source.rate_limits"),
        (Fault(500, b'{"message": "oops"}'), ServerError, 3, "500 Internal Server Error, 'oops'"),
        (Fault(502, b"<title>502 Bad Gateway</title>"), ServerError, 3, "a page for people: 502 Bad Gateway"),
        (
            Fault(headers={"content-length": "900", "connection": "close"}),
            ConnectionFailedError,
            3,
            "hung up before the answer was complete",
        ),
        (Fault(body=b'{"data": [}'), MalformedAnswerError, 3, "is not JSON"),
        (Fault(body=b"<html><h1>Log in</h1>"), MalformedAnswerError, 3, "'a page for people: Log in', not JSON"),
        (Fault(302, headers={"location": "?after=loop"}), FatalError, 6, "more than 5 redirects; check {base_url}"),
        (Fault(after=0.5), ConnectionFailedError, 3, "sent nothing for 0.3 s"),
        (Fault(401, b'{"message": "revoked"}'), AuthenticationError, 1, "'revoked'; check {credentials}"),
        (Fault(403), PermissionDeniedError, 1, "give the credential of {credentials} the right to read this"),
    ],
)
def test_a_failure_in_the_middle_of_a_list_ends_in_its_class_after_its_tries(
    web: Web, fault: Fault, error: type[DativoError], tries: int, words: str
) -> None:
    web.fails(fault)
    found = web.failure()
    told = str(found)
    assert type(found) is error, told
    # One that is slow has the next ones wait.
    assert web.asked() == tries or fault.after
    assert ("(asked 3 times)" in told) == (tries == QUICK.tries)
    expected = words.replace("{base_url}", web.base_url_setting).replace("{credentials}", web.setting)
    assert re.search(expected, told), told
    assert re.match(rf"GET {re.escape(web.url)}/\S+ \(after .+\): ", told), told
    assert "\n" not in told


@pytest.mark.parametrize("failures", [2, 9])
def test_a_search_that_fails_is_asked_again_like_a_list(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    monkeypatch.setattr(hubspot_room, "PATIENCE", QUICK)
    with hubspot_support.serving() as copy:
        made = copy.portal.create_many("contacts", ({"firstname": f"n{number}"} for number in range(6)))
        copy.run()
        copy.portal.now += 24 * 3600 * 1000
        copy.portal.edit("contacts", made[2], {"firstname": "edited"})
        left = [hubspot.Response(502, b"<title>502 Bad Gateway</title>", {}) for _ in range(failures)]

        def fail(request: hubspot.Request) -> hubspot.Response | None:
            return left.pop() if request.method == "POST" and request.path.endswith("/search") and left else None

        copy.fake.hooks.append(fail)
        if failures < QUICK.tries:
            assert copy.run().read == [str(made[2])]
        else:
            with pytest.raises(ServerError, match=r"POST \S+/search: answered 502 .* \(asked 3 times\)"):
                copy.run()
            assert len(left) == failures - QUICK.tries


@pytest.mark.parametrize("page", ["empty", "repeated"])
def test_a_list_that_goes_on_without_end_is_an_error(web: Web, page: str) -> None:
    records = b"" if page == "empty" else b'{"id": "801", "properties": {}}, {"id": "802", "properties": {}}'
    stripes = b'"data": [%b], "has_more": true, "url": "/v1/customers"' % records
    hubspots = b'"results": [%b], "paging": {"next": {"after": "802"}}' % records
    web.fails(Fault(body=b"{%b, %b}" % (stripes, hubspots)))
    found = web.failure()
    assert type(found) is MalformedAnswerError
    assert re.search("says that there is more|there is more, says|leads back to a page|same records", str(found))
    assert web.asked() <= 2


@pytest.mark.parametrize("web", [rest_api, hubspot_api], ids=["rest", "hubspot"], indirect=True)
def test_a_cursor_that_the_api_does_not_know_is_its_own_words(web: Web) -> None:
    """Stripe's are ids of objects: one that is unknown was deleted meanwhile, and the list is read on without it."""
    web.fails(Fault(400, b'{"message": "No such cursor"}'))
    found = web.failure()
    assert type(found) is RequestRefusedError
    assert "400 Bad Request, 'No such cursor'; check the request's path and parameters" in str(found)
    assert web.asked() == 1


def test_an_address_without_tls_or_without_anybody_is_named(web: Web) -> None:
    found = web.failure(web.url.replace("http:", "https:"))
    assert type(found) is FatalError
    assert f"check {web.base_url_setting}, or name the certificate authority in SSL_CERT_FILE" in str(found)
    found = web.failure("http://no-such-host.invalid")
    assert type(found) is ConnectionFailedError
    assert "no-such-host.invalid:80 can't be reached" in str(found)
    assert "(asked 3 times)" in str(found)
