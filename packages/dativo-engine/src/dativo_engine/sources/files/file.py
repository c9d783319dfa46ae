"""A file as a listing shows it, and the storages that files lie in."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class File:
    """One file, and what tells its content from an earlier one.

    Attributes:
        name: what cursors and messages call it: a path below the project, `s3://bucket/key`, or a URL without secrets.
        location: what its storage opens it by. May hold secrets (a presigned URL).
        size: bytes as stored; None: the server does not say.
        modified_ns: nanoseconds since 1970 in UTC; 0: not known.
    """

    name: str
    location: str
    size: int | None
    modified_ns: int
    etag: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """What a cursor keeps of it."""
        return Fingerprint(self.size, self.modified_ns, self.etag)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's content, as far as a listing tells."""

    size: int | None
    modified_ns: int
    etag: str

    def same(self, other: Fingerprint) -> bool:
        """Whether both are of one content. An ETag, where both have one, says more than a time."""
        if self.size != other.size:
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        return self.modified_ns == other.modified_ns

    @property
    def tells_content(self) -> bool:
        """Whether it would change with the content at all."""
        return bool(self.modified_ns or self.etag)

    def __str__(self) -> str:
        return f"{self.size}:{self.modified_ns}:{self.etag}"


class Storage(Protocol):
    """Where files lie: this machine, S3, a web server."""

    def find(self, pattern: str, suffixes: tuple[str, ...]) -> Iterable[File]:
        """The files that a path, glob or folder names; in a folder those with one of the suffixes. Unordered.

        Raises:
            ConnectionFailedError, AuthenticationError, FatalError: naming host or path.
        """
        ...

    def look(self, location: str) -> File:
        """One file as it is now.

        Raises:
            RetryableError: it has vanished.
        """
        ...

    def stream(self, location: str) -> io.RawIOBase:
        """Its bytes from the beginning. The caller closes."""
        ...

    def random_access(self, location: str) -> pa.NativeFile:
        """Its bytes in any order. The caller closes."""
        ...
