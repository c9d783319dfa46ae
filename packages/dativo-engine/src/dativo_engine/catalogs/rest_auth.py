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

from dativo_engine.errors import AuthenticationError, ConnectionFailedError, RetryableError

TIMEOUT = httpx.Timeout(30, connect=4)


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth2 client, which gets tokens by the grant `client_credentials`.

    Attributes:
        setting: what a job calls its secret, for messages.
    """

    setting: str
    token_uri: str
    id: str
    secret: str = field(repr=False)
    scope: str = "catalog"

    def token(self) -> str:
        """A new token.

        Raises:
            AuthenticationError: the server does not know the client, or grants it no such scope.
            ConnectionFailedError, RetryableError: it can't be reached, or is out of order.
        """
        form = {"grant_type": "client_credentials", "client_secret": self.secret, "scope": self.scope}
        try:
            response = httpx.post(
                self.token_uri, data={**form, **({"client_id": self.id} if self.id else {})}, timeout=TIMEOUT
            )
        except httpx.HTTPError as error:
            message = f"{self.setting}: the token server {self.token_uri} can't be reached: {error}"
            raise ConnectionFailedError(message) from error
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            message = f"{self.setting}: the token server {self.token_uri} is out of order ({response.status_code})"
            raise RetryableError(message)
        try:
            return msgspec.json.decode(response.content, type=_Granted).access_token
        except msgspec.MsgspecError as error:
            message = f"{self.setting}: the token server {self.token_uri} gives no token ({response.status_code})"
            raise AuthenticationError(f"{message}; check the client's id, secret and scope") from error


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
