"""The official SDK drives the fake, and the fake refuses what Stripe refuses."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import httpx
import pytest
import stripe

from tests.fakes.stripe import LIVE_KEY, TEST_KEY, Account, FakeStripe, Request, serve

DAY = 24 * 3600


@dataclass(frozen=True)
class Api:
    """The fake, its account in test mode, and where it listens."""

    fake: FakeStripe
    url: str

    @property
    def account(self) -> Account:
        return self.fake.account()

    def client(self, key: str = TEST_KEY, account: str | None = None) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": self.url}, stripe_account=account, max_network_retries=0)

    def get(self, path: str, key: str = TEST_KEY, version: str = "2026-10-28.endive", **params: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}", "stripe-version": version}
        return httpx.get(self.url + path, params=params, headers=headers)


@pytest.fixture
def api() -> Generator[Api]:
    fake = FakeStripe()
    with serve(fake) as url:
        yield Api(fake, url)


def ids(page: stripe.ListObject[stripe.Customer]) -> list[str]:
    return [customer.id for customer in page.data]


def test_the_sdk_pages_through_every_object_newest_first(api: Api) -> None:
    for number in range(250):
        api.account.create("customers", {"name": f"c{number}"})
        api.fake.clock.advance(1)

    found = [customer.name for customer in api.client().v1.customers.list({"limit": 100}).auto_paging_iter()]

    assert found == [f"c{number}" for number in reversed(range(250))]
    assert [request.path for request in api.fake.requests] == ["/v1/customers"] * 3


def test_the_sdk_pages_backwards(api: Api) -> None:
    for _ in range(25):
        api.account.create("customers")
    every = ids(api.client().v1.customers.list({"limit": 100}))

    backwards = api.client().v1.customers.list({"limit": 7, "ending_before": every[-1]}).auto_paging_iter()

    assert [customer.id for customer in backwards] == every[-2::-1]


def test_the_sdk_creates_changes_and_deletes_and_the_feed_tells_it(api: Api) -> None:
    customers = api.client().v1.customers
    ann = customers.create({"name": "Ann", "metadata": {"tier": "gold"}, "email": "ann@example.com"})
    api.fake.clock.advance(1)
    customers.update(ann.id, {"name": "Anna"})
    api.fake.clock.advance(1)
    customers.delete(ann.id)

    told = api.client().v1.events.list({"types": ["customer.created", "customer.updated", "customer.deleted"]}).data

    assert [event.type for event in told] == ["customer.deleted", "customer.updated", "customer.created"]
    assert [event.data.object["name"] for event in told] == ["Anna", "Anna", "Ann"]
    assert "Ann" in str(told[1].data.previous_attributes)
    assert customers.list().data == []
    assert customers.retrieve(ann.id).deleted


def test_a_cancelled_subscription_stays_and_is_listed_only_when_asked_for(api: Api) -> None:
    given = api.account.create("subscriptions", {"items": [{"quantity": number} for number in range(12)]})
    client = api.client()

    client.v1.subscriptions.cancel(str(given["id"]))

    assert client.v1.subscriptions.list().data == []
    [kept] = client.v1.subscriptions.list({"status": "all"}).data
    assert kept.status == "canceled"
    assert client.v1.events.list({"type": "customer.subscription.*"}).data[0].type == "customer.subscription.deleted"
    items = client.v1.subscription_items.list({"subscription": kept.id, "limit": 5}).auto_paging_iter()
    assert [item.quantity for item in items] == list(range(12))


def test_an_invoice_embeds_ten_lines_and_has_a_list_of_all(api: Api) -> None:
    given = api.account.create("invoices", {"lines": [{"amount": number} for number in range(23)]})
    invoice = api.client().v1.invoices.retrieve(str(given["id"]))

    lines = api.client().v1.invoices.line_items.list(str(given["id"]), {"limit": 10}).auto_paging_iter()

    assert len(invoice.lines.data) == 10
    assert invoice.lines.has_more
    assert [line.amount for line in lines] == list(range(23))


def test_objects_of_one_second_keep_an_order_that_is_not_that_of_creation(api: Api) -> None:
    made = [str(api.account.create("customers")["id"]) for _ in range(20)]

    listed = ids(api.client().v1.customers.list({"limit": 100}))

    assert sorted(listed) == sorted(made)
    assert listed not in (made, made[::-1])
    assert ids(api.client().v1.customers.list({"limit": 100})) == listed


def test_created_bounds_hold_on_both_sides(api: Api) -> None:
    now = int(api.fake.clock.now)
    for _ in range(5):
        api.account.create("customers")
        api.fake.clock.advance(1)
    customers = api.client().v1.customers

    def seconds(**bounds: int) -> list[int]:
        return [customer.created - now for customer in customers.list({"created": bounds}).data]  # pyright: ignore[reportArgumentType]

    assert seconds(gt=now + 1, lte=now + 3) == [3, 2]
    assert seconds(gte=now + 1, lt=now + 3) == [2, 1]
    assert [customer.created - now for customer in customers.list({"created": now}).data] == [0]


def test_the_feed_reaches_thirty_days_back(api: Api) -> None:
    api.account.create("customers")
    api.fake.clock.advance(30 * DAY)
    assert len(api.client().v1.events.list().data) == 1

    api.fake.clock.advance(2)

    assert api.client().v1.events.list().data == []


def test_expansion_puts_the_object_in_place_of_its_id(api: Api) -> None:
    customer = api.account.create("customers", {"name": "Ann"})
    api.account.create("charges", {"customer": customer["id"]})

    [charge] = api.client().v1.charges.list({"expand": ["data.customer"]}).data

    assert isinstance(charge.customer, stripe.Customer)
    assert charge.customer.name == "Ann"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        api.client().v1.charges.list({"expand": ["data.amount"]})


def test_test_and_live_keys_and_connected_accounts_see_their_own(api: Api) -> None:
    api.account.create("customers", {"name": "test"})
    api.fake.account(livemode=True).create("customers", {"name": "live"})
    api.fake.account("acct_shop").create("customers", {"name": "shop"})

    def names(client: stripe.StripeClient) -> list[str | None]:
        return [customer.name for customer in client.v1.customers.list().data]

    assert names(api.client()) == ["test"]
    assert names(api.client(LIVE_KEY)) == ["live"]
    assert names(api.client(account="acct_shop")) == ["shop"]
    with pytest.raises(stripe.PermissionError, match="does not have access to account 'acct_other'"):
        names(api.client(account="acct_other"))


def test_keys_are_checked_as_stripe_checks_them(api: Api) -> None:
    with pytest.raises(stripe.AuthenticationError, match=r"Invalid API Key provided: sk_test_\*+nope"):
        api.client("sk_test_aaaaaaaaaaaanope").v1.customers.list()
    with pytest.raises(stripe.PermissionError, match="Having the 'rak_customer_read' permission"):
        api.client(api.fake.restricted_key("event")).v1.customers.list()
    assert api.client(api.fake.restricted_key("event")).v1.events.list().data == []
    assert httpx.get(api.url + "/v1/customers", auth=(TEST_KEY, ""), headers=VERSION).status_code == 200
    assert httpx.get(api.url + "/v1/customers", headers=VERSION).status_code == 401


VERSION = {"stripe-version": "2026-10-28.endive"}


@pytest.mark.parametrize(
    ("path", "params", "message", "code"),
    [
        ("/v1/customers", {"limit": "101"}, "less than or equal to 100", "parameter_invalid_integer"),
        ("/v1/customers", {"limit": "0"}, "greater than or equal to 1", "parameter_invalid_integer"),
        ("/v1/customers", {"limit": "ten"}, "Invalid integer: ten", "parameter_invalid_integer"),
        ("/v1/customers", {"sort": "asc"}, "Received unknown parameter: sort", "parameter_unknown"),
        ("/v1/customers", {"created[since]": "1"}, "Received unknown parameter: created[since]", "parameter_unknown"),
        ("/v1/customers", {"created[gte]": "1.5"}, "Invalid integer: 1.5", "parameter_invalid_integer"),
        ("/v1/customers", {"starting_after": "cus_x"}, "No such customer: 'cus_x'", "resource_missing"),
        ("/v1/customers", {"ending_before": "cus_x"}, "No such customer: 'cus_x'", "resource_missing"),
        ("/v1/customers", {"starting_after": "a", "ending_before": "b"}, "Received both", None),
        ("/v1/payment_methods", {"created[gte]": "1"}, "Received unknown parameter: created", "parameter_unknown"),
        ("/v1/subscription_items", {}, "Missing required param: subscription", "parameter_missing"),
        ("/v1/events", {"type": "a.b", "types[]": "a.b"}, "only specify one of", None),
    ],
)
def test_what_stripe_refuses_is_refused(
    api: Api, path: str, params: dict[str, str], message: str, code: str | None
) -> None:
    response = api.get(path, **params)

    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
    assert response.json()["error"].get("code") == code


def test_what_is_not_there_is_not_found(api: Api) -> None:
    assert api.get("/v1/customers/cus_x").json()["error"]["code"] == "resource_missing"
    assert api.get("/v1/customers/cus_x").status_code == 404
    assert api.get("/v1/nothings").status_code == 404
    assert api.get("/v1/customers", version="yesterday").status_code == 400


def test_more_than_twenty_event_types_are_refused(api: Api) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="maximum 20"):
        api.client().v1.events.list({"types": ["customer.created"] * 21})


def test_one_request_too_many_is_told_with_its_reason(api: Api) -> None:
    api.fake.rate, api.fake.retry_after = 0, "2"

    late = api.get("/v1/customers")

    assert late.status_code == 429
    assert late.headers["stripe-rate-limited-reason"] == "global-rate"
    assert late.headers["retry-after"] == "2"
    assert late.headers["request-id"].startswith("req_")


def test_a_hook_changes_objects_between_two_pages(api: Api) -> None:
    for _ in range(4):
        api.account.create("customers")
        api.fake.clock.advance(1)
    oldest = ids(api.client().v1.customers.list())[-1]

    def delete_oldest(request: Request) -> None:
        if "starting_after" in request.query and oldest in api.account.shelves["customers"].objects:
            api.account.delete("customers", oldest)

    api.fake.hooks.append(delete_oldest)

    assert len(list(api.client().v1.customers.list({"limit": 2}).auto_paging_iter())) == 3


def test_json_is_written_over_many_lines(api: Api) -> None:
    assert b'{\n  "object": "list",\n  "data": [' in api.get("/v1/customers").content


def test_the_key_is_not_kept(api: Api) -> None:
    api.get("/v1/customers")

    assert TEST_KEY not in repr(api.fake.requests)
