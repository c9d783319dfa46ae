"""The fake of HubSpot, driven by HubSpot's own SDK, and refusing what HubSpot refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from http.client import HTTPConnection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
from hubspot import HubSpot
from hubspot.crm.contacts import (
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
    SimplePublicObjectId,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.objects.exceptions import ApiException as ObjectApiException

from tests.fakes.hubspot import TOKEN, App, FakeHubSpot, Limits, Request, serve

Sdk: TypeAlias = Callable[..., Any]


@pytest.fixture
def fake() -> FakeHubSpot:
    return FakeHubSpot()


@pytest.fixture
def url(fake: FakeHubSpot) -> Generator[str]:
    with serve(fake) as address:
        yield address


@pytest.fixture
def sdk(url: str) -> Sdk:
    """HubSpot's client for a token."""

    def make(token: str = TOKEN) -> Any:
        client = HubSpot(access_token=token)
        client.config["host"] = url
        return client

    return make


def asked(url: str, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, Any, dict[str, str]]:
    """What is answered to a request that the SDK would not make."""
    connection = HTTPConnection(urlsplit(url).netloc)
    text = body if isinstance(body, str | None) else json.dumps(body)
    connection.request(method, path, text, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}


def search(url: str, **request: object) -> tuple[int, Any]:
    everything = {"filterGroups": [], "sorts": [], "properties": [], "limit": 10, "after": "0"}
    status, content, _ = asked(url, "POST", "/crm/v3/objects/contacts/search", {**everything, **request})
    return status, content


def test_lists_come_in_the_order_of_ids_page_by_page(fake: FakeHubSpot, sdk: Sdk) -> None:
    ids = fake.portal.create_many("contacts", [{"email": f"{number}@example.com"} for number in range(7)])
    api, found, after = sdk().crm.contacts.basic_api, list[str](), None
    while True:
        page = api.get_page(limit=3, after=after, properties=["email", "lastmodifieddate"])
        found += [record.id for record in page.results]
        assert page.results[0].properties["lastmodifieddate"] == "2026-01-05T08:00:00.000Z"
        assert page.results[0].properties["email"] == f"{len(found) - len(page.results)}@example.com"
        if page.paging is None:
            break
        after = page.paging.next.after
    assert found == [str(it) for it in ids]


def test_archived_records_are_listed_apart_and_purged_ones_nowhere(fake: FakeHubSpot, sdk: Sdk) -> None:
    kept, archived, purged = fake.portal.create_many("contacts", [{}, {}, {}])
    fake.portal.now += 1_500
    fake.portal.archive("contacts", archived)
    fake.portal.purge("contacts", purged)
    api = sdk().crm.contacts.basic_api
    assert [record.id for record in api.get_page().results] == [str(kept)]
    [gone] = api.get_page(archived=True).results
    assert (gone.id, gone.archived, gone.archived_at.isoformat()) == (
        str(archived),
        True,
        "2026-01-05T08:00:01.500000+00:00",
    )


def test_search_filters_by_time_and_id_in_the_asked_order(fake: FakeHubSpot, sdk: Sdk) -> None:
    ids = fake.portal.create_many("contacts", [{} for _ in range(6)])
    fake.portal.now += 5_000
    for record_id in ids[2:]:
        fake.portal.edit("contacts", record_id, {"firstname": "Ada"})
    since = str(fake.portal.now - 1)
    request = PublicObjectSearchRequest(
        filter_groups=[
            FilterGroup(
                filters=[
                    Filter(property_name="lastmodifieddate", operator="GTE", value=since),
                    Filter(property_name="hs_object_id", operator="GT", value=str(ids[3])),
                ]
            )
        ],
        sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        properties=["firstname"],
        limit=1,
        after="0",
    )
    found = sdk().crm.contacts.search_api.do_search(public_object_search_request=request)
    assert (found.total, [record.id for record in found.results]) == (2, [str(ids[4])])
    assert found.results[0].properties["firstname"] == "Ada"
    assert found.paging.next.after == "1"


def test_search_sees_changes_once_its_index_has_caught_up(fake: FakeHubSpot, url: str) -> None:
    fake.portal.index_lag = lambda: 10_000
    record_id = fake.portal.create("contacts")
    assert search(url, filterGroups=[])[1]["total"] == 0
    fake.portal.now += 10_000
    assert [it["id"] for it in search(url, filterGroups=[])[1]["results"]] == [str(record_id)]


def test_search_pages_no_further_than_ten_thousand(fake: FakeHubSpot, url: str) -> None:
    fake.portal.create_many("contacts", [{} for _ in range(10_300)])
    status, page = search(url, limit=200, after="9800")
    assert (status, page["total"], len(page["results"])) == (200, 10_300, 200)
    assert search(url, limit=200, after="9801")[0] == 400


@pytest.mark.parametrize(
    "request_",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "x"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "a"}] * 7}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "a"}] * 5}] * 4},
        {"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "EQ", "value": "a"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "LIKE", "value": "a"}]}]},
        {"sorts": [{"propertyName": name, "direction": "ASCENDING"} for name in ("email", "hs_object_id")]},
        {"properties": ["nope"]},
        {"properties": ["email"] * 500},
        {"archived": True},
        {"filterGroups": None},
    ],
)
def test_search_refuses_what_it_is_not_documented_to_take(
    fake: FakeHubSpot, url: str, request_: dict[str, Any]
) -> None:
    fake.portal.create("contacts")
    status, answer = search(url, **request_)
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")


