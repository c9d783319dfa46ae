"""Tokens that have to be got first: OAuth2 client credentials, refresh tokens, and service accounts' signed claims."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

import msgspec

from dativo_engine.errors import AuthenticationError, FatalError, GoneError, PermissionDeniedError, RequestRefusedError
from dativo_engine.rest.auth import Auth, Credentials, Send
from dativo_engine.rest.exchange import Request

# A token is renewed so long before its end, so that it does not end on its way.
_EARLY_SECONDS = 60
_CLAIM_SECONDS = 3600
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class _Token(msgspec.Struct):
    """A token server's answer (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float | str | None = None
    refresh_token: str | None = None


@dataclass(slots=True)
class _Granted:
    """A bearer token from a token server, shared by all threads: whoever finds it refused first gets the next.

    Attributes:
        form: what is posted for a token; called each time, as claims are signed anew.
        headers: how the client proves itself, where not in the form.
    """

    token_url: str
    identity: str = field(repr=False)
    form: Callable[[], Mapping[str, str]] = field(repr=False)
    fixed_secrets: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    _rotated: str = field(default="", repr=False)
    _current: Credentials | None = field(default=None, repr=False)
    _token: str = field(default="", repr=False)
    _ends: float = 0
    _lock: Lock = field(default_factory=Lock)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (*self.fixed_secrets, self._token, self._rotated) if secret)

    def credentials(self, send: Send) -> Credentials:
        with self._lock:
            if self._current is None or time.monotonic() >= self._ends:
                return self._get(send)
            return self._current

    def renewed(self, refused: Credentials, send: Send) -> Credentials | None:
        with self._lock:
            if self._current is not None and self._current is not refused:
                return self._current
            return self._get(send)

    def _get(self, send: Send) -> Credentials:
        form = dict(self.form())
        if self._rotated:
            form["refresh_token"] = self._rotated
        request = Request(self.token_url, method="POST", form=form, headers=self.headers)
        try:
            answer = send(request)
        except (RequestRefusedError, PermissionDeniedError, GoneError) as error:
            message = f"{error}; no token was given: check source.credentials"
            raise AuthenticationError(message) from error
        try:
            token = msgspec.json.decode(answer.body, type=_Token)
            seconds = float(token.expires_in or _CLAIM_SECONDS)
        except (msgspec.MsgspecError, ValueError) as error:
            message = f"{answer.asked}: the answer holds no access_token; check source.credentials.token_url"
            raise AuthenticationError(message) from error
        self._ends = time.monotonic() + max(seconds - _EARLY_SECONDS, seconds / 2)
        self._token, self._rotated = token.access_token, token.refresh_token or self._rotated
        self._current = Credentials(headers={"Authorization": f"Bearer {token.access_token}"})
        return self._current


def client_credentials(
    token_url: str,
    client_id: str,
    client_secret: str,
    *,
    scope: str = "",
    proves_in: Literal["form", "header"] = "form",
) -> Auth:
    """A token for the client itself (RFC 6749, 4.4)."""
    form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
    headers: dict[str, str] = {}
    proof = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    if proves_in == "header":
        headers = {"Authorization": f"Basic {proof}"}
    else:
        form |= {"client_id": client_id, "client_secret": client_secret}
    return _Granted(token_url, f"{client_id}:{client_secret}", lambda: form, (client_secret, proof), headers)


def refresh_token(
    token_url: str, client_id: str, refresh_token: str, *, client_secret: str = "", scope: str = ""
) -> Auth:
    """A token for the user who gave the refresh token (RFC 6749, 6).

    A server that replaces the refresh token with each use is followed within the run; the next run begins with the
    one that is set, so that such a server has to be told to let it live.
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "refresh_token": refresh_token,
        **({"client_secret": client_secret} if client_secret else {}),
        **({"scope": scope} if scope else {}),
    }
    return _Granted(token_url, f"{client_id}:{refresh_token}", lambda: form, (refresh_token, client_secret))


class _KeyFile(msgspec.Struct):
    """What matters of a service account's key file."""

    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""


def service_account(key_file: str, *, scope: str, subject: str = "") -> Auth:
    """A token for a service account, for claims that its key signs (RFC 7523, as Google does it).

    Args:
        key_file: the text of the JSON key file.
        subject: the user in whose name it acts, where the domain allows that.

    Raises:
        FatalError: the text is no key file, or its key can't be read.
    """
    try:
        key = msgspec.json.decode(key_file, type=_KeyFile)
    except msgspec.MsgspecError as error:
        message = "source.credentials.service_account: not a service account's key file (JSON)"
        raise FatalError(message) from error
    sign = _signer(key.private_key)

    def form() -> Mapping[str, str]:
        now = int(time.time())
        claims = {
            "iss": key.client_email,
            "scope": scope,
            "aud": key.token_uri,
            "iat": now,
            "exp": now + _CLAIM_SECONDS,
        }
        if subject:
            claims["sub"] = subject
        header = {"alg": "RS256", "typ": "JWT", **({"kid": key.private_key_id} if key.private_key_id else {})}
        told = f"{_encoded(header)}.{_encoded(claims)}"
        return {"grant_type": _ASSERTION, "assertion": f"{told}.{_base64(sign(told.encode()))}"}

    return _Granted(key.token_uri, f"{key.client_email}:{scope}:{subject}", form, (key.private_key,))


def _signer(private_key: str) -> Callable[[bytes], bytes]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = "source.credentials.service_account: its private_key can't be read"
        raise FatalError(message) from error
    if not isinstance(key, RSAPrivateKey):
        message = "source.credentials.service_account: its private_key is no RSA key"
        raise FatalError(message)
    return lambda text: key.sign(text, PKCS1v15(), SHA256())


def _encoded(part: Mapping[str, str | int]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
