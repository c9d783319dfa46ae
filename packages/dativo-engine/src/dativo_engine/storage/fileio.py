"""The storage as PyIceberg reads and writes metadata through it: named in the `py-io-impl` of our catalogues."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from typing_extensions import override

from dativo_engine.catalogs.files import DurableStream
from dativo_engine.catalogs.locations import is_local, local_path
from dativo_engine.storage.storage import Storage

if TYPE_CHECKING:
    from dativo_engine.storage.files import NewFile


class StorageFileIO(FileIO):
    """PyIceberg's way to the files of tables, wherever each lies.

    A local file is complete or absent, and on the disk before anyone may name it. PyIceberg's own local file system
    leaves a half-written file behind a crash, and a catalogue on the disk whose metadata file is not after a power
    cut. Its S3 makes three requests for a small object, and folders that are none when it deletes one.
    """

    @cached_property
    def storage(self) -> Storage:
        """Where the files are."""
        return Storage(self.properties)

    @override
    def new_input(self, location: str) -> StorageFile:
        return StorageFile(location, self.storage)

    @override
    def new_output(self, location: str) -> StorageFile:
        return StorageFile(location, self.storage)

    @override
    def delete(self, location: str | InputFile | OutputFile) -> None:
        self.storage.delete([location if isinstance(location, str) else location.location])


class StorageFile(InputFile, OutputFile):
    """A file to read or to write."""

    def __init__(self, location: str, storage: Storage) -> None:
        super().__init__(location)
        self._storage = storage

    @override
    def __len__(self) -> int:
        return self._storage.size(self.location)

    @override
    def exists(self) -> bool:
        return self._storage.exists(self.location)

    @override
    def open(self, seekable: bool = True) -> InputStream:
        # Arrow's file lets Parquet be read without Python's lock; its stub lacks what the protocol names.
        return cast("InputStream", self._storage.open(self.location))

    @override
    def to_input_file(self) -> StorageFile:
        return self

    @override
    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        if is_local(self.location):
            return DurableStream(local_path(self.location))
        return _Stream(self._storage.create(self.location))


class _Stream(OutputStream):
    """A new file that is there once the stream is closed."""

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self._open = True

    @override
    def write(self, b: bytes) -> int:
        return self._file.sink.write(b)

    @override
    def tell(self) -> int:
        return self._file.sink.tell()

    @property
    def closed(self) -> bool:
        """Asked by pyarrow, as are the next two."""
        return not self._open

    def flush(self) -> None:
        """There is nothing that could be sent earlier."""

    def writable(self) -> bool:
        """Always."""
        return True

    @override
    def close(self) -> None:
        if self._open:
            self._open = False
            self._file.finish()

    @override
    def __enter__(self) -> OutputStream:
        return self

    @override
    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        if exctype is None:
            self.close()
        elif self._open:
            self._open = False
            self._file.discard()
