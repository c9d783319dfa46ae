"""Who a job is to an Iceberg REST catalogue: nobody, the bearer of a token, or an OAuth2 client that gets tokens."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
import msgspec
from requests import PreparedRequest
from requests.auth import AuthBase
from typing_extensions import override

from dativo_engine.catalogs.locations import shown_address
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError, RetryableError

TIMEOUT = httpx.Timeout(30, connect=4)
REFUSALS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth2 client, which gets tokens by the grant `client_credentials`.

    Attributes:
        setting: what a job calls its id and secret, for messages.
        token_setting: the same for `token_uri`.
    """

    setting: str
    token_setting: str
    token_uri: str
    id: str
    secret: str = field(repr=False)
    scope: str = "catalog"

    def token(self) -> str:
        """A new token.

        Raises:
            AuthenticationError: the server does not know the client, or grants it no such scope.
            ConnectionFailedError, RetryableError: it can't be reached, or is out of order.
            FatalError: what is there grants no tokens.
        """
        form = {"grant_type": "client_credentials", "client_secret": self.secret, "scope": self.scope}
        if self.id:
            form["client_id"] = self.id
        server = f"{self.token_setting}: the token server {shown_address(self.token_uri)}"
        try:
            response = httpx.post(self.token_uri, data=form, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            message = f"{server} can't be reached: {error}"
            raise ConnectionFailedError(message) from error
        status = response.status_code
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RetryableError(f"{server} is out of order ({status})")
        if status in REFUSALS:
            raise AuthenticationError(f"{server} refuses the client ({status}); check {self.setting} and scope")
        try:
            return msgspec.json.decode(response.content, type=_Granted).access_token
        except msgspec.MsgspecError as error:
            message = f"{server} grants no tokens ({status}); check {self.token_setting}"
            raise FatalError(message) from error


class Authorization(AuthBase):
    """The header `Authorization` of each request. Safe to use from several threads."""

    def __init__(self, *, token: str = "", client: Client | None = None) -> None:
        self._token = token
        self._client = client
        self._lock = threading.Lock()

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if not self._token:
            self.renew()
        if self._token:
            r.headers["Authorization"] = f"Bearer {self._token}"
        return r

    def renew(self) -> bool:
        """Get a new token in place of one that expired; False: there is no way to."""
        if self._client is None:
            return False
        with self._lock:
            self._token = self._client.token()
        return True


class _Granted(msgspec.Struct):
    access_token: str
