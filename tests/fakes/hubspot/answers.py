"""What the fake answers with, errors in HubSpot's words included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from tests.fakes.hubspot.portal import Json, Object

CORRELATION_ID = "aeb5f871-7f07-4993-9211-075dc63e7cbf"


@dataclass(frozen=True, slots=True)
class Request:
    """What came in.

    Attributes:
        path: with its beginning, `/crm/v3/objects/contacts`.
        headers: by their lower-case names.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What goes out."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """JSON on one line, as HubSpot writes it."""
        return cls(status, msgspec.json.encode(value), {"content-type": "application/json", **(headers or {})})


class ApiError(Exception):
    """A request that HubSpot refuses."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **fields: Json) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.body: Object = {"status": "error", "message": message, "correlationId": CORRELATION_ID, **fields}

    def response(self) -> Response:
        """The answer that says so."""
        return Response.of(self.body, self.status, self.headers)


def invalid(message: str, property_name: str = "") -> ApiError:
    """A request that makes no sense."""
    context: Object = {"propertyName": [property_name]} if property_name else {}
    return ApiError(400, message, category="VALIDATION_ERROR", context=context)


def missing_scopes(*scopes: str) -> ApiError:
    """The token is good, and may not do this."""
    message = (
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes."
    )
    detail: Object = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": list(scopes)},
    }
    links: Object = {"scopes": "https://developers.hubspot.com/scopes"}
    return ApiError(403, message, errors=[detail], links=links, category="MISSING_SCOPES")


def rate_limited(policy: str, headers: Mapping[str, str]) -> ApiError:
    """Too many requests: in ten seconds, in one second (the search), or in a day."""
    message = f"You have reached your {policy.lower()} limit."
    return ApiError(429, message, headers=headers, errorType="RATE_LIMIT", policyName=policy)
