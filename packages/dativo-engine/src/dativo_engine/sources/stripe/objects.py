"""Every object that can be read, in one table: where its list is, and how a run finds what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dativo_engine.rest.exchange import Params


@dataclass(frozen=True, slots=True)
class StripeObject:
    """One stream.

    Attributes:
        path: its list; for members of a sub-list the list of the objects that they are in.
        events: the types of events whose `data.object` is one of the list's objects; at most 20, which is what one
            request for events takes.
        gone: those of them after which the object is away.
        by_created: whether the list takes `created`, so that new objects can be asked for.
        immutable: its objects never change: without events, those created since are all there is to read.
        params: sent with every request for the list.
        within: the field of the listed objects that holds the stream's records, a list of its own; empty: the listed
            objects are the records.
        expand: fields that hold an id and are wanted whole.
    """

    path: str
    events: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    by_created: bool = True
    immutable: bool = False
    params: Params = field(default_factory=dict[str, str])
    within: str = ""
    expand: tuple[str, ...] = ()

    @property
    def feed(self) -> StripeObject:
        """The list of the events about it."""
        return replace(OBJECTS["events"], params={"types[]": self.events})


def _events(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


_CREDIT_NOTE = _events("credit_note", "created", "updated", "voided")
_INVOICE = _events(
    "invoice",
    *("created", "deleted", "finalization_failed", "finalized", "marked_uncollectible", "overdue", "overpaid", "paid"),
    *("payment_action_required", "payment_attempt_required", "payment_failed", "payment_succeeded", "sent", "updated"),
    *("voided", "will_be_due"),
)
_SUBSCRIPTION = _events(
    "customer.subscription",
    *("created", "deleted", "paused", "pending_update_applied", "pending_update_expired", "resumed", "trial_will_end"),
    "updated",
)
_TRANSFER = _events("transfer", "created", "reversed", "updated")
# Without it the list leaves cancelled subscriptions out; a deleted one is a cancelled one, and stays.
_WHATEVER_STATUS = {"status": "all"}

# Stream -> what it is. With neither events nor `immutable` it is read in full by each run: nothing tells of changes.
OBJECTS: Mapping[str, StripeObject] = MappingProxyType(
    {
        "accounts": StripeObject("/v1/accounts"),
        "application_fee_refunds": StripeObject(
            "/v1/application_fees", events=("application_fee.created", "application_fee.refunded"), within="refunds"
        ),
        "application_fees": StripeObject(
            "/v1/application_fees", events=("application_fee.created", "application_fee.refunded")
        ),
        "balance_transactions": StripeObject("/v1/balance_transactions", immutable=True),
        "billing_portal_configurations": StripeObject(
            "/v1/billing_portal/configurations",
            events=_events("billing_portal.configuration", "created", "updated"),
            by_created=False,
        ),
        "charges": StripeObject(
            "/v1/charges",
            events=_events("charge", "captured", "expired", "failed", "pending", "refunded", "succeeded", "updated"),
        ),
        "checkout_sessions": StripeObject(
            "/v1/checkout/sessions",
            events=_events(
                "checkout.session", "async_payment_failed", "async_payment_succeeded", "completed", "expired"
            ),
        ),
        "coupons": StripeObject(
            "/v1/coupons", events=_events("coupon", "created", "deleted", "updated"), gone=("coupon.deleted",)
        ),
        "credit_note_line_items": StripeObject("/v1/credit_notes", events=_CREDIT_NOTE, within="lines"),
        "credit_notes": StripeObject("/v1/credit_notes", events=_CREDIT_NOTE),
        "customers": StripeObject(
            "/v1/customers", events=_events("customer", "created", "deleted", "updated"), gone=("customer.deleted",)
        ),
        "disputes": StripeObject(
            "/v1/disputes",
            events=_events("charge.dispute", "closed", "created", "funds_reinstated", "funds_withdrawn", "updated"),
        ),
        "early_fraud_warnings": StripeObject(
            "/v1/radar/early_fraud_warnings", events=_events("radar.early_fraud_warning", "created", "updated")
        ),
        "events": StripeObject("/v1/events", immutable=True),
        "file_links": StripeObject("/v1/file_links"),
        "files": StripeObject("/v1/files", immutable=True),
        "invoice_items": StripeObject(
            "/v1/invoiceitems", events=_events("invoiceitem", "created", "deleted"), gone=("invoiceitem.deleted",)
        ),
        "invoice_line_items": StripeObject("/v1/invoices", events=_INVOICE, gone=("invoice.deleted",), within="lines"),
        "invoice_payments": StripeObject("/v1/invoice_payments", events=("invoice_payment.paid",)),
        "invoices": StripeObject("/v1/invoices", events=_INVOICE, gone=("invoice.deleted",)),
        "issuing_authorizations": StripeObject(
            "/v1/issuing/authorizations", events=_events("issuing_authorization", "created", "updated")
        ),
        "issuing_cardholders": StripeObject(
            "/v1/issuing/cardholders", events=_events("issuing_cardholder", "created", "updated")
        ),
        "issuing_cards": StripeObject("/v1/issuing/cards", events=_events("issuing_card", "created", "updated")),
        "issuing_disputes": StripeObject(
            "/v1/issuing/disputes",
            events=_events(
                "issuing_dispute",
                *("closed", "created", "funds_reinstated", "funds_rescinded", "submitted", "updated"),
            ),
        ),
        "issuing_transactions": StripeObject(
            "/v1/issuing/transactions", events=_events("issuing_transaction", "created", "updated")
        ),
        "payment_intents": StripeObject(
            "/v1/payment_intents",
            events=_events(
                "payment_intent",
                *("amount_capturable_updated", "canceled", "created", "partially_funded", "payment_failed"),
                *("processing", "requires_action", "succeeded"),
            ),
        ),
        "payment_links": StripeObject(
            "/v1/payment_links", events=_events("payment_link", "created", "updated"), by_created=False
        ),
        "payment_methods": StripeObject(
            "/v1/payment_methods",
            events=_events("payment_method", "attached", "automatically_updated", "detached", "updated"),
            by_created=False,
        ),
        "payouts": StripeObject(
            "/v1/payouts",
            events=_events("payout", "canceled", "created", "failed", "paid", "reconciliation_completed", "updated"),
        ),
        "plans": StripeObject(
            "/v1/plans", events=_events("plan", "created", "deleted", "updated"), gone=("plan.deleted",)
        ),
        "prices": StripeObject(
            "/v1/prices", events=_events("price", "created", "deleted", "updated"), gone=("price.deleted",)
        ),
        "products": StripeObject(
            "/v1/products", events=_events("product", "created", "deleted", "updated"), gone=("product.deleted",)
        ),
        "promotion_codes": StripeObject("/v1/promotion_codes", events=_events("promotion_code", "created", "updated")),
        "quotes": StripeObject(
            "/v1/quotes", events=_events("quote", "accepted", "canceled", "created", "finalized"), by_created=False
        ),
        "refunds": StripeObject(
            "/v1/refunds", events=(*_events("refund", "created", "failed", "updated"), "charge.refund.updated")
        ),
        "reviews": StripeObject("/v1/reviews", events=_events("review", "closed", "opened")),
        "setup_intents": StripeObject(
            "/v1/setup_intents",
            events=_events("setup_intent", "canceled", "created", "requires_action", "setup_failed", "succeeded"),
        ),
        "shipping_rates": StripeObject("/v1/shipping_rates"),
        "subscription_items": StripeObject(
            "/v1/subscriptions", events=_SUBSCRIPTION, params=_WHATEVER_STATUS, within="items"
        ),
        "subscription_schedules": StripeObject(
            "/v1/subscription_schedules",
            events=_events(
                "subscription_schedule",
                *("aborted", "canceled", "completed", "created", "expiring", "released", "updated"),
            ),
        ),
        "subscriptions": StripeObject("/v1/subscriptions", events=_SUBSCRIPTION, params=_WHATEVER_STATUS),
        "tax_ids": StripeObject(
            "/v1/tax_ids",
            events=_events("customer.tax_id", "created", "deleted", "updated"),
            gone=("customer.tax_id.deleted",),
            by_created=False,
        ),
        "tax_rates": StripeObject("/v1/tax_rates", events=_events("tax_rate", "created", "updated")),
        "top_ups": StripeObject(
            "/v1/topups", events=_events("topup", "canceled", "created", "failed", "reversed", "succeeded")
        ),
        "transfer_reversals": StripeObject("/v1/transfers", events=_TRANSFER, within="reversals"),
        "transfers": StripeObject("/v1/transfers", events=_TRANSFER),
        "webhook_endpoints": StripeObject("/v1/webhook_endpoints", by_created=False),
    }
)
