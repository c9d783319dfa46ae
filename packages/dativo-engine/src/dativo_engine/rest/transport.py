"""One request over the wire: which URL, whose credentials, which hosts, how many bytes."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache, lru_cache
from urllib.parse import urljoin

import httpx
import msgspec

from dativo_engine.errors import ConnectionFailedError, FatalError, MalformedAnswerError
from dativo_engine.metadata import refuse_host, refuse_peer
from dativo_engine.rest.auth import Credentials
from dativo_engine.rest.connections import Connections
from dativo_engine.rest.exchange import Answer, Request, shown
from dativo_engine.rest.service import Service

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TLS_MISTAKES = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HANDSHAKE_FAILURE", "UNSUPPORTED_PROTOCOL")
_BAD_HEADER = "a header holds a line end, or letters that HTTP has no place for"


def _without_secrets(record: logging.LogRecord) -> bool:
    """Shorten what httpx and httpcore log: URLs lose their query, and an answer's headers (cookies) are left out."""
    if isinstance(record.args, tuple):
        record.args = tuple(shown(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    if "return_value=(" in str(record.msg):
        record.msg = str(record.msg).partition(" return_value=")[0]
    return True


for _name in ("httpx", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_without_secrets)


class Transport:
    """Sends single requests of one service."""

    def __init__(self, service: Service, max_body_bytes: int) -> None:
        self._service = service
        self._limit = max_body_bytes
        self._base = _url(service.base_url, service.base_url_setting)
        refuse_host(self._base.host, str(self._base.copy_with(query=None)))
        patience = service.patience
        self._connections = Connections()
        self._http = httpx.Client(
            verify=_trusted(),
            timeout=httpx.Timeout(patience.read, connect=patience.connect),
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "dativo"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections. No request may be under way: httpx would leave the one open that it is just making."""
        self._http.close()

    def interrupt(self) -> None:
        """Cut off what is under way, and what begins later, in any thread."""
        self._connections.cut()

    def asked(self, request: Request) -> str:
        """A request as messages tell it."""
        return _asked(request, self._target(request))

    def send(self, request: Request, credentials: Credentials | None) -> Answer:
        """Ask once, following redirects.

        Raises:
            ConnectionFailedError: nobody answered, or the answer broke off.
            MalformedAnswerError: the answer is no HTTP.
            FatalError: TLS, too many redirects, a forbidden host, too large an answer.
        """
        url = target = self._target(request).copy_merge_params(request.params)
        asked = _asked(request, url)
        method = request.method
        for _ in range(MAX_REDIRECTS + 1):
            built = self._built(request, method, url, self._carried(request, credentials, url, target), asked)
            answer = self._exchange(built, asked)
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location:
                return answer
            url, left = _url(urljoin(str(url), location), f"{asked}: its redirect"), url
            if answer.status not in _KEEPS_METHOD:
                method = "GET"
            elif method == "POST" and _origin(url) != _origin(left):
                message = (
                    f"{asked}: redirected to {url.host}, which nothing is posted to; set that address if it is right"
                )
                raise FatalError(message)
        message = f"{asked}: more than {MAX_REDIRECTS} redirects; check {self._service.base_url_setting}"
        raise FatalError(message)

    def _carried(
        self, request: Request, credentials: Credentials | None, url: httpx.URL, target: httpx.URL
    ) -> Credentials:
        """What goes along to a URL that a redirect may have led to.

        Headers may hold keys, whoever set them: they are for the service's own host. A token server is asked without
        credentials; what the request itself carries is for that server.
        """
        if credentials is None:
            return Credentials(request.headers) if _origin(url) == _origin(target) else Credentials()
        if _origin(url) != _origin(self._base):
            return Credentials()
        return Credentials({**self._service.headers, **request.headers, **credentials.headers}, credentials.params)

    def _built(self, request: Request, method: str, url: httpx.URL, carried: Credentials, asked: str) -> httpx.Request:
        posts = method == "POST"
        try:
            built = self._http.build_request(
                method,
                url.copy_merge_params(carried.params) if carried.params else url,
                headers=carried.headers,
                content=msgspec.json.encode(request.json) if posts and request.json is not None else None,
                data=request.form if posts else None,
                extensions={"trace": self._connections.trace},
            )
        except UnicodeEncodeError:
            # Its message would show the header.
            raise FatalError(f"{asked}: {_BAD_HEADER}; check {self._service.setting}") from None
        if posts and request.json is not None:
            built.headers["Content-Type"] = "application/json"
        return built

    def _exchange(self, built: httpx.Request, asked: str) -> Answer:
        refuse_host(built.url.host, asked)
        with self._told(asked, built.url):
            response = self._http.send(built, stream=True)
            try:
                refuse_peer(response, asked)
                body = self._body(response, asked)
            finally:
                response.close()
        return Answer(asked, response.status_code, dict(response.headers.items()), body, str(built.url))

    def _body(self, response: httpx.Response, asked: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._limit:
                message = (
                    f"{asked}: the answer is larger than {self._limit:,} bytes, the run's share of memory for one; "
                    "ask for smaller pages, or raise DATIVO_MEMORY_LIMIT"
                )
                raise FatalError(message)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _target(self, request: Request) -> httpx.URL:
        """The URL of a request. A link that a server behind a proxy wrote with http keeps the service's https."""
        if "://" not in request.path:
            return _url(f"{self._service.base_url.rstrip('/')}/{request.path.lstrip('/')}", "the path")
        url = _url(request.path, "a link of the API")
        if url.host == self._base.host and url.scheme == "http" and self._base.scheme == "https":
            return url.copy_with(scheme="https", port=self._base.port)
        return url

    @contextmanager
    def _told(self, asked: str, url: httpx.URL) -> Generator[None]:
        """Turn httpx's errors into ours, naming host and port and never a query."""
        at = f"{url.host}:{_port(url)}"
        try:
            yield
        except httpx.LocalProtocolError:
            # Its message would show the header.
            raise FatalError(f"{asked}: {_BAD_HEADER}; check {self._service.setting}") from None
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            message = f"{asked}: {at} hung up before the answer was complete: {_cause(error)}"
            raise ConnectionFailedError(message) from error
        except httpx.TimeoutException as error:
            waited = self._service.patience
            what = f"can't be reached within {waited.connect:g} s"
            if not isinstance(error, httpx.ConnectTimeout):
                what = f"sent nothing for {waited.read:g} s"
            message = f"{asked}: {at} {what}"
            raise ConnectionFailedError(message) from error
        except httpx.TransportError as error:
            cause = _cause(error)
            if any(mistake in cause for mistake in _TLS_MISTAKES):
                message = (
                    f"{asked}: no trusted TLS connection to {at}: {cause}; check {self._service.base_url_setting}, "
                    "or name the certificate authority in SSL_CERT_FILE"
                )
                raise FatalError(message) from error
            message = f"{asked}: {at} can't be reached: {cause}"
            raise ConnectionFailedError(message) from error
        except httpx.DecodingError as error:
            message = f"{asked}: the answer is not compressed as it says: {_cause(error)}"
            raise MalformedAnswerError(message) from error


@cache
def _trusted() -> ssl.SSLContext:
    """The certificate authorities of `SSL_CERT_FILE`, else certifi's. Reading them takes longer than many a request."""
    return httpx.create_ssl_context()


def _asked(request: Request, url: httpx.URL) -> str:
    place = f" ({request.place})" if request.place else ""
    return f"{request.method} {shown(str(url))}{place}"


@lru_cache(maxsize=64)
def _url(text: str, where: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        message = f"{where}: not a URL that can be read: {error}"
        raise FatalError(message) from error
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        message = f"{where}: {shown(text)!r} is not a URL of a server; it begins with https:// or http://"
        raise FatalError(message)
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, _port(url)


def _port(url: httpx.URL) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)


def _cause(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
