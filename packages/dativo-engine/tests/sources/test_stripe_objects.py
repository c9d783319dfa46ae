"""The table of objects against Stripe's own SDK: every list that there is, and what each takes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest
import stripe
from dativo_engine.sources.stripe.objects import OBJECTS

# Lists whose objects come within others, or that others have a list of: path -> stream.
WITHIN = {
    "/v1/accounts/{account}/external_accounts": "account_external_accounts",
    "/v1/application_fees/{id}/refunds": "application_fee_refunds",
    "/v1/checkout/sessions/{session}/line_items": "checkout_session_line_items",
    "/v1/credit_notes/{credit_note}/lines": "credit_note_line_items",
    "/v1/customers/{customer}/payment_methods": "payment_methods",
    "/v1/customers/{customer}/tax_ids": "customer_tax_ids",
    "/v1/invoices/{invoice}/lines": "invoice_line_items",
    "/v1/payment_links/{payment_link}/line_items": "payment_link_line_items",
    "/v1/quotes/{quote}/line_items": "quote_line_items",
    "/v1/radar/value_list_items": "radar_value_list_items",
    "/v1/subscription_items": "subscription_items",
    "/v1/transfers/{id}/reversals": "transfer_reversals",
}
LEFT_OUT = {
    "/v1/apps/secrets": "secrets, which no table should hold",
    "/v1/billing/meters/{id}/event_summaries": "a report: wants a customer and two times",
    "/v1/credit_notes/preview/lines": "of a credit note that is none yet",
    "/v1/financial_connections/accounts/{account}/owners": "wants the id of an ownership report",
    "/v1/sources/{source}/source_transactions": "sources have no list",
    "/v1/tax/calculations/{calculation}/line_items": "calculations have no list",
    "/v1/tax/transactions/{transaction}/line_items": "tax transactions have no list",
}


def lists() -> Iterator[tuple[str, str]]:
    """The path of every list that the SDK can ask API v1 for, and the source of what it takes."""
    for module in pkgutil.walk_packages(stripe.__path__, "stripe."):
        if module.name.endswith("_service"):
            service = importlib.import_module(module.name)
            for _, kind in inspect.getmembers(service, inspect.isclass):
                if kind.__module__ == module.name and "list" in vars(kind):
                    source = inspect.getsource(vars(kind)["list"])
                    path = re.search(r'"(/v1/[^"]*)"', source)
                    if path is not None:
                        yield path[1], _params(inspect.getsource(service), source)


def _params(service: str, method: str) -> str:
    named = re.search(r"params: \W*(?:Optional\W*)?(\w+)", method)
    assert named is not None
    imported = re.findall(r"from (stripe\.\S*) import (\([^)]*\)|[^\n]*)", service)
    [place] = [module for module, names in imported if named[1] in re.findall(r"\w+", names)]
    return inspect.getsource(getattr(importlib.import_module(place), named[1]))


SDK = dict(lists())


def known(path: str) -> str:
    """A path with `{id}` in the place of any parameter."""
    return re.sub(r"\{[a-z_]+\}", "{id}", path.partition("?")[0])


def test_every_list_of_the_sdk_is_a_stream_or_left_out_for_a_reason() -> None:
    read = {known(stream.each or stream.path) for stream in OBJECTS.values() if not stream.within}
    missing = {path for path in SDK if known(path) not in read} - WITHIN.keys()

    assert len(SDK) > 110
    assert missing == LEFT_OUT.keys()
    assert set(WITHIN.values()) <= OBJECTS.keys()


def test_every_stream_reads_a_list_of_the_sdk() -> None:
    there = set(map(known, SDK))

    assert {known(stream.path) for stream in OBJECTS.values()} <= there
    assert {known(stream.each) for stream in OBJECTS.values() if stream.each} <= there


@pytest.mark.parametrize("name", [name for name, stream in OBJECTS.items() if not stream.has_members])
def test_a_list_is_asked_by_creation_and_by_page_where_it_can_be(name: str) -> None:
    stream, takes = OBJECTS[name], SDK[OBJECTS[name].path]

    assert "    created: " in takes or not stream.by_created
    assert ("    limit: " in takes) == stream.is_paged
    assert set(re.findall(r"^    (\w+): (?!NotRequired)", takes, re.MULTILINE)) <= stream.params.keys()
