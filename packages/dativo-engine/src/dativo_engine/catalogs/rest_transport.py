"""Every request to an Iceberg REST catalogue: bounded in time, sent again only where that is safe, its failure told.

PyIceberg waits without an end, and takes a lost answer to a commit for a failure. Here an answer that does not come, or
that the server could not finish, leaves the outcome of a commit unknown, which the fence resolves by looking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout
from typing_extensions import override
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util import Retry

from dativo_engine.catalogs.rest_commits import completed
from dativo_engine.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DativoError,
    FatalError,
    RateLimitError,
    RetryableError,
)

if TYPE_CHECKING:
    from dativo_engine.catalogs.rest_auth import Authorization

CONNECT_SECONDS = 4
# Some servers write a table's metadata themselves before they answer.
READ_SECONDS = 60
TOKEN_EXPIRED = 419  # Iceberg's own
UNKNOWN_TOKEN = {HTTPStatus.UNAUTHORIZED, TOKEN_EXPIRED}
# What PyIceberg has words for: no such table or namespace, one that exists, a conflict.
ANSWERS = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
OUT_OF_ORDER = HTTPStatus.INTERNAL_SERVER_ERROR
SENT_AGAIN = (429, 502, 503, 504)

COMMIT = re.compile(r"/v1/.*namespaces/[^/]+/tables/[^/]+")
CONFIG = re.compile(r".*/v1/config")


@dataclass(frozen=True, slots=True)
class Server:
    """How messages call a catalogue.

    Attributes:
        setting: the block of a job that names it, `target.connection.rest`.
        address: without user and password.
        credentials: the fields of the block that open it.
    """

    setting: str
    address: str
    credentials: str

    def __str__(self) -> str:
        return f"{self.setting}.uri: the catalogue at {self.address}"


class CommitRateLimitError(CommitFailedException, RateLimitError):
    """A commit was not made, and nobody else's was first: the catalogue is asked too often."""


class Transport(HTTPAdapter):
    """How one catalogue's requests are sent.

    Raises the errors of `dativo_engine.errors`, and PyIceberg's for commits, whichever of its methods asked.
    """

    def __init__(self, server: Server, authorization: Authorization) -> None:
        self._server = server
        self._authorization = authorization
        retries = Retry(
            total=2,
            backoff_factor=0.3,
            backoff_jitter=0.3,
            status_forcelist=SENT_AGAIN,
            allowed_methods=("GET", "HEAD"),
            raise_on_status=False,
            respect_retry_after_header=False,  # a server may ask for an hour
        )
        super().__init__(max_retries=retries)

    @override
    def send(self, request: PreparedRequest, *args: object, **settings: object) -> Response:
        settings["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        response = self._send(completed(request) if _is_commit(request) else request, settings)
        if response.status_code in UNKNOWN_TOKEN and self._authorization.renew():
            response = self._send(self._authorization(request), settings)
        if response.status_code >= HTTPStatus.BAD_REQUEST and (error := self._refusal(request, response)):
            raise error
        return response

    def _send(self, request: PreparedRequest, settings: dict[str, object]) -> Response:
        try:
            response = super().send(request, **settings)  # pyright: ignore[reportArgumentType] - requests' own
            _ = response.content  # an answer that breaks off is found here, not by whoever reads it
        except RequestException as error:
            if _is_commit(request) and _was_sent(error):
                message = f"{self._server} did not answer a commit: {_cause(error)}"
                raise CommitStateUnknownException(message) from error
            message = f"{self._server} can't be reached: {_cause(error)}"
            raise ConnectionFailedError(message) from error
        return response

    def _refusal(self, request: PreparedRequest, response: Response) -> Exception | None:
        """What an answer means that is none; None: PyIceberg knows."""
        status, said = response.status_code, _said(response)
        if _is_commit(request) and status >= OUT_OF_ORDER:
            return CommitStateUnknownException(f"{self._server} failed in a commit ({status}): {said}")
        if _is_commit(request) and status == HTTPStatus.TOO_MANY_REQUESTS:
            return CommitRateLimitError(f"{self._server} is asked too often: {said}")
        return self._refusal_of_any(request, status, said)

    def _refusal_of_any(self, request: PreparedRequest, status: int, said: str) -> DativoError | None:
        server, setting, answer = self._server, self._server.setting, f"({status}: {said})"
        credentials = f"{setting}.{server.credentials}"
        if status in UNKNOWN_TOKEN:
            return AuthenticationError(f"{server} refuses the credentials {answer}; check {credentials}")
        if status == HTTPStatus.FORBIDDEN:
            return AuthenticationError(f"{server} forbids it {answer}; check {credentials}, and what it may do")
        if status >= OUT_OF_ORDER or status == HTTPStatus.TOO_MANY_REQUESTS:
            return RetryableError(f"{server} is out of order {answer}")
        if CONFIG.fullmatch(request.path_url.partition("?")[0]):
            return FatalError(f"{server} has no such catalogue {answer}; check {setting}.uri and {setting}.warehouse")
        if status in ANSWERS:
            return None
        return FatalError(f"{server} refuses the request {answer}")


def _is_commit(request: PreparedRequest) -> bool:
    return request.method == "POST" and COMMIT.search(request.path_url) is not None


def _was_sent(error: RequestException) -> bool:
    """Whether the server may have got the request."""
    reason = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        return not isinstance(reason.reason, NewConnectionError)
    return not isinstance(error, ConnectTimeout)


def _cause(error: RequestException) -> str:
    """The innermost reason, without the addresses of objects."""
    reason: BaseException = error
    while (inner := getattr(reason, "reason", None) or next(iter(reason.args), None)) and isinstance(
        inner, BaseException
    ):
        reason = inner
    return re.sub(r"^<?HTTPS?Connection[^>:]*[>:]\s*", "", str(reason))[:200] or type(reason).__name__


class _Error(msgspec.Struct):
    message: str = ""


class _ErrorResponse(msgspec.Struct):
    error: _Error | str = ""


def _said(response: Response) -> str:
    """What the server says of it, in one line."""
    try:
        error = msgspec.json.decode(response.content, type=_ErrorResponse).error
        text = error if isinstance(error, str) else error.message
    except msgspec.MsgspecError:
        text = response.text if "html" not in response.headers.get("Content-Type", "") else ""
    return " ".join(text.split())[:300] or response.reason or "no reason given"
