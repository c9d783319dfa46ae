"""A stateful fake of HubSpot's API, served over HTTP, that obeys what HubSpot documents and takes nothing else."""

from tests.fakes.hubspot.answers import ApiError, Request, Response
from tests.fakes.hubspot.api import TOKEN, App, FakeHubSpot
from tests.fakes.hubspot.limits import Limits
from tests.fakes.hubspot.portal import Object, Portal, Record
from tests.fakes.hubspot.server import serve

__all__ = (
    "TOKEN",
    "ApiError",
    "App",
    "FakeHubSpot",
    "Limits",
    "Object",
    "Portal",
    "Record",
    "Request",
    "Response",
    "serve",
)
