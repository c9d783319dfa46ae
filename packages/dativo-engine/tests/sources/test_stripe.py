"""What the Stripe source reads, what it asks for, and what it says when Stripe refuses."""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from dativo_engine.errors import AuthenticationError, FatalError, MalformedAnswerError, PermissionDeniedError
from dativo_engine.interfaces import Cursor
from dativo_engine.sources.stripe.objects import OBJECTS
from dativo_engine.sources.stripe.spec import API_VERSION, SPEC, StripeCredentials, StripeOptions
from stripe.params import _webhook_endpoint_create_params
from stripe_support import Copy, serving

from tests.fakes.stripe import LIVE_KEY, TEST_KEY, Request, Response

HOUR, DAY = 3600, 24 * 3600


@pytest.fixture
def copy() -> Generator[Copy]:
    with serving() as made:
        yield made


def make(copy: Copy, count: int, name: str = "customers", **values: int | str) -> list[str]:
    """Objects, one a second."""
    made: list[str] = []
    for number in range(count):
        copy.fake.clock.advance(1)
        made.append(str(copy.account.create(name, {"name": f"n{number}", **values})["id"]))
    return made


def old(copy: Copy, count: int) -> list[str]:
    """Customers that a run has read, and that are not the newest."""
    made = make(copy, count)
    copy.fake.clock.advance(HOUR)
    make(copy, 1)
    copy.run()
    copy.fake.clock.advance(HOUR)
    return made


def test_the_first_run_reads_everything_and_the_second_nothing(copy: Copy) -> None:
    made = make(copy, 60)
    copy.fake.clock.advance(HOUR)

    assert sorted(copy.run().read) == sorted(made)
    assert copy.rows[made[0]]["created"] == datetime.fromtimestamp(1_790_000_001, UTC)
    before = copy.cursor
    assert copy.run().read == []
    assert copy.cursor == before
    assert len(copy.asked("/v1/")) == 3, "what is the newest, what the feed tells, what the list has that is new"


def test_the_second_run_reads_only_what_changed(copy: Copy) -> None:
    made = old(copy, 120)
    copy.account.edit("customers", made[7], {"name": "edited"})
    copy.account.delete("customers", made[8])
    [new] = make(copy, 1)

    copy.run()

    assert sorted(copy.read) == sorted([made[7], new])
    assert copy.gone == [made[8]]
    assert copy.rows[made[7]]["name"] == "edited"
    assert copy.asked("/v1/customers/") == [], "the events tell it all"


def test_events_of_another_api_version_are_asked_for_again(copy: Copy) -> None:
    copy.account.api_version = "2019-02-19"
    made = old(copy, 3)
    copy.account.edit("customers", made[0], {"name": "edited"})
    copy.account.delete("customers", made[1])

    copy.run()

    assert (copy.read, copy.gone) == ([made[0]], [made[1]])
    assert [request.path for request in copy.asked("/v1/customers/")] == [f"/v1/customers/{made[0]}"]


def test_of_two_changes_within_two_minutes_what_the_object_is_now_counts(copy: Copy) -> None:
    [key] = old(copy, 1)
    copy.account.edit("customers", key, {"name": "first"}, skew=30)
    copy.account.edit("customers", key, {"name": "second"}, skew=-30)

    assert copy.run().rows[key]["name"] == "second"


