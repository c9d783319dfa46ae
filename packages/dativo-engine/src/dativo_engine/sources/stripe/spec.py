"""What the Stripe connector takes and can do."""

from __future__ import annotations

import re
from typing import Annotated

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.job import Model
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from dativo_engine.sources.stripe.objects import OBJECTS

API_VERSION = "2026-10-28.endive"
EVENTS = "events"
CREATED = "created"

Version = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")]


class StripeOptions(Model):
    """How Stripe is asked."""

    api_version: Version = Field(
        default=API_VERSION,
        description="The API version that objects are read in. With your account's own, changes need fewer requests.",
    )
    account: str | None = Field(
        default=None, min_length=1, description="A connected account (`acct_...`) to read; default: the key's own."
    )
    expand: dict[str, list[str]] = Field(
        default={},
        description="Object -> fields that hold an id and are wanted whole: `charges: [balance_transaction]`.",
    )
    page_size: int = Field(default=100, ge=1, le=100, description="Objects in one answer.")
    base_url: str = Field(
        default="https://api.stripe.com", description="Where the API is: a proxy, or a double for tests."
    )


class StripeCredentials(Model):
    """Who asks."""

    api_key: SecretStr = Field(
        description="A secret key, or better a restricted one that may read the job's objects and events."
    )


def describe(options: BaseModel | None, credentials: BaseModel | None) -> tuple[str, ...]:
    """Which API, mode and account a job reads. The key's secret may still be a reference."""
    chosen = options if isinstance(options, StripeOptions) else StripeOptions()
    told = [f"API version {chosen.api_version}"]
    if isinstance(credentials, StripeCredentials):
        mode = mode_of(credentials)
        told.append(f"{mode} mode" if mode else "test or live mode as the key has it")
    if chosen.account:
        told.append(f"connected account {chosen.account}")
    return tuple(told)


def mode_of(credentials: StripeCredentials) -> str:
    """Whose objects a key reads, real ones or a test's: `live` or `test`; empty: its form does not tell."""
    found = re.match(r"[a-z]+_(test|live)_", credentials.api_key.get_secret_value())
    return found[1] if found else ""


SPEC = ConnectorSpec(
    name="stripe",
    summary="Stripe: customers, charges, invoices, subscriptions and every other list of its API v1",
    category="api",
    options=StripeOptions,
    credentials=StripeCredentials,
    inputs="objects",
    objects=tuple(OBJECTS),
    incremental_strategies=(EVENTS, CREATED),
    strategy_objects={CREATED: tuple(name for name, stream in OBJECTS.items() if stream.by_created)},
    revising_strategies=(EVENTS,),
    incremental_notes={
        EVENTS: "new objects, and those that the events feed says were changed or deleted",
        CREATED: "new objects only: changes and deletions of objects that were read before are missed",
    },
    missed={name: stream.missed for name, stream in OBJECTS.items() if stream.missed},
    describe=describe,
    reports_deletes=True,
    capabilities=("remote",),
    natural_key=dict.fromkeys(OBJECTS, ("id",)),
    environment={"STRIPE_API_KEY": "api_key"},
)
