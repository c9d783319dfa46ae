"""A stateful fake of Stripe's API, served over HTTP, that obeys what Stripe documents and takes nothing else."""

from tests.fakes.stripe.account import Account, Clock
from tests.fakes.stripe.answers import ApiError, Request, Response
from tests.fakes.stripe.api import LIVE_KEY, TEST_KEY, FakeStripe, Key
from tests.fakes.stripe.resources import Json, Object
from tests.fakes.stripe.server import serve

__all__ = (
    "LIVE_KEY",
    "TEST_KEY",
    "Account",
    "ApiError",
    "Clock",
    "FakeStripe",
    "Json",
    "Key",
    "Object",
    "Request",
    "Response",
    "serve",
)