def test_a_job_idle_for_longer_than_the_feed_reaches_reads_everything_and_says_so(
    copy: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(copy, 3)
    copy.run()
    copy.account.edit("customers", made[0], {"name": "edited"})
    copy.fake.clock.advance(31 * DAY)

    with caplog.at_level(logging.WARNING):
        copy.run()

    assert sorted(copy.read) == sorted(made)
    [told] = [record for record in caplog.records if getattr(record, "event_type", "") == "full_read"]
    assert "reaches 30 days back: everything is read again" in told.getMessage()
    assert "--full-refresh" in told.getMessage()


def test_a_quiet_month_with_runs_in_it_is_not_read_in_full_again(copy: Copy) -> None:
    make(copy, 3)
    copy.run()
    for _ in range(40):
        copy.fake.clock.advance(DAY)
        assert copy.run().read == []


def test_created_reads_new_objects_only(copy: Copy) -> None:
    copy.strategy = "created"
    made = make(copy, 5)
    copy.run()
    copy.fake.clock.advance(HOUR)
    copy.account.edit("customers", made[0], {"name": "edited"})
    new = make(copy, 2)

    copy.run()

    assert sorted(copy.read) == sorted(new)
    assert copy.asked("/v1/events")[1:] == [], "but for the newest, by which the split is told from others"


def test_without_a_strategy_everything_is_read_each_time(copy: Copy) -> None:
    copy.strategy = None
    made = make(copy, 5)

    assert sorted(copy.run().read) == sorted(copy.run().read) == sorted(made)
    assert copy.cursor is None


def test_objects_without_events_are_read_by_created(copy: Copy) -> None:
    copy.stream, copy.columns = "balance_transactions", ("id", "amount", "created")
    make(copy, 3, "balance_transactions")
    copy.run()
    copy.fake.clock.advance(HOUR)
    new = make(copy, 2, "balance_transactions")

    assert sorted(copy.run().read) == sorted(new)


def test_objects_that_can_not_be_listed_by_created_follow_their_events(copy: Copy) -> None:
    copy.stream, copy.columns = "payment_methods", ("id", "type")
    [old] = make(copy, 1, "payment_methods")
    copy.run()
    copy.fake.clock.advance(HOUR)
    [new] = make(copy, 1, "payment_methods")
    copy.account.edit("payment_methods", old, {"type": "sepa_debit"})

    assert sorted(copy.run().read) == sorted([old, new])
    with pytest.raises(FatalError, match="can't be asked for new objects; write strategy: events"):
        replace(copy, strategy="created").run()


def test_cancelled_subscriptions_are_read_and_stay(copy: Copy) -> None:
    copy.stream, copy.columns = "subscriptions", ("id", "status")
    first, second = make(copy, 2, "subscriptions")
    copy.account.delete("subscriptions", first)
    copy.run()
    copy.fake.clock.advance(HOUR)
    copy.account.delete("subscriptions", second)

    copy.run()

    assert copy.gone == []
    assert {row["status"] for row in copy.rows.values()} == {"canceled"}
    assert set(copy.rows) == {first, second}


def test_lists_within_objects_are_read_to_their_end(copy: Copy) -> None:
    copy.stream, copy.columns = "invoice_line_items", ("id", "amount", "invoice")
    made = copy.account.create("invoices", {"lines": [{"amount": number} for number in range(37)]})
    copy.account.create("invoices", {"lines": []})

    copy.run()

    assert [row["amount"] for row in copy.rows.values()] == list(range(37))
    assert {row["invoice"] for row in copy.rows.values()} == {str(made["id"])}


def test_a_list_within_an_object_that_has_more_but_nothing_to_go_on_from_is_an_error(copy: Copy) -> None:
    empty = b'{"data": [], "has_more": true, "url": "/v1/subscription_items?subscription=sub_1"}'
    page = b'{"data": [{"id": "sub_1", "items": %b}], "has_more": false}' % empty
    copy.stream, copy.columns = "subscription_items", ("id",)
    copy.fake.hooks.append(lambda request: Response(200, page) if request.path == "/v1/subscriptions" else None)

    with pytest.raises(MalformedAnswerError, match="there is more, says Stripe, but not what"):
        copy.run()


def test_lists_that_each_object_has_are_read_again_with_the_object(copy: Copy) -> None:
    copy.stream, copy.columns = "customer_balance_transactions", ("id", "amount")
    made = make(copy, 3)
    lists = {key: [f"cbtxn_{number}_{at}" for at in range(23)] for number, key in enumerate(made)}

    def answer(request: Request) -> Response | None:
        found = re.fullmatch(r"/v1/customers/(\w+)/balance_transactions", request.path)
        if found is None:
            return None
        query = dict(parse_qsl(request.query))
        keys = lists[found[1]]
        start = keys.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        end = start + int(query["limit"])
        data = [{"id": key, "amount": 1} for key in keys[start:end]]
        return Response(200, json.dumps({"data": data, "has_more": end < len(keys)}).encode())

    copy.fake.hooks.append(answer)
    copy.options = {"page_size": 10}
    assert sorted(copy.run().rows) == sorted(key for keys in lists.values() for key in keys)

    copy.fake.clock.advance(HOUR)
    lists[made[1]].insert(0, "cbtxn_new")
    copy.account.edit("customers", made[1], {"balance": 5})
    assert copy.run().read == lists[made[1]]
    assert copy.gone == []


@pytest.mark.parametrize("inside", [{}, {"line_items": None}])
def test_an_object_without_the_list_within_has_no_members(copy: Copy, inside: dict[str, object]) -> None:
    page = json.dumps({"data": [{"id": "cs_1", "created": 1_790_000_000, **inside}], "has_more": False}).encode()
    copy.stream, copy.columns = "checkout_session_line_items", ("id",)
    copy.fake.hooks.append(lambda it: Response(200, page) if it.path == "/v1/checkout/sessions" else None)

    assert copy.run().rows == {}
    assert "expand" in copy.asked("/v1/checkout/sessions")[-1].query


def test_members_that_an_object_lost_are_told_as_deleted(copy: Copy) -> None:
    copy.stream, copy.columns = "subscription_items", ("id", "quantity")
    made = copy.account.create("subscriptions", {"items": [{"id": "si_a"}, {"id": "si_b"}]})
    copy.run()
    copy.fake.clock.advance(HOUR)
    copy.account.edit("subscriptions", str(made["id"]), {"items": [{"id": "si_b"}, {"id": "si_c"}]})

    copy.run()

    assert copy.gone == ["si_a"]
    assert set(copy.rows) == {"si_b", "si_c"}


def test_expanded_fields_are_whole_in_the_list_and_after_a_change(copy: Copy) -> None:
    customer = str(copy.account.create("customers", {"name": "Ann"})["id"])
    copy.stream, copy.columns = "charges", ("id", "customer", "amount")
    copy.options = {"expand": {"charges": ["customer"]}}
    [key] = make(copy, 1, "charges", customer=customer)
    assert '"name":"Ann"' in str(copy.run().rows[key]["customer"]).replace(" ", "")
    copy.fake.clock.advance(HOUR)
    copy.account.edit("charges", key, {"amount": 5})

    row = copy.run().rows[key]

    assert row["amount"] == 5
    assert '"name":"Ann"' in str(row["customer"]).replace(" ", "")


def test_an_object_that_vanishes_between_two_pages_ends_no_run(copy: Copy) -> None:
    made = make(copy, 10)

    def delete_the_last_one_read(request: Request) -> None:
        for key in made[5:]:
            if f"starting_after={key}" in request.query and key in copy.account.shelves["customers"].objects:
                copy.account.delete("customers", key)

    copy.fake.hooks.append(delete_the_last_one_read)
    copy.options = {"page_size": 2}

    copy.run()

    copy.fake.hooks.clear()
    assert sorted(copy.read) == sorted(made)
    assert sorted(copy.run().rows) == sorted(copy.account.final("customers"))


def test_an_object_that_vanished_may_be_told_as_not_found_too(copy: Copy) -> None:
    made = make(copy, 6)
    body = b'{"error": {"code": "resource_missing", "message": "No such customer", "type": "invalid_request_error"}}'
    refusals = [Response(404, body)]
    copy.fake.hooks.append(lambda it: refusals.pop() if "starting_after" in it.query and refusals else None)
    copy.options = {"page_size": 2}

    assert sorted(copy.run().read) == sorted(made)


def test_a_long_feed_is_read_in_parts_the_oldest_first(copy: Copy) -> None:
    [key] = old(copy, 1)
    for number in range(300):
        copy.fake.clock.advance(600)
        copy.account.edit("customers", key, {"name": f"edit {number}", "description": "x" * 3000})

    replace(copy, options={"page_size": 10}, memory_bytes=1024 * 1024).run()

    names = [str(row["name"]) for row in copy.told]
    assert len(names) > 3
    assert names == sorted(names, key=lambda name: int(name.removeprefix("edit ")))
    assert copy.rows[key]["name"] == "edit 299"


def test_accounts_modes_and_versions_are_told_apart(copy: Copy) -> None:
    make(copy, 1)
    copy.fake.account(livemode=True).create("customers", {"name": "live"})
    copy.fake.account("acct_shop").create("customers", {"name": "shop"})

    def names(**fields: object) -> list[object]:
        fresh = replace(copy, cursor=None, rows={}, **fields)  # pyright: ignore[reportArgumentType]
        return [row["name"] for row in fresh.run().rows.values()]

    assert names() == ["n0"]
    assert names(key=LIVE_KEY) == ["live"]
    assert names(options={"account": "acct_shop"}) == ["shop"]
    assert {request.headers["stripe-version"] for request in copy.fake.requests} == {API_VERSION}


def test_what_a_job_reads_is_described_without_its_key() -> None:
    def told(key: str) -> str:
        options = StripeOptions(account="acct_shop")
        assert SPEC.describe is not None
        return ", ".join(SPEC.describe(options, StripeCredentials.model_validate({"api_key": key})))

    assert told(TEST_KEY) == f"API version {API_VERSION}, test mode, connected account acct_shop"
    assert "live mode" in told("rk_live_51abcdef")
    assert "test or live mode as the key has it" in told("${secret:stripe_api_key}")


def test_a_key_of_another_mode_does_not_go_on_where_one_left_off(copy: Copy) -> None:
    make(copy, 1)
    copy.run()

    with pytest.raises(FatalError, match=r"so far is of test mode, and source.credentials.api_key is for live mode"):
        replace(copy, key=LIVE_KEY).run()
    copy.fake.account("acct_shop")
    with pytest.raises(FatalError, match="is for test mode of acct_shop"):
        replace(copy, options={"account": "acct_shop"}).run()


def test_a_missing_permission_is_named(copy: Copy) -> None:
    make(copy, 1)

    with pytest.raises(PermissionDeniedError, match="rak_event_read") as refused:
        replace(copy, key=copy.fake.restricted_key("customer")).run()
    assert "source.credentials.api_key" in str(refused.value)
    with pytest.raises(PermissionDeniedError, match="rak_customer_read"):
        replace(copy, key=copy.fake.restricted_key("event")).run()
    everything = replace(copy, key=copy.fake.restricted_key("customer"), strategy=None)
    assert len(everything.run().read) == 1


def test_a_refused_key_is_told_by_its_setting_and_not_shown(copy: Copy) -> None:
    key = "sk_test_51NoSuchKeyNoSuchKeyNoSuch"

    with pytest.raises(AuthenticationError, match=r"source\.credentials\.api_key") as refused:
        replace(copy, key=key).source().check()

    assert key not in str(refused.value)


def test_discover_says_of_an_empty_list_what_its_contract_may_be(copy: Copy) -> None:
    [found] = copy.source().discover()

    assert found.name == "customers"


def test_what_no_event_tells_is_said() -> None:
    assert "customers" not in SPEC.missed
    assert "no event tells of edits" in SPEC.missed["payment_intents"]
    assert "what was deleted stays" in SPEC.missed["webhook_endpoints"]


def test_an_unknown_object_is_refused_with_the_nearest_one(copy: Copy) -> None:
    with pytest.raises(FatalError, match="did you mean 'customers'"):
        replace(copy, stream="customerz").source().check()


def test_a_cursor_of_another_kind_is_refused(copy: Copy) -> None:
    with pytest.raises(FatalError, match="state reset"):
        replace(copy, cursor=Cursor({"files": {}})).run()


def test_times_within_objects_are_times_too(copy: Copy) -> None:
    make(copy, 1)
    [found] = copy.source().discover()

    assert str(found.arrow_schema.field("created").type) == "timestamp[us, tz=UTC]"
    assert found.primary_key == ("id",)
    assert {"invoice_settings", "metadata", "livemode"} <= set(found.arrow_schema.names)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_stream_asks_for_no_more_event_types_than_stripe_takes(name: str) -> None:
    stream = OBJECTS[name]

    assert len(stream.events) <= 20
    assert set(stream.gone) <= set(stream.events)


def test_every_event_type_is_one_of_stripes() -> None:
    told = inspect.getsource(_webhook_endpoint_create_params)
    known = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', told))
    assert {event for stream in OBJECTS.values() for event in stream.events} <= known