def test_batch_read_tells_who_is_missing_and_follows_merges(fake: FakeHubSpot, sdk: Sdk) -> None:
    one, other, gone = fake.portal.create_many("contacts", [{"firstname": "Ada"}, {"lastname": "Byron"}, {}])
    fake.portal.merge("contacts", one, other)
    fake.portal.purge("contacts", gone)
    names = ["firstname", "lastname", "hs_merged_object_ids"]
    request = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=str(it)) for it in (other, gone)], properties=names, properties_with_history=[]
    )
    found = sdk().crm.contacts.batch_api.read(request)
    [record] = found.results
    assert record.id == str(one)
    assert {name: record.properties[name] for name in names} == {
        "firstname": "Ada",
        "lastname": "Byron",
        "hs_merged_object_ids": str(other),
    }
    assert found.errors[0].context == {"ids": [str(gone)]}


def test_associations_are_read_in_batches(fake: FakeHubSpot, sdk: Sdk) -> None:
    person, loner = fake.portal.create_many("contacts", [{}, {}])
    companies = fake.portal.create_many("companies", [{"name": str(number)} for number in range(501)])
    for company in companies:
        fake.portal.associate("contacts", person, "companies", company)
    api = sdk().crm.associations.v4.batch_api
    inputs = [{"id": str(person)}, {"id": str(loner)}]
    page = api.get_page("contacts", "companies", batch_input_public_fetch_associations_batch_request={"inputs": inputs})
    [one] = page.results
    assert [it.to_object_id for it in one.to] == [str(it) for it in companies[:500]]
    assert one.paging.next.after == "500"


def test_custom_objects_go_by_their_type_id_or_their_full_name(fake: FakeHubSpot, sdk: Sdk) -> None:
    fake.portal.add_schema("2-777", "cars", {"plate": "string"})
    car = fake.portal.create("2-777", {"plate": "K-AB 1"})
    client = sdk()
    [schema] = client.crm.schemas.core_api.get_all().results
    for name in (schema.object_type_id, schema.fully_qualified_name):
        assert [it.id for it in client.crm.objects.basic_api.get_page(name).results] == [str(car)]
    with pytest.raises(ObjectApiException, match="Unable to infer object type"):
        client.crm.objects.basic_api.get_page("boats")


def test_properties_and_owners_can_be_read(fake: FakeHubSpot, sdk: Sdk) -> None:
    fake.portal.add_property("contacts", "shoe_size", "number")
    owner = fake.portal.add_owner("ada@example.com")
    client = sdk()
    kinds = {it.name: it.type for it in client.crm.properties.core_api.get_all("contacts").results}
    assert (kinds["shoe_size"], kinds["email"]) == ("number", "string")
    assert [(it.id, it.email) for it in client.crm.owners.owners_api.get_page().results] == [
        (str(owner), "ada@example.com")
    ]


def test_lists_refuse_what_they_are_not_documented_to_take(url: str) -> None:
    for query in ("limit=101", "limit=0", "after=x", "archived=yes", "properties=nope", "sort=email"):
        status, answer, _ = asked(url, "GET", f"/crm/v3/objects/contacts?{query}")
        assert (status, answer["category"]) == (400, "VALIDATION_ERROR"), query
    assert asked(url, "GET", f"/crm/v3/objects/contacts?properties={'email,' * 1_500}")[0] == 414


def test_a_wrong_token_and_a_missing_scope_are_told_apart(fake: FakeHubSpot, sdk: Sdk) -> None:
    with pytest.raises(ApiException) as refused:
        sdk("pat-wrong").crm.contacts.basic_api.get_page()
    told = json.loads(str(refused.value.body))
    assert (refused.value.status, told["status"], told["category"]) == (401, "error", "INVALID_AUTHENTICATION")
    with pytest.raises(ApiException) as denied:
        sdk(fake.scoped_token("crm.objects.deals.read")).crm.contacts.basic_api.get_page()
    told = json.loads(str(denied.value.body))
    assert (denied.value.status, told["category"]) == (403, "MISSING_SCOPES")
    assert told["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.read"]}


def test_oauth_gives_a_token_that_expires(fake: FakeHubSpot, sdk: Sdk) -> None:
    fake.apps["refresh"] = App("id", "secret")
    api = sdk().oauth.tokens_api
    form = {"client_id": "id", "client_secret": "secret", "refresh_token": "refresh", "grant_type": "refresh_token"}
    token = api.create(**form).access_token
    sdk(token).crm.contacts.basic_api.get_page()
    fake.expired.add(token)
    with pytest.raises(ApiException, match="EXPIRED_AUTHENTICATION"):
        sdk(token).crm.contacts.basic_api.get_page()
    with pytest.raises(Exception, match="BAD_REFRESH_TOKEN"):
        api.create(**{**form, "refresh_token": "other"})


def test_each_limit_has_its_own_answer(fake: FakeHubSpot, url: str) -> None:
    fake.limits = Limits(per_interval=3, per_day=8, searches_per_second=1, clock=lambda: 0.0)
    _, _, headers = asked(url, "GET", "/crm/v3/objects/contacts")
    assert headers["x-hubspot-ratelimit-remaining"] == "2"
    assert headers["x-hubspot-ratelimit-daily-remaining"] == "7"
    found = [search(url, limit=1)[1].get("policyName") for _ in range(2)]
    found += [asked(url, "GET", "/crm/v3/objects/contacts")[1].get("policyName") for _ in range(6)]
    assert found == [None, "SECONDLY", None, None, *["TEN_SECONDLY_ROLLING"] * 3, "DAILY"]


def test_a_hook_changes_records_between_two_pages(fake: FakeHubSpot, url: str) -> None:
    def create(_: Request) -> None:
        fake.portal.create("contacts")

    fake.hooks.append(create)
    counts = [len(asked(url, "GET", "/crm/v3/objects/contacts")[1]["results"]) for _ in range(2)]
    assert counts == [1, 2]
