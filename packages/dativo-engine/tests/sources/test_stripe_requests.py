"""stripe-mock, which knows the published API, takes every request that the source makes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
from dativo_engine.errors import RequestRefusedError
from dativo_engine.rest import Client, Patience, Service, bearer
from dativo_engine.sources.stripe.api import Api
from dativo_engine.sources.stripe.objects import OBJECTS
from dativo_engine.sources.stripe.spec import API_VERSION


@pytest.fixture(scope="module")
def api(stripe_mock: str) -> Generator[Api]:
    headers = {"Stripe-Version": API_VERSION}
    service = Service(stripe_mock, bearer("sk_test_123"), headers, patience=Patience(tries=1))
    with Client(service) as client:
        yield Api(client)


# Newer than the API that stripe-mock knows.
NEWER = frozenset({"app_installs", "tax_locations", "three_d_secure_authentications", "trial_offers"})


@pytest.mark.parametrize("name", [it for it in OBJECTS if it not in NEWER])
def test_lists_and_feeds_take_what_they_are_asked(api: Api, name: str) -> None:
    stream = OBJECTS[name]
    bounds = {"created[gte]": "1790000000", "created[lte]": "1790000001"} if stream.by_created else {}

    listed = api.page(stream, bounds, after="obj_123" if stream.is_paged or stream.has_members else "")

    assert listed is not None
    assert len(listed.page.records) == 1
    if stream.events:
        feed = api.page(stream.feed, {"created[gte]": "1790000000", "created[lt]": "1790000001"}, after="evt_123")
        assert feed is not None


@pytest.mark.parametrize("name", [it for it, stream in OBJECTS.items() if stream.events and it not in NEWER])
def test_objects_that_have_events_can_be_asked_for_one_by_one(api: Api, name: str) -> None:
    assert api.retrieve(OBJECTS[name], "obj_123") is not None


@pytest.mark.parametrize("name", [name for name, stream in OBJECTS.items() if stream.has_members])
def test_lists_within_objects_are_where_the_table_says(api: Api, name: str) -> None:
    stream = OBJECTS[name]

    members = [member for record in api.first(stream).page.records for member in api.members(stream, record)]

    assert all(member.startswith(b"{") for member in map(bytes, members))


def test_fields_are_expanded_in_lists_and_in_objects(api: Api) -> None:
    charges = replace(OBJECTS["charges"], expand=("customer", "balance_transaction"))

    assert api.first(charges).page.records
    assert api.retrieve(charges, "ch_123") is not None


def test_what_stripe_does_not_know_is_refused(api: Api) -> None:
    with pytest.raises(RequestRefusedError, match="additional properties"):
        api.page(OBJECTS["customers"], {"sort": "asc"})
