"""Files in S3, or in a server that speaks its protocol."""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dativo_engine.errors import AuthenticationError, ConnectionFailedError, FatalError, RetryableError
from dativo_engine.sources.files import patterns
from dativo_engine.sources.files.file import File
from dativo_engine.sources.files.spec import S3Connection, S3Credentials
from dativo_engine.storage.s3_errors import without_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileInfo, S3FileSystem

SCHEME = "s3://"
CONNECT_TIMEOUT_SECONDS = 5.0
ATTEMPTS = 2

_WRONG_KEY = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE"
)
_EXPIRED = re.compile(r"ExpiredToken|TokenRefreshRequired|EXPIRED_TOKEN")
_FORBIDDEN = re.compile(r"ACCESS_DENIED|AccessDenied|HTTP status 403|HTTP response code 403|No response body.*403")
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket")
_OTHER_REGION = re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|HTTP response code 301|HTTP status 301")
# Amazon's answer to HEAD where a token has expired, or the region is not the bucket's.
_NO_REASON = re.compile(r"HTTP status 400|HTTP response code 400")
_NO_FILE = re.compile(r"NO_SUCH_KEY|NoSuchKey|RESOURCE_NOT_FOUND|HTTP response code 404|HTTP status 404|does not exist")


@dataclass(frozen=True, slots=True)
class S3Storage:
    """Objects of the buckets that one job's keys open. `place` is what messages call the server.

    Attributes:
        temporary: the keys are those of a session, which ends.
    """

    filesystem: S3FileSystem
    place: str
    temporary: bool = False

    def find(self, pattern: str, suffixes: tuple[str, ...]) -> Iterator[File]:
        """The objects of `s3://bucket/key`, a glob, or a prefix that ends in `/` (or is one)."""
        path = pattern.removeprefix(SCHEME).rstrip("/")
        if patterns.has_wildcard(path):
            infos = self._list(patterns.folder_of(path), deep=patterns.is_deep(path))
            yield from (_file(info) for info in infos if patterns.matches(path, info.path))
            return
        if "/" in path and not pattern.endswith("/"):
            found = self._info(path)
            if found.is_file:
                yield _file(found)
                return
        yield from (_file(info) for info in self._list(path, deep=True) if patterns.belongs(info.path, suffixes))

    def look(self, location: str) -> File:
        """One object as it is now."""
        found = self._info(location.removeprefix(SCHEME))
        if not found.is_file:
            message = f"{location}: the object vanished while the run was reading"
            raise RetryableError(message)
        return _file(found)

    def stream(self, location: str) -> io.RawIOBase:
        """One GET, read as it arrives."""
        with self.told(location):
            opened = self.filesystem.open_input_stream(location.removeprefix(SCHEME), buffer_size=0)
        return _Object(opened, self, location)

    def random_access(self, location: str) -> pa.NativeFile:
        """Ranges of it, one GET each."""
        import pyarrow as pa

        with self.told(location):
            opened = self.filesystem.open_input_file(location.removeprefix(SCHEME))
        return pa.PythonFile(_Object(opened, self, location), mode="r")

    def _info(self, path: str) -> FileInfo:
        with self.told(SCHEME + path):
            return self.filesystem.get_file_info(path)

    def _list(self, folder: str, *, deep: bool) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        with self.told(SCHEME + folder):
            if self.filesystem.get_file_info(folder.partition("/")[0]).type.name == "NotFound":
                message = f"{SCHEME}{folder}: {self.place} has no bucket of this name, or the keys may not see it"
                raise FatalError(message)
            selector = FileSelector(folder, recursive=deep, allow_not_found=True)
            return [info for info in self.filesystem.get_file_info(selector) if info.is_file]

    @contextmanager
    def told(self, location: str) -> Generator[None]:
        """Turn the SDK's page of text into one line that names what to change."""
        try:
            yield
        except OSError as error:
            raise self._explain(str(error), location) from error

    def _explain(self, text: str, location: str) -> ConnectionFailedError | FatalError | RetryableError:
        said, text = text, without_names(text, location)
        place, setting = self.place, "source.credentials.session_token"
        session = f", and {setting}, which may have expired" if self.temporary else ""
        keys = f"check source.credentials.access_key_id and secret_access_key{session}"
        new = f"get new temporary keys, and set {setting} and the two keys to them"
        unclear = f"check source.connection.region{session}"
        meanings = (
            (_EXPIRED, AuthenticationError, f"the session token for {place} has expired; {new}"),
            (_WRONG_KEY, AuthenticationError, f"{place} does not accept the keys; {keys}"),
            (_FORBIDDEN, AuthenticationError, f"{place} forbids it (403); {keys}, and what they may read"),
            (_NO_BUCKET, FatalError, f"{place} has no such bucket"),
            (_OTHER_REGION, FatalError, "the bucket is in another region; set source.connection.region"),
            (_NO_REASON, FatalError, f"{place} refuses the request and does not say why (400); {unclear}"),
            (_NO_FILE, RetryableError, "the object vanished while the run was reading"),
        )
        found = ((kind, meaning) for words, kind, meaning in meanings if words.search(text))
        unknown = f"{place} can't be reached or hung up: {_cause(said)}"
        kind, meaning = next(found, (ConnectionFailedError, unknown))
        return kind(f"{location}: {meaning}")


class _Object(io.RawIOBase):
    """An object's bytes, with errors of the transfer told like all others."""

    def __init__(self, opened: pa.NativeFile, storage: S3Storage, location: str) -> None:
        self._opened = opened
        self._storage = storage
        self._location = location

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - all that comes
        with self._storage.told(self._location):
            return self._opened.readinto(buffer)

    def seekable(self) -> bool:
        return self._opened.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._opened.seek(offset, whence)

    def tell(self) -> int:
        return self._opened.tell()

    def close(self) -> None:
        self._opened.close()
        super().close()


def open_s3(credentials: S3Credentials, connection: S3Connection) -> S3Storage:
    """The storage of one job. Settings of the connection win over those among the credentials."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    endpoint = connection.endpoint or credentials.endpoint
    path_style = credentials.path_style_access if connection.path_style_access is None else connection.path_style_access
    address = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}") if endpoint else None
    key, secret, token = credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    if (key is None) != (secret is None):
        message = "source.credentials: access_key_id and secret_access_key go together; one of them is missing"
        raise FatalError(message)
    filesystem = S3FileSystem(
        access_key=key and key.get_secret_value(),
        secret_key=secret and secret.get_secret_value(),
        session_token=token and token.get_secret_value(),
        region=connection.region or credentials.region,
        scheme=address.scheme if address else "https",
        endpoint_override=address.netloc if address else None,
        force_virtual_addressing=path_style is False,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
    return S3Storage(filesystem, address.netloc if address else "AWS S3", temporary=token is not None)


def _file(info: FileInfo) -> File:
    location = SCHEME + info.path
    return File(location, location, info.size, info.mtime_ns or 0)


def _cause(text: str) -> str:
    """The SDK's own words for the failure, without its preamble."""
    found = re.search(r"curlCode: \d+, ([^\n;]*)", text)
    return (found[1] if found else text.rpartition("): ")[2] or text).strip().split("\n")[0][:200]
