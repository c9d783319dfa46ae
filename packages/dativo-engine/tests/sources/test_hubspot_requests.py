"""HubSpot's own client, which is generated from HubSpot's OpenAPI, can make every request that the source makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl

import pytest
from dativo_engine.rest import Rate
from dativo_engine.sources.hubspot import reading
from dativo_engine.sources.hubspot import source as room
from dativo_engine.sources.hubspot.objects import OBJECTS, find
from dativo_engine.sources.hubspot.source import HubSpotSource
from hubspot import HubSpot
from hubspot_support import Copy, serving

from tests.fakes.hubspot import TOKEN, App, Request, Response

Sdk: TypeAlias = Any
Call: TypeAlias = Callable[..., object]

DAY = 24 * 3600 * 1000
OAUTH = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "refresh-secret"}
# The client writes each name of a list as a parameter of its own; HubSpot describes it as separated by commas.
LISTS = ("properties", "propertiesWithHistory", "associations")
# The client still gets tokens where they are given until 2027-02-16; what it sends there is what the new path takes:
# https://developers.hubspot.com/docs/api-reference/legacy/authentication/oauth-tokens/v1/migration-guide
MOVED = {"/oauth/v1/token": "/oauth/2026-03/token"}


@dataclass(frozen=True)
class Operation:
    """A call of the client's: the paths that it is for, where it is, and the model of its body."""

    path: str
    call: str
    body: str = ""

    def matches(self, request: Request) -> re.Match[str] | None:
        return re.fullmatch(self.path, request.path)


OPERATIONS = {
    "list": Operation("/crm/v3/objects/([^/]+)", "crm.objects.basic_api.get_page"),
    "search": Operation(
        "/crm/v3/objects/([^/]+)/search",
        "crm.objects.search_api.do_search",
        "PublicObjectSearchRequest",
    ),
    "batch read": Operation(
        "/crm/v3/objects/([^/]+)/batch/read",
        "crm.objects.batch_api.read",
        "BatchReadInputSimplePublicObjectId",
    ),
    "associations": Operation(
        "/crm/v4/associations/([^/]+)/([^/]+)/batch/read",
        "crm.associations.v4.batch_api.get_page",
        "BatchInputPublicFetchAssociationsBatchRequest",
    ),
    "properties": Operation("/crm/v3/properties/([^/]+)", "crm.properties.core_api.get_all"),
    "owners": Operation("/crm/v3/owners", "crm.owners.owners_api.get_page"),
    "schemas": Operation("/crm-object-schemas/v3/schemas", "crm.schemas.core_api.get_all"),
    "token": Operation("/oauth/2026-03/token", "oauth.tokens_api.create"),
}
# Where the client has objects for themselves.
OWN = {
    **{it: f"crm.{it}" for it in ("contacts", "companies", "deals", "tickets", "products", "line_items", "quotes")},
    **{it: f"crm.objects.{it}" for it in ("calls", "emails", "meetings", "notes", "tasks", "communications")},
    **{it: f"crm.objects.{it}" for it in ("postal_mail", "leads", "taxes", "feedback_submissions")},
    "goal_targets": "crm.objects.goals",
    "invoices": "crm.commerce.invoices",
}
# The client knows of no list of theirs but that of any object by its name.
NOT_OWN = frozenset({"orders", "carts", "subscriptions", "commerce_payments", "discounts", "fees", "users"})


@dataclass
class Judge:
    """What the source asked of the fake, and the client that is to ask the same of it."""

    copy: Copy
    asked: list[Request] = field(default_factory=list[Request])

    def __post_init__(self) -> None:
        self.copy.fake.hooks.append(self._keep)

    def of(self, operation: Operation) -> list[Request]:
        return [request for request in self.asked if operation.matches(request)]

    def sdk(self) -> Sdk:
        """The client, told to look for what the OpenAPI requires and for the words that it has: in answers too."""
        return HubSpot(access_token=TOKEN, host=self.copy.url, client_side_validation=True)

    def repeated(self, operation: Operation, request: Request) -> Request:
        """The request that the client makes of what another one asks for."""
        path = operation.matches(request)
        assert path is not None
        call = cast("Call", attrgetter(operation.call)(self.sdk()))
        query = _pairs(request.query)
        arguments: list[object] = list(path.groups())
        if operation.body:
            arguments.append(_model(call, operation.body, request.body))
        elif request.body:
            query |= _pairs(request.body)
        del self.asked[:]
        call(*arguments, **{_snake(name): value for name, value in query.items()})
        [made] = self.asked
        return made

    def _keep(self, request: Request) -> None:
        self.asked.append(request)


@pytest.fixture(autouse=True)
def searches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SEARCH_RATE", Rate(10_000, 100))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Generator[Judge]:
    monkeypatch.setattr(reading, "LONGEST_LIST_OF_PROPERTIES", 100)
    # Of the objects that every account has the fake has only some.
    monkeypatch.setattr(room, "OBJECTS", {"contacts": OBJECTS["contacts"]})
    with serving() as copy:
        yield Judge(copy)


