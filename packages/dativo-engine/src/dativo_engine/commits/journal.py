"""What a run staged, remembered on the disk, so that a later run can delete what a killed one left behind.

One file per attempt, written before the first staged file and locked by the process that lives. Its lines name the
tables' locations; the run's data files lie below `<location>/data` and begin with the run's id. Some also name a commit
that the run is about to ask for.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dativo_engine.catalogs.files import make_folder, sync_folder
from dativo_engine.commits.asked import Asked
from dativo_engine.storage import Storage, StoredFile

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from dativo_config.models.resolved import TableName
    from pyiceberg.table import Table

StorageAt = Callable[[str], Storage]
"""The storage that reaches a location: catalogues may hand out credentials for each table."""
SUFFIX = ".staged"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a run that is no more had staged: where, the beginning of its files' names, and the commits it asked for."""

    run_id: str
    journal: Path
    locations: list[str] = field(default_factory=list[str])
    asked: list[Asked] = field(default_factory=list[Asked])

    def files(self, location: str, storage: Storage) -> Iterator[StoredFile]:
        """The run's data files of one table, published or not, finished or not."""
        return (file for file in storage.find(f"{location}/data") if self.run_id in file.name)


class Journal:
    """One attempt's file. It is made with the first location, and gone after `close`."""

    def __init__(self, folder: Path, *, run_id: str, attempt: int) -> None:
        self._run_id = run_id
        self._path = folder / f"{run_id}-{attempt}{SUFFIX}"
        self._file: BinaryIO | None = None
        self._locations: set[str] = set()

    def add(self, location: str) -> None:
        """Remember that the run stages files of the table at `location`; it is on the disk when this returns."""
        if location not in self._locations:
            self._write({"location": location})
            self._locations.add(location)

    def ask(self, location: str, name: TableName, base: Table | None) -> None:
        """Remember, as durably, that the run asks for a commit to the table at `location`; `base`: as it stands."""
        self._write({"location": location, **Asked.now(name, base).to_json()})
        self._locations.add(location)

    def _write(self, entry: dict[str, JsonValue]) -> None:
        if self._file is None:
            self._file = _open_locked(self._path)
        self._file.write(json.dumps({"run_id": self._run_id, **entry}).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def has_files(self, storage_at: StorageAt) -> bool:
        """Whether data files of the run are there, published or not."""
        leftovers = Leftovers(self._run_id, self._path, [*self._locations])
        return any(True for location in leftovers.locations for _ in leftovers.files(location, storage_at(location)))

    def close(self, *, keep: bool = False) -> None:
        """The run's files are published or deleted; `keep`: some may be neither, so a later run looks again."""
        if self._file is not None:
            if not keep:
                self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
            self._locations.clear()


@contextmanager
def abandoned(folder: Path) -> Generator[tuple[list[Leftovers], set[str]]]:
    """What runs left behind that are no more, whose journals are locked until the block ends; and which runs live.

    Args:
        folder: of one job's journals.
    """
    found: list[Leftovers] = []
    living: set[str] = set()
    with ExitStack() as held:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                file = held.enter_context(path.open("rb"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                living.add(path.stem.rpartition("-")[0])
                continue
            except FileNotFoundError:
                continue  # its run ended between the two looks
            leftovers = _read(path, file)
            if not leftovers:
                path.unlink(missing_ok=True)
            found += leftovers
        yield found, living


def _read(path: Path, file: BinaryIO) -> list[Leftovers]:
    found: dict[str, Leftovers] = {}
    for line in file:
        try:
            entry = json.loads(line)
        except ValueError:
            break  # the run died while writing the line, before it staged anything there
        leftovers = found.setdefault(entry["run_id"], Leftovers(entry["run_id"], path))
        if entry["location"] not in leftovers.locations:
            leftovers.locations.append(entry["location"])
        if (asked := Asked.from_json(entry)) is not None:
            leftovers.asked.append(asked)
    return list(found.values())


def _open_locked(path: Path) -> BinaryIO:
    """A new file, locked, that a crash keeps; made again where another process cleared it away before the lock."""
    make_folder(path.parent)
    while True:
        file = path.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            sync_folder(path.parent)
            return file
        file.close()
