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
        within: the field of the listed objects that holds the stream's records, a list of its own.
        each: the list of the stream's records that each listed object has, `{id}` its id. With neither, the listed
            objects are the records.
        is_paged: whether the list of the records is cut into pages.
        expand: fields that hold an id, or are left out, and are wanted whole.
        untold: changes that no event of `events` tells of; empty: none are known.
    """

    path: str
    events: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    by_created: bool = True
    immutable: bool = False
    params: Params = field(default_factory=dict[str, str])
    within: str = ""
    each: str = ""
    is_paged: bool = True
    expand: tuple[str, ...] = ()
    untold: str = ""

    @property
    def has_members(self) -> bool:
        """Whether the records are in lists of the listed objects."""
        return bool(self.within or self.each)

    @property
    def feed(self) -> StripeObject:
        """The list of the events about it."""
        return replace(OBJECTS["events"], params={"types[]": self.events})

    @property
    def missed(self) -> str:
        """What runs that read changes do not find; empty: nothing that is known."""
        if self.events:
            return self.untold
        if self.immutable:
            return "nothing tells of changes"
        return "nothing tells of changes: each run reads everything, and what was deleted stays"


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
_CUSTOMER = _events("customer", "created", "deleted", "updated")
_CHECKOUT_SESSION = _events(
    "checkout.session", "async_payment_failed", "async_payment_succeeded", "completed", "expired"
)
_PAYMENT_INTENT = _events(
    "payment_intent",
    *("amount_capturable_updated", "canceled", "created", "partially_funded", "payment_failed"),
    *("processing", "requires_action", "succeeded"),
)
_PAYMENT_LINK = _events("payment_link", "created", "updated")
_QUOTE = _events("quote", "accepted", "canceled", "created", "finalized")
_SETUP_INTENT = _events("setup_intent", "canceled", "created", "requires_action", "setup_failed", "succeeded")
_TRANSFER = _events("transfer", "created", "reversed", "updated")
# Without it the list leaves cancelled subscriptions out; a deleted one is a cancelled one, and stays.
_WHATEVER_STATUS = {"status": "all"}
# There is an event for each step, and none for an edit in between.
_EDITS = "no event tells of edits, of metadata for one: they come with the object's next event"


def _listed(path: str) -> StripeObject:
    """A list that is short, or of which nothing tells what changed."""
    return StripeObject(path, by_created=False)


def _each(path: str, each: str) -> StripeObject:
    """A list that each object of another one has, and of which nothing tells what changed."""
    return StripeObject(path, by_created=False, each=each)


def _treasury(name: str) -> StripeObject:
    return _each("/v1/treasury/financial_accounts", f"/v1/treasury/{name}?financial_account={{id}}")


# Stream -> what it is. With neither events nor `immutable` it is read in full by each run: nothing tells of changes.
OBJECTS: Mapping[str, StripeObject] = MappingProxyType(
    {
        "account_capabilities": StripeObject(
            "/v1/accounts", by_created=False, each="/v1/accounts/{id}/capabilities", is_paged=False
        ),
        "account_external_accounts": StripeObject("/v1/accounts", within="external_accounts"),
        "account_persons": _each("/v1/accounts", "/v1/accounts/{id}/persons"),
        "accounts": StripeObject("/v1/accounts"),
        "active_entitlements": _each("/v1/customers", "/v1/entitlements/active_entitlements?customer={id}"),
        "app_installs": StripeObject(
            "/v1/apps/installs",
            events=_events("apps.install", "created", "deleted", "updated"),
            gone=("apps.install.deleted",),
        ),
        "apple_pay_domains": _listed("/v1/apple_pay/domains"),
        "application_fee_refunds": StripeObject(
            "/v1/application_fees", events=("application_fee.created", "application_fee.refunded"), within="refunds"
        ),
        "application_fees": StripeObject(
            "/v1/application_fees", events=("application_fee.created", "application_fee.refunded")
        ),
        "balance_transactions": StripeObject("/v1/balance_transactions", immutable=True),
        "billing_alerts": _listed("/v1/billing/alerts"),
        "billing_credit_balance_transactions": _each(
            "/v1/customers", "/v1/billing/credit_balance_transactions?customer={id}"
        ),
        "billing_credit_grants": StripeObject(
            "/v1/billing/credit_grants", events=_events("billing.credit_grant", "created", "updated"), by_created=False
        ),
        "billing_feedback_options": _listed("/v1/billing/feedback_options"),
        "billing_meters": StripeObject(
            "/v1/billing/meters",
            events=_events("billing.meter", "created", "deactivated", "reactivated", "updated"),
            by_created=False,
        ),
        "billing_portal_configurations": StripeObject(
            "/v1/billing_portal/configurations",
            events=_events("billing_portal.configuration", "created", "updated"),
            by_created=False,
        ),
        "charges": StripeObject(
            "/v1/charges",
            events=_events("charge", "captured", "expired", "failed", "pending", "refunded", "succeeded", "updated"),
        ),
        "checkout_session_line_items": StripeObject(
            "/v1/checkout/sessions", events=_CHECKOUT_SESSION, within="line_items", expand=("line_items",)
        ),
        "checkout_sessions": StripeObject(
            "/v1/checkout/sessions",
            events=_CHECKOUT_SESSION,
            untold=_EDITS,
        ),
        "climate_orders": StripeObject(
            "/v1/climate/orders",
            events=_events("climate.order", "canceled", "created", "delayed", "delivered", "product_substituted"),
            by_created=False,
            untold=_EDITS,
        ),
        "climate_products": _listed("/v1/climate/products"),
        "climate_suppliers": _listed("/v1/climate/suppliers"),
        "country_specs": _listed("/v1/country_specs"),
        "coupons": StripeObject(
            "/v1/coupons", events=_events("coupon", "created", "deleted", "updated"), gone=("coupon.deleted",)
        ),
        "credit_note_line_items": StripeObject("/v1/credit_notes", events=_CREDIT_NOTE, within="lines"),
        "credit_notes": StripeObject("/v1/credit_notes", events=_CREDIT_NOTE),
        # Each of them changes its customer's balance, which is an event of the customer.
        "customer_balance_transactions": StripeObject(
            "/v1/customers",
            events=_CUSTOMER,
            gone=("customer.deleted",),
            each="/v1/customers/{id}/balance_transactions",
            untold="those of a customer that is deleted stay",
        ),
        "customer_cash_balance_transactions": _each("/v1/customers", "/v1/customers/{id}/cash_balance_transactions"),
        "customer_sources": _each("/v1/customers", "/v1/customers/{id}/sources"),
        "customer_tax_ids": StripeObject("/v1/customers", within="tax_ids", expand=("tax_ids",)),
        "customers": StripeObject("/v1/customers", events=_CUSTOMER, gone=("customer.deleted",)),
        "disputes": StripeObject(
            "/v1/disputes",
            events=_events("charge.dispute", "closed", "created", "funds_reinstated", "funds_withdrawn", "updated"),
        ),
        "early_fraud_warnings": StripeObject(
            "/v1/radar/early_fraud_warnings", events=_events("radar.early_fraud_warning", "created", "updated")
        ),
        "entitlement_features": _listed("/v1/entitlements/features"),
        "events": StripeObject("/v1/events", immutable=True),
        "exchange_rates": _listed("/v1/exchange_rates"),
        "file_links": StripeObject("/v1/file_links"),
        "files": StripeObject("/v1/files", immutable=True),
        "financial_connections_accounts": StripeObject(
            "/v1/financial_connections/accounts",
            events=_events(
                "financial_connections.account",
                *("account_numbers_updated", "created", "deactivated", "disconnected"),
                *("expected_deactivation_date_updated", "reactivated", "refreshed_balance", "refreshed_ownership"),
                *("refreshed_transactions", "supported_payment_method_types_updated"),
                *("upcoming_account_number_expiry", "upcoming_deactivation"),
            ),
            by_created=False,
        ),
        "financial_connections_transactions": _each(
            "/v1/financial_connections/accounts", "/v1/financial_connections/transactions?account={id}"
        ),
        "forwarding_requests": StripeObject("/v1/forwarding/requests", immutable=True),
        "identity_verification_reports": StripeObject("/v1/identity/verification_reports", immutable=True),
        "identity_verification_sessions": StripeObject(
            "/v1/identity/verification_sessions",
            events=_events(
                "identity.verification_session",
                *("canceled", "created", "processing", "redacted", "requires_input", "verified"),
            ),
            untold=_EDITS,
        ),
        "invoice_items": StripeObject(
            "/v1/invoiceitems",
            events=_events("invoiceitem", "created", "deleted"),
            gone=("invoiceitem.deleted",),
            untold=_EDITS,
        ),
        "invoice_line_items": StripeObject("/v1/invoices", events=_INVOICE, gone=("invoice.deleted",), within="lines"),
        "invoice_payments": StripeObject("/v1/invoice_payments", events=("invoice_payment.paid",), untold=_EDITS),
        "invoice_rendering_templates": _listed("/v1/invoice_rendering_templates"),
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
        "issuing_personalization_designs": _listed("/v1/issuing/personalization_designs"),
        "issuing_physical_bundles": _listed("/v1/issuing/physical_bundles"),
        "issuing_tokens": _each("/v1/issuing/cards", "/v1/issuing/tokens?card={id}"),
        "issuing_transactions": StripeObject(
            "/v1/issuing/transactions", events=_events("issuing_transaction", "created", "updated")
        ),
        "payment_attempt_records": _each("/v1/payment_records", "/v1/payment_attempt_records?payment_record={id}"),
        "payment_intent_line_items": StripeObject(
            "/v1/payment_intents",
            events=_PAYMENT_INTENT,
            each="/v1/payment_intents/{id}/amount_details_line_items",
            untold=_EDITS,
        ),
        "payment_intents": StripeObject(
            "/v1/payment_intents",
            events=_PAYMENT_INTENT,
            untold=_EDITS,
        ),
        "payment_link_line_items": StripeObject(
            "/v1/payment_links",
            events=_PAYMENT_LINK,
            by_created=False,
            within="line_items",
            expand=("line_items",),
        ),
        "payment_links": StripeObject("/v1/payment_links", events=_PAYMENT_LINK, by_created=False),
        "payment_method_configurations": _listed("/v1/payment_method_configurations"),
        "payment_method_domains": _listed("/v1/payment_method_domains"),
        "payment_methods": StripeObject(
            "/v1/payment_methods",
            events=_events("payment_method", "attached", "automatically_updated", "detached", "updated"),
            by_created=False,
        ),
        "payment_records": _listed("/v1/payment_records"),
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
        "product_features": _each("/v1/products", "/v1/products/{id}/features"),
        "products": StripeObject(
            "/v1/products", events=_events("product", "created", "deleted", "updated"), gone=("product.deleted",)
        ),
        "promotion_codes": StripeObject("/v1/promotion_codes", events=_events("promotion_code", "created", "updated")),
        "quote_computed_upfront_line_items": StripeObject(
            "/v1/quotes",
            events=_QUOTE,
            by_created=False,
            each="/v1/quotes/{id}/computed_upfront_line_items",
            untold=_EDITS,
        ),
        "quote_line_items": StripeObject(
            "/v1/quotes", events=_QUOTE, by_created=False, within="line_items", expand=("line_items",), untold=_EDITS
        ),
        "quotes": StripeObject("/v1/quotes", events=_QUOTE, by_created=False, untold=_EDITS),
        "radar_value_list_items": StripeObject("/v1/radar/value_lists", within="list_items"),
        "radar_value_lists": StripeObject("/v1/radar/value_lists"),
        "refunds": StripeObject(
            "/v1/refunds", events=(*_events("refund", "created", "failed", "updated"), "charge.refund.updated")
        ),
        "report_runs": StripeObject(
            "/v1/reporting/report_runs", events=_events("reporting.report_run", "failed", "succeeded")
        ),
        "report_types": StripeObject("/v1/reporting/report_types", by_created=False, is_paged=False),
        "reviews": StripeObject("/v1/reviews", events=_events("review", "closed", "opened"), untold=_EDITS),
        "scheduled_query_runs": StripeObject(
            "/v1/sigma/scheduled_query_runs", events=("sigma.scheduled_query_run.created",), by_created=False
        ),
        "setup_attempts": StripeObject(
            "/v1/setup_intents", events=_SETUP_INTENT, each="/v1/setup_attempts?setup_intent={id}"
        ),
        "setup_intents": StripeObject(
            "/v1/setup_intents",
            events=_SETUP_INTENT,
            untold=_EDITS,
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
        "tax_codes": _listed("/v1/tax_codes"),
        # The account's own.
        "tax_ids": _listed("/v1/tax_ids"),
        "tax_locations": StripeObject("/v1/tax/locations", by_created=False, params={"type": "performance"}),
        "tax_rates": StripeObject("/v1/tax_rates", events=_events("tax_rate", "created", "updated")),
        "tax_registrations": _listed("/v1/tax/registrations"),
        "terminal_configurations": _listed("/v1/terminal/configurations"),
        "terminal_locations": _listed("/v1/terminal/locations"),
        "terminal_readers": _listed("/v1/terminal/readers"),
        "test_clocks": StripeObject(
            "/v1/test_helpers/test_clocks",
            events=_events("test_helpers.test_clock", "advancing", "created", "deleted", "internal_failure", "ready"),
            gone=("test_helpers.test_clock.deleted",),
            by_created=False,
        ),
        "three_d_secure_authentications": StripeObject(
            "/v1/three_d_secure/authentications",
            events=_events(
                "three_d_secure.authentication",
                *("canceled", "challenge_started", "errored", "failed", "requires_challenge", "requires_submission"),
                "succeeded",
            ),
        ),
        "top_ups": StripeObject(
            "/v1/topups",
            events=_events("topup", "canceled", "created", "failed", "reversed", "succeeded"),
            untold=_EDITS,
        ),
        "transfer_reversals": StripeObject("/v1/transfers", events=_TRANSFER, within="reversals"),
        "transfers": StripeObject("/v1/transfers", events=_TRANSFER),
        "treasury_credit_reversals": _treasury("credit_reversals"),
        "treasury_debit_reversals": _treasury("debit_reversals"),
        "treasury_financial_accounts": StripeObject(
            "/v1/treasury/financial_accounts",
            events=_events("treasury.financial_account", "closed", "created", "features_status_updated"),
            untold=_EDITS,
        ),
        "treasury_inbound_transfers": _treasury("inbound_transfers"),
        "treasury_outbound_payments": _treasury("outbound_payments"),
        "treasury_outbound_transfers": _treasury("outbound_transfers"),
        "treasury_received_credits": _treasury("received_credits"),
        "treasury_received_debits": _treasury("received_debits"),
        "treasury_transaction_entries": _treasury("transaction_entries"),
        "treasury_transactions": _treasury("transactions"),
        "trial_offers": _listed("/v1/product_catalog/trial_offers"),
        "webhook_endpoints": StripeObject("/v1/webhook_endpoints", by_created=False),
    }
)