@pytest.fixture
def busy(judge: Judge) -> Judge:
    """All kinds of requests were made: of pages, of what was changed, archived and restored, of keys, of each type."""
    copy, portal = judge.copy, judge.copy.portal
    copy.options = {"page_size": 3, "associations": ["companies"]}
    copy.columns = ("id", "updatedAt", "email", "associated_companies")
    copy.fake.apps["refresh-secret"] = App("app", "app-secret")
    people = portal.create_many("contacts", [{"email": f"{number}@example.com"} for number in range(10)])
    for company in portal.create_many("companies", [{} for _ in range(501)]):
        portal.associate("contacts", people[0], "companies", company)
    portal.archive("contacts", people[1])
    copy.run()
    for person in people[2:]:
        portal.edit("contacts", person, {"email": "new@example.com"})
    portal.restore("contacts", people[1])
    portal.archive("contacts", people[3])
    portal.now += 8 * DAY
    copy.credentials = OAUTH
    copy.run()
    for _ in range(4):
        portal.add_owner("ada@example.com")
    replace(copy, stream="owners", columns=("id", "email"), options={"page_size": 3}, cursor=None).run()
    portal.add_schema("2-777", "cars", {"plate": "string"})
    portal.create("2-777", {"plate": "K-AB 1"})
    own = replace(copy, stream="p123_cars", columns=("id", "plate"), options={"properties": "all"}, cursor=None)
    own.run()
    HubSpotSource(replace(own.settings(), streams=())).discover()
    wide = [f"a_property_of_many_{number}" for number in range(9)]
    for name in wide:
        portal.add_property("contacts", name)
    replace(copy, columns=("id", *wide), options={}, cursor=None).run()
    return judge


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_client_makes_the_same_request(busy: Judge, name: str) -> None:
    operation = OPERATIONS[name]
    made = busy.of(operation)

    assert made
    for request in {repr(_meaning(request)): request for request in made}.values():
        assert _meaning(busy.repeated(operation, request)) == _meaning(request)


def test_nothing_else_is_asked_and_nothing_is_left_out(busy: Judge) -> None:
    asked = [[name for name, it in OPERATIONS.items() if it.matches(request)] for request in busy.asked]

    assert {len(names) for names in asked} == {1}
    queries = {name for request in busy.asked for name in _pairs(request.query)}
    assert queries == {"limit", "after", "archived", "properties"}
    searches = [json.loads(request.body) for request in busy.of(OPERATIONS["search"])]
    filters = [it for search in searches for group in search["filterGroups"] for it in group["filters"]]
    assert {it["operator"] for it in filters} == {"GTE", "LTE", "GT"}
    assert any("archived=true" in request.query for request in busy.of(OPERATIONS["batch read"]))
    associations = [json.loads(request.body) for request in busy.of(OPERATIONS["associations"])]
    assert any("after" in one for body in associations for one in body["inputs"])


@pytest.mark.parametrize("name", sorted(OBJECTS.keys() - NOT_OWN - {"owners"}))
def test_lists_are_where_the_client_has_them(judge: Judge, name: str) -> None:
    judge.copy.fake.hooks.append(lambda _: Response.of({"results": []}))
    attrgetter(OWN[name])(judge.sdk()).basic_api.get_page()
    [made] = judge.asked
    assert made.path == find(name).path


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("sort=email", {}),
        ("", {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "ABOVE", "value": "1"}]}]}),
        ("", {"filterGroups": [{"filters": [{"property": "email", "operator": "EQ", "value": "1"}]}]}),
        ("", {"filterGroups": [{"filter": []}]}),
    ],
)
def test_what_hubspot_does_not_take_the_client_refuses(judge: Judge, query: str, body: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"unexpected keyword argument|Invalid value"):
        judge.repeated(OPERATIONS["search"], _search(body, query))


@pytest.mark.parametrize(
    "body",
    [
        {"order": "ASCENDING"},
        {"limit": "1"},
        {"after": 0},
        {"properties": [1]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": 1}]}]},
    ],
)
def test_what_hubspot_does_not_know_the_client_writes_in_another_way(judge: Judge, body: dict[str, object]) -> None:
    request = _search(body)
    # Whatever the fake says of it.
    judge.copy.fake.hooks.append(lambda _: Response.of({"total": 0, "results": []}))

    assert _meaning(judge.repeated(OPERATIONS["search"], request)) != _meaning(request)


def _search(body: dict[str, object], query: str = "") -> Request:
    everything = {"filterGroups": [], "sorts": [], "properties": [], "limit": 1, "after": "0", **body}
    headers = {"content-type": "application/json"}
    return Request("POST", "/crm/v3/objects/contacts/search", query, headers, json.dumps(everything))


def _model(call: Call, name: str, body: str) -> object:
    """The body as the client's model, which leaves out what it does not know, and refuses what it needs and lacks."""
    api = cast("Any", call).__self__
    given = json.loads(body)
    sorts = given.pop("sorts", None)
    model = api.api_client.deserialize(SimpleNamespace(data=json.dumps(given)), name)
    # The model says `list[str]`, and sends what it is given. HubSpot's guide and the client's own examples have
    # objects: https://github.com/HubSpot/hubspot-api-python/issues/236
    if sorts is not None:
        assert all(set(it) == {"propertyName", "direction"} for it in sorts)
        model.sorts = sorts
    return model


def _meaning(request: Request) -> tuple[str, str, dict[str, object], object]:
    """What a request asks for, however it is written."""
    # With a slash in the client for Python, without one in HubSpot's later clients.
    path = MOVED.get(request.path, request.path).rstrip("/")
    in_form = request.headers["content-type"].startswith("application/x-www-form-urlencoded") if request.body else False
    body = _pairs(request.body) if in_form else json.loads(request.body or "null")
    return request.method, path, _pairs(request.query), body


def _pairs(written: str) -> dict[str, Any]:
    """Parameters, or the fields of a form; each but a list comes once."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(written, keep_blank_values=True, strict_parsing=bool(written)):
        if name in LISTS:
            found.setdefault(name, []).extend(value.split(","))
        else:
            assert name not in found
            found[name] = value
    return found


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
