"""What the fake answers with, errors in Stripe's words included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tests.fakes.stripe.resources import Json, Object


@dataclass(frozen=True, slots=True)
class Request:
    """What came in.

    Attributes:
        path: with its beginning, `/v1/customers`.
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


def pretty(value: Json) -> bytes:
    """JSON over many lines, as Stripe writes it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


class ApiError(Exception):
    """A request that Stripe refuses."""

    def __init__(
        self, status: int, message: str, *, param: str = "", code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error: Object = {"message": message, "type": "invalid_request_error"}
        self.error |= {name: value for name, value in (("param", param), ("code", code)) if value}

    def response(self) -> Response:
        """The answer that says so."""
        return Response(self.status, pretty({"error": self.error}), self.headers)


def invalid(message: str, param: str = "", code: str = "") -> ApiError:
    """A request that makes no sense."""
    return ApiError(400, message, param=param, code=code)


def missing(kind: str, item_id: str, param: str = "id") -> ApiError:
    """An object that is not there: 404 where it was asked for by path, 400 where it is a parameter."""
    status = 404 if param == "id" else 400
    return ApiError(status, f"No such {kind.replace('_', ' ')}: '{item_id}'", code="resource_missing", param=param)
