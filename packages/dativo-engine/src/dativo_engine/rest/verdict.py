"""What an answer's status means: the class of the failure, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import msgspec

from dativo_engine.errors import (
    AuthenticationError,
    DativoError,
    FatalError,
    GoneError,
    PermissionDeniedError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from dativo_engine.rest.exchange import Answer
from dativo_engine.rest.throttle import retry_after

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    from dativo_engine.rest.service import Service

LONGEST_MESSAGE = 300
_REFUSALS: Mapping[int, tuple[type[FatalError], str]] = {
    401: (AuthenticationError, "check {setting}"),
    403: (PermissionDeniedError, "give the credential of {setting} the right to read this"),
    404: (GoneError, "check {address} and the path"),
    407: (AuthenticationError, "the proxy wants a user: check HTTPS_PROXY"),
    410: (GoneError, "check {address} and the path"),
}
# Where APIs put what they have to say, the commonest first.
_SAID = ("message", "error_description", "detail", "description", "title", "error", "errors", "reason", "code")
_TITLE = re.compile(rb"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


def failure(answer: Answer, service: Service, *, mask: Callable[[str], str]) -> DativoError | None:
    """The error that an answer is; None: it is what was asked for. `mask` takes secrets out of the API's own words."""
    status = answer.status
    if status < 300:
        return None
    words = said(answer) if service.words is None else service.words(answer)
    told = f"{answer.asked}: answered {_named(status)}{_quoted(mask(words))}"
    after = _pause(answer, service)
    if status == 429 or (status == 403 and after is not None):
        message = f"{told}; lower source.rate_limits, or run fewer jobs on this credential at once"
        return RateLimitError(message, retry_after=after)
    if status >= 500 or status in _BUSY:
        return ServerError(told, retry_after=after)
    kind, remedy = _REFUSALS.get(status, (RequestRefusedError, "check the request's path and parameters"))
    if status < 400:
        remedy = "it is a redirect that leads nowhere: check {address}"
    return kind(f"{told}; " + remedy.format(setting=service.setting, address=service.base_url_setting))


def said(answer: Answer) -> str:
    """What the API says of a failure in its own words, on one line and cut short; empty: nothing readable."""
    if answer.body.lstrip()[:1] == b"<":
        title = _TITLE.search(answer.body)
        words = title[2].decode("utf-8", "replace") if title else ""
        return f"a page for people: {_short(words)}" if words else "a page for people"
    try:
        return _short(_words(cast("JsonValue", msgspec.json.decode(answer.body))))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        is_text = answer.headers.get("content-type", "").startswith("text/")
        return _short(answer.body[:LONGEST_MESSAGE].decode("utf-8", "replace")) if is_text else ""


def _words(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _words(value[0]) if value else ""
    if isinstance(value, Mapping):
        inner = value.get("error")
        if isinstance(inner, Mapping):
            return _words(inner)
        return next((words for name in _SAID if name in value and (words := _words(value[name]))), "")
    return ""


def _pause(answer: Answer, service: Service) -> float | None:
    after = retry_after(answer.headers)
    if after is not None:
        return after
    return max((header.pause(answer.headers) for header in service.rate_headers), default=0) or None


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _quoted(words: str) -> str:
    return f", {words!r}" if words else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}..."
