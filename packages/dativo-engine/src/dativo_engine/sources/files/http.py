"""Files on web servers."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError, RetryableError
from dativo_engine.metadata import refuse_host, refuse_peer
from dativo_engine.sources.files.file import File
from dativo_engine.urls import public_name

if TYPE_CHECKING:
    import pyarrow as pa

TIMEOUT = httpx.Timeout(30, connect=5)
MAX_REDIRECTS = 5
COPY_BYTES = 1024 * 1024


def _without_secrets(record: logging.LogRecord) -> bool:
    """Shorten the URLs that httpx logs, signatures and all, to what may be shown."""
    if isinstance(record.args, tuple):
        record.args = tuple(public_name(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


# A process that logs what its libraries tell would write them down: Dagster's does.
logging.getLogger("httpx").addFilter(_without_secrets)


def _refuse_request(request: httpx.Request) -> None:
    refuse_host(request.url.host, public_name(str(request.url)))


def _refuse_response(response: httpx.Response) -> None:
    refuse_peer(response, public_name(str(response.request.url)))


def _client() -> httpx.Client:
    return httpx.Client(
        # For each redirect too.
        event_hooks={"request": [_refuse_request], "response": [_refuse_response]},
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity", "User-Agent": "dativo"},
    )


@dataclass(frozen=True, slots=True)
class HttpStorage:
    """URLs, one file each.

    Attributes:
        copies: where those are copied to that must be read at random; in a container the system's folder is memory.
    """

    client: httpx.Client = field(default_factory=_client)
    copies: Path | None = None

    def find(self, pattern: str, suffixes: tuple[str, ...]) -> Iterator[File]:  # noqa: ARG002 - a URL is one file
        """The one file that a URL names."""
        try:
            urlsplit(pattern).port  # noqa: B018 - asking for it checks it
        except ValueError:
            # What Python says of it quotes the part it took for the port: of a password with a `/`, say.
            message = (
                "source.files: a URL can't be read: its host or port is none; percent-encode what is special in a "
                "user or password, `/` as %2F"
            )
            raise FatalError(message) from None
        yield self.look(pattern)

    def look(self, location: str) -> File:
        """Size, time and ETag by HEAD; by the head of a GET where a server refuses HEAD."""
        with _told(location):
            response = self.client.head(location)
            if response.status_code in {403, 405, 501}:
                with self.client.stream("GET", location) as response:
                    return _file(location, response)
            return _file(location, response)

    def stream(self, location: str) -> io.RawIOBase:
        """One GET, read as it arrives."""
        with _told(location):
            response = self.client.send(self.client.build_request("GET", location), stream=True)
            try:
                _check_status(location, response)
            except BaseException:
                response.close()
                raise
        return _Body(location, response)

    def random_access(self, location: str) -> pa.NativeFile:
        """A copy in a temporary file, gone when it is closed: not every server serves ranges."""
        import pyarrow as pa

        copy = tempfile.TemporaryFile(prefix="dativo-", dir=self.copies)  # noqa: SIM115 - the returned file closes it
        with self.stream(location) as body:
            while block := body.read(COPY_BYTES):
                copy.write(block)
        copy.seek(0)
        return pa.PythonFile(copy, mode="r")


class _Body(io.RawIOBase):
    """A response's bytes."""

    def __init__(self, location: str, response: httpx.Response) -> None:
        self._location = location
        self._response = response
        self._parts = response.iter_bytes(COPY_BYTES)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - all that comes
        with _told(self._location):
            while not self._rest:
                part = next(self._parts, None)
                if part is None:
                    return 0
                self._rest = memoryview(part)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._response.close()
        super().close()


def _file(location: str, response: httpx.Response) -> File:
    _check_status(location, response)
    length = response.headers.get("content-length", "")
    return File(
        public_name(location),
        location,
        int(length) if length.isdigit() else None,
        _nanoseconds(response.headers.get("last-modified", "")),
        response.headers.get("etag", ""),
    )


def _nanoseconds(http_date: str) -> int:
    try:
        return int(parsedate_to_datetime(http_date).timestamp()) * 1_000_000_000
    except ValueError:
        return 0


def _check_status(location: str, response: httpx.Response) -> None:
    status = response.status_code
    if status < 400:
        return
    name, host = public_name(location), response.url.host
    if status in {401, 403, 407}:
        message = f"{name}: {host} answered {status}; check the user and the password or signature in the URL"
        raise AuthenticationError(message)
    if status in {408, 425, 429} or status >= 500:
        message = f"{name}: {host} answered {status}"
        after = response.headers.get("retry-after", "")
        raise RetryableError(message, retry_after=float(after) if after.isdigit() else None)
    message = f"{name}: {host} answered {status}" + ("; there is no such file" if status in {404, 410} else "")
    raise FatalError(message)


@contextmanager
def _told(location: str) -> Generator[None]:
    """Turn httpx's errors into ours, naming host and port and never a query."""
    try:
        yield
    except httpx.TooManyRedirects as error:
        message = f"{public_name(location)}: more than {MAX_REDIRECTS} redirects"
        raise FatalError(message) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
        message = f"{public_name(location)}: not a URL that can be read"
        raise FatalError(message) from error
    except httpx.TransportError as error:
        parts = urlsplit(location)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        cause = str(error) or type(error).__name__
        message = f"{public_name(location)}: {parts.hostname}:{port} can't be reached or hung up: {cause}"
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            message = f"{public_name(location)}: the TLS certificate of {parts.hostname}:{port} is not trusted: {cause}"
            raise FatalError(message) from error
        raise ConnectionFailedError(message) from error
