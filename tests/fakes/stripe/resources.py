"""What the fake has: each kind of object, how it is listed, what is told of it, and what a new one looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Object: TypeAlias = dict[str, Json]

_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
_MONEY: Object = {"amount": 1000, "currency": "usd"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    Attributes:
        prefix: how ids begin, without the underscore.
        events: how the names of its events begin; empty: nothing is told of it.
        created_event: the event of a new one, behind `events`; empty: none.
        permission: what a restricted key needs to read it, as in `rak_<permission>_read`.
        filters: what its list takes beside paging, `created` and `expand`; `!` before one that must be given.
        by_created: whether its list takes `created`.
        deleted: what deleting does. gone: away, and not to be retrieved; stub: away, but a stub with `deleted: true`
            can be retrieved; cancel: it stays, with another status.
        hidden: field -> value of objects that lists leave out unless asked for by that field.
        sublist: a field that holds a list of other objects; ten of them are embedded.
        expandable: fields that hold an id, and the collection that it is of.
        shape: the fields of a new one.
    """

    prefix: str
    object: str
    permission: str
    events: str = ""
    created_event: str = "created"
    filters: tuple[str, ...] = ()
    by_created: bool = True
    deleted: Literal["", "gone", "stub", "cancel"] = ""
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])
    sublist: str = ""
    sublist_prefix: str = ""
    sublist_object: str = ""
    expandable: Mapping[str, str] = field(default_factory=dict[str, str])
    shape: Mapping[str, Json] = field(default_factory=dict[str, Json])


_OF_CUSTOMER = {"customer": "customers"}

RESOURCES: Mapping[str, Resource] = {
    "customers": Resource(
        "cus",
        "customer",
        "customer",
        "customer",
        filters=("email", "test_clock"),
        deleted="stub",
        shape={
            "address": _ADDRESS,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "email": None,
            "invoice_prefix": "7FE1103",
            "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
            "name": None,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
    ),
    "charges": Resource(
        "ch",
        "charge",
        "charge",
        "charge",
        created_event="succeeded",
        filters=("customer", "payment_intent", "transfer_group"),
        expandable=_OF_CUSTOMER,
        shape={**_MONEY, "amount_refunded": 0, "captured": True, "customer": None, "paid": True, "status": "succeeded"},
    ),
    "invoices": Resource(
        "in",
        "invoice",
        "invoice",
        "invoice",
        filters=("collection_method", "customer", "customer_account", "due_date", "status", "subscription"),
        deleted="gone",
        sublist="lines",
        sublist_prefix="il",
        sublist_object="line_item",
        expandable=_OF_CUSTOMER,
        shape={"amount_due": 0, "amount_paid": 0, "currency": "usd", "customer": None, "status": "draft", "lines": []},
    ),
    "invoiceitems": Resource(
        "ii",
        "invoiceitem",
        "invoice",
        "invoiceitem",
        filters=("customer", "customer_account", "invoice", "pending"),
        deleted="gone",
        shape={**_MONEY, "customer": None, "invoice": None},
    ),
    "subscriptions": Resource(
        "sub",
        "subscription",
        "subscription",
        "customer.subscription",
        filters=("collection_method", "customer", "customer_account", "price", "status", "test_clock"),
        deleted="cancel",
        hidden={"status": "canceled"},
        sublist="items",
        sublist_prefix="si",
        sublist_object="subscription_item",
        expandable=_OF_CUSTOMER,
        shape={"currency": "usd", "customer": None, "status": "active", "items": []},
    ),
    "products": Resource(
        "prod",
        "product",
        "product",
        "product",
        filters=("active", "ids", "shippable", "url"),
        deleted="gone",
        shape={"active": True, "default_price": None, "description": None, "name": "Gold plan"},
    ),
    "prices": Resource(
        "price",
        "price",
        "plan",
        "price",
        filters=("active", "currency", "lookup_keys", "product", "recurring", "type"),
        expandable={"product": "products"},
        shape={"active": True, "currency": "usd", "product": None, "type": "one_time", "unit_amount": 500},
    ),
    "payment_intents": Resource(
        "pi",
        "payment_intent",
        "payment_intent",
        "payment_intent",
        filters=("customer", "customer_account"),
        expandable=_OF_CUSTOMER,
        shape={**_MONEY, "customer": None, "status": "requires_payment_method"},
    ),
    "refunds": Resource(
        "re",
        "refund",
        "charge",
        "refund",
        filters=("charge", "payment_intent"),
        expandable={"charge": "charges"},
        shape={**_MONEY, "charge": None, "status": "succeeded"},
    ),
    "payouts": Resource(
        "po",
        "payout",
        "payout",
        "payout",
        filters=("arrival_date", "destination", "status"),
        shape={**_MONEY, "arrival_date": 1_790_035_200, "status": "paid"},
    ),
    "balance_transactions": Resource(
        "txn",
        "balance_transaction",
        "balance",
        filters=("currency", "payout", "source", "type"),
        shape={**_MONEY, "fee": 59, "net": 941, "status": "pending", "type": "charge"},
    ),
    "disputes": Resource(
        "du",
        "dispute",
        "dispute",
        "charge.dispute",
        filters=("charge", "payment_intent"),
        expandable={"charge": "charges"},
        shape={**_MONEY, "charge": None, "status": "needs_response"},
    ),
    "coupons": Resource(
        "co",
        "coupon",
        "coupon",
        "coupon",
        deleted="gone",
        shape={"amount_off": None, "duration": "once", "name": None, "percent_off": 25.5, "valid": True},
    ),
    "payment_methods": Resource(
        "pm",
        "payment_method",
        "payment_method",
        "payment_method",
        created_event="attached",
        filters=("allow_redisplay", "customer", "customer_account", "type"),
        by_created=False,
        shape={"customer": None, "type": "card"},
    ),
}

EVENTS = Resource(
    "evt", "event", "event", filters=("delivery_success", "type", "types"), shape={"data": {}, "type": ""}
)
