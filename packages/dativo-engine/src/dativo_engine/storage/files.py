"""What a storage holds and makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was found.

    Attributes:
        size: bytes; 0 for an upload that was not finished.
        modified_ns: when it was last written, in nanoseconds since 1970.
        upload: the id of an upload that was begun and not finished; empty: it is a file.
    """

    location: str
    size: int
    modified_ns: int
    upload: str = ""

    @property
    def name(self) -> str:
        """The last part of its location."""
        return self.location.rpartition("/")[2]


class Sink(Protocol):
    """Where a new file's bytes go."""

    def write(self, data: Buffer, /) -> int:
        """Append."""
        ...

    def tell(self) -> int:
        """Bytes written so far."""
        ...


class NewFile(Protocol):
    """A file on its way: not there under its name before `finish`. Ends with `finish` or `discard`."""

    @property
    def sink(self) -> Sink: ...

    def finish(self) -> None:
        """Complete it and show it under its name."""
        ...

    def discard(self) -> None:
        """Leave nothing of it. Safe to call after a `finish` that failed, and twice."""
        ...


class Files(Protocol):
    """One kind of storage. Where there is no such file, `FileNotFoundError` is raised."""

    def open(self, location: str) -> pa.NativeFile:
        """A file to read, at any place."""
        ...

    def reading(self, location: str) -> AbstractContextManager[None]:
        """Turn what Arrow raises while files below `location` are read into what the other methods raise."""
        ...

    def create(self, location: str) -> NewFile:
        """A new file, in the place of one that may be there."""
        ...

    def size(self, location: str) -> int:
        """Its bytes."""
        ...

    def find(self, folder: str) -> Iterator[StoredFile]:
        """Every file below a folder, in any order, and what was begun and never finished there."""
        ...

    def delete(self, files: Iterable[StoredFile | str]) -> None:
        """Delete what is there of these; strings are locations."""
        ...
