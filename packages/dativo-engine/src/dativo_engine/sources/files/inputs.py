"""The files of a job: found once, planned as one split each, opened with a check that they did not change."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dativo_config.wording import counted

from dativo_engine import urls
from dativo_engine.errors import FatalError, RetryableError
from dativo_engine.interfaces import Cursor, SourceSettings, Split, StreamSettings
from dativo_engine.sources.files import s3
from dativo_engine.sources.files.cursor import FilesCursor
from dativo_engine.sources.files.file import File, Storage
from dativo_engine.sources.files.local import LocalStorage
from dativo_engine.sources.files.opened import Opened
from dativo_engine.sources.files.patterns import folder_of, has_wildcard
from dativo_engine.sources.files.spec import Compression, FileOptions, S3Connection, S3Credentials

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_engine.sources.files.http import HttpStorage


@dataclass(frozen=True, slots=True)
class FilesPlan:
    """Every file of the run that is read, one split each, and where each stream stands after them."""

    files: Mapping[str, Sequence[File]]
    ends: Mapping[str, Cursor | None]
    resumable: bool

    @property
    def splits(self) -> Iterator[Split]:
        """Stream by stream, in read order."""
        for stream, files in self.files.items():
            yield from (_split(stream, file, resumable=self.resumable) for file in files)

    def close(self, committed: Mapping[str, Cursor] | None) -> None:
        """Files hold nothing open between runs."""


class FileInputs:
    """What the streams of one job read, wherever it lies.

    Args:
        settings: the job's.
        suffixes: what names of data files end in, where an input is a folder.
        resumable: whether the format can be read from within a file.
    """

    def __init__(self, settings: SourceSettings, suffixes: tuple[str, ...], *, resumable: bool = False) -> None:
        self._settings = settings
        self._resumable = resumable
        self._suffixes = suffixes
        options = settings.options if isinstance(settings.options, FileOptions) else FileOptions()
        self._compression: Compression = options.compression

    def check(self) -> None:
        """Find every stream's files, and read the beginning of one of each.

        Raises:
            ConnectionFailedError, AuthenticationError, FatalError: naming the file, the host or the setting.
        """
        for stream in self._settings.streams:
            file = self._find(stream)[0]
            with self._opened(file) as opened:
                opened.read(1)

    def plan(self, starts: Mapping[str, Cursor | None]) -> FilesPlan:
        """Every file, or with `file_modified_time` those that are new or changed since the cursor.

        Without a strategy files are read by name; with it by modification time, so that the newest word comes last.

        Raises:
            FatalError: an input names no file; or a file that was loaded before has changed, and rows of it would be
                loaded twice.
        """
        plan = self._plan_changes if self._settings.incremental is not None else self._plan_all
        planned = {stream.name: plan(stream, starts.get(stream.name)) for stream in self._settings.streams}
        files = {name: files for name, (files, _) in planned.items()}
        return FilesPlan(files, {name: end for name, (_, end) in planned.items()}, self._resumable)

    def sample(self, stream: StreamSettings) -> tuple[Split, str]:
        """The first file of a stream, and how many there are, for `discover`."""
        files = self._find(stream)
        size = sum(file.size or 0 for file in files)
        return _split(stream.name, files[0]), f"{counted(len(files), 'file')}, {counted(size, 'byte')}"

    @contextmanager
    def open(self, split: Split) -> Generator[Opened]:
        """A split's bytes. Its file is looked at before and after, so that a half-written one is never loaded.

        Raises:
            RetryableError: the file changed since it was planned, or while it was read.
        """
        file = self._unchanged(split)
        with self._opened(file) as opened:
            yield opened
        self._unchanged(split)

    @contextmanager
    def open_random_access(self, split: Split) -> Generator[tuple[File, pa.NativeFile]]:
        """As `open`, for formats that are not read from beginning to end."""
        file = self._unchanged(split)
        with self._storage(file.location).random_access(file.location) as opened:
            yield file, opened
        self._unchanged(split)

    def _plan_all(self, stream: StreamSettings, start: Cursor | None) -> tuple[Sequence[File], Cursor]:  # noqa: ARG002 - as below
        return sorted(self._find(stream), key=lambda file: file.name), Cursor({})

    def _plan_changes(self, stream: StreamSettings, start: Cursor | None) -> tuple[Sequence[File], Cursor]:
        before = FilesCursor.parse(start)
        chosen, after = before.advance(
            self._find(stream, may_be_empty=bool(before.files)),
            rereads_changed=self._settings.rereads_changed_files,
            ignores_changed=self._settings.on_changed_file == "ignore",
        )
        return sorted(chosen, key=lambda file: (file.modified_ns, file.name)), after.to_cursor()

    def _find(self, stream: StreamSettings, *, may_be_empty: bool = False) -> list[File]:
        found: dict[str, File] = {}
        for pattern in stream.inputs:
            files = list(self._storage(pattern).find(pattern, self._suffixes))
            if not files and not may_be_empty:
                raise self._nothing(pattern)
            found.update((file.name, file) for file in files)
        return list(found.values())

    def _nothing(self, pattern: str) -> FatalError:
        if "://" in pattern and not pattern.startswith((s3.SCHEME, *urls.SCHEMES)):
            return FatalError(f"{pattern}: can't be read from there; write a path, s3://, http:// or https://")
        if has_wildcard(pattern) and not pattern.startswith(urls.SCHEMES):
            return FatalError(f"{pattern}: no file matches; looked in {folder_of(pattern) or '/'}")
        ends = ", ".join(self._suffixes)
        return FatalError(f"{pattern}: there is no such file, and no folder with files that end in {ends}")

    def _unchanged(self, split: Split) -> File:
        stream = next(stream for stream in self._settings.streams if stream.name == split.streams[0])
        where = split.payload["location"]
        location = (
            where
            if isinstance(where, str)
            else next(url for url in stream.inputs if urls.public_name(url) == split.payload["name"])
        )
        file = self._storage(location).look(location)
        if str(file.fingerprint) != split.identity:
            message = f"{file.name}: the file changed while the run was reading; it is read again from its beginning"
            raise RetryableError(message)
        return file

    @contextmanager
    def _opened(self, file: File) -> Generator[Opened]:
        with self._storage(file.location).stream(file.location) as raw, Opened(file, raw, self._compression) as opened:
            yield opened

    def _storage(self, location: str) -> Storage:
        if location.startswith(s3.SCHEME):
            return self._s3
        return self._http if location.startswith(urls.SCHEMES) else self._local

    @cached_property
    def _local(self) -> LocalStorage:
        return LocalStorage(self._settings.project, self._settings.walls)

    @cached_property
    def _s3(self) -> s3.S3Storage:
        given, place = self._settings.credentials, self._settings.connection
        return s3.open_s3(
            given if isinstance(given, S3Credentials) else S3Credentials(),
            place if isinstance(place, S3Connection) else S3Connection(),
        )

    @cached_property
    def _http(self) -> HttpStorage:
        from dativo_engine.sources.files.http import HttpStorage  # its client is only for those who read URLs

        return HttpStorage(copies=self._settings.spill_folder)


def _split(stream: str, file: File, *, resumable: bool = False) -> Split:
    """A URL may hold a signature, so it stays out of the payload: its name finds it among the inputs."""
    location = None if file.location.startswith(urls.SCHEMES) else file.location
    return Split(
        id=f"{stream}:{file.name}",
        streams=(stream,),
        identity=str(file.fingerprint),
        payload={"name": file.name, "location": location},
        size=file.size,
        resumable=resumable,
    )
