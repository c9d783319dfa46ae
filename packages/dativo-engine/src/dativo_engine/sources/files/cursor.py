"""Where a stream of files stands: which files were loaded, and how they looked then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor
from dativo_engine.sources.files.file import File, Fingerprint

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue


@dataclass(frozen=True, slots=True)
class FilesCursor:
    """The loaded files by name; as JSON `{"files": {name: [size, modified_ns, etag]}}`."""

    files: Mapping[str, Fingerprint]

    @classmethod
    def parse(cls, cursor: Cursor | None) -> FilesCursor:
        """Read a committed cursor. None, and the empty one of a run without strategy: no files."""
        if cursor is None:
            return cls({})
        files = cast("dict[str, list[JsonValue]]", cursor.value.get("files", {}))
        try:
            return cls({name: _fingerprint(*entry) for name, entry in files.items()})
        except (AttributeError, TypeError, ValueError) as error:
            message = "the job's cursor is not one of a file source; see `dativo state show`, and `dativo state reset`"
            raise FatalError(message) from error

    def to_cursor(self) -> Cursor:
        """As it is committed."""
        return Cursor({"files": {name: [it.size, it.modified_ns, it.etag] for name, it in sorted(self.files.items())}})

    def advance(
        self, found: Iterable[File], *, rereads_changed: bool, ignores_changed: bool
    ) -> tuple[list[File], FilesCursor]:
        """Choose what to read of the files that are there now, and say where the stream stands after it.

        A file that is gone leaves the cursor. If all are gone, the cursor stays: an unmounted disk or an emptied
        folder is likelier than the wish to load every file again when they are back.

        Raises:
            FatalError: a loaded file changed and may neither be read again nor be ignored.
        """
        chosen: list[File] = []
        after: dict[str, Fingerprint] = {}
        for file in found:
            before = self.files.get(file.name)
            after[file.name] = file.fingerprint
            if before is None:
                chosen.append(_with_known_content(file))
            elif not before.same(file.fingerprint):
                if rereads_changed:
                    chosen.append(_with_known_content(file))
                elif ignores_changed:
                    after[file.name] = before
                else:
                    raise _changed(file)
        return chosen, FilesCursor(after) if after else self


def _fingerprint(size: JsonValue, modified_ns: JsonValue, etag: JsonValue) -> Fingerprint:
    if not (isinstance(size, int | None) and isinstance(modified_ns, int) and isinstance(etag, str)):
        raise TypeError
    return Fingerprint(size, modified_ns, etag)


def _with_known_content(file: File) -> File:
    if file.fingerprint.tells_content:
        return file
    message = (
        f"{file.name}: the server gives neither ETag nor Last-Modified, so that a changed file can't be recognised; "
        "leave out source.incremental"
    )
    raise FatalError(message)


def _changed(file: File) -> FatalError:
    return FatalError(
        f"{file.name}: changed after it was loaded, and append would load its rows twice; "
        "write changes to new files, use target.mode merge or replace, "
        "or leave changed files alone with target.on_changed_file: ignore"
    )
