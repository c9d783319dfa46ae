"""What a run staged, remembered on the disk, so that a later run can delete what a killed one left behind.

One file per attempt, written before the first staged file and locked by the process that lives. Its lines name the
tables' locations; the run's data files lie below `<location>/data` and begin with the run's id. Some also name a commit
that the run is about to ask for.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dativo_config.wording import counted

from dativo_engine.catalogs.files import make_folder, sync_folder
from dativo_engine.catalogs.locations import canonical
from dativo_engine.commits.asked import Asked
from dativo_engine.commits.checkpoint import FILE as CHECKPOINT
from dativo_engine.commits.fence import Place
from dativo_engine.commits.leftovers import leftovers_told
from dativo_engine.commits.publication import Publication
from dativo_engine.events import Events
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
        sync_folder(self._path.parent)

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


def clear_leftovers(
    folder: Path,
    publication: Publication,
    places: Sequence[Place],
    storage_at: StorageAt,
    events: Events,
    *,
    keep: Collection[str] = (),
) -> bool:
    """Delete the files of runs that are no more, except data files which readers of the tables may see.

    What can't be deleted, as by a role that may not, is told and stays, and so does what says that it is there.

    Args:
        keep: locations of files that a checkpoint still needs.

    Returns:
        Whether that is all: files of runs that may yet become visible wait until they can't any more.
    """
    with _abandoned(folder) as (found, living):
        # First: what is not visible by the time that readers' files are looked up then never will be.
        asked: dict[str, list[Asked]] = {}
        for leftovers in found:
            asked.setdefault(leftovers.run_id, []).extend(leftovers.asked)
        waiting = publication.forget(asked, living=living)
        for leftovers in found:
            for draft in folder.glob(f"*{leftovers.run_id}.{CHECKPOINT}*"):
                draft.unlink(missing_ok=True)
            if leftovers.run_id in waiting:
                continue
            with leftovers_told(events, f"Files that run {leftovers.run_id} left behind"):
                deleted = _clear(leftovers, publication, places, storage_at, keep)
                if deleted:
                    message = f"Deleted {counted(deleted, 'file')} that run {leftovers.run_id} left behind unpublished"
                    events.emit("leftovers_removed", message, left_by=leftovers.run_id, files=deleted)
                leftovers.journal.unlink(missing_ok=True)
    return not waiting


def _clear(
    leftovers: Leftovers,
    publication: Publication,
    places: Sequence[Place],
    storage_at: StorageAt,
    keep: Collection[str],
) -> int:
    """Delete one run's files that no reader may see; answers how many."""
    files = {location: list(leftovers.files(location, storage_at(location))) for location in leftovers.locations}
    # The job may no longer feed a table that the run committed to.
    others = {asked.table for asked in leftovers.asked} - {place.name for place in places}
    tables = [*places, *(Place(publication.catalog, name) for name in others)]
    needed = {canonical(path) for path in keep} | (_named(publication, tables) if any(files.values()) else set[str]())
    deleted = 0
    for location, here in files.items():
        orphans = [file for file in here if file.upload or canonical(file.location) not in needed]
        storage_at(location).delete(orphans)
        deleted += len(orphans)
    return deleted


def sweep(locations: Collection[str], publication: Publication, places: Sequence[Place], storage_at: StorageAt) -> None:
    """Delete these files, except those which readers of the tables may see."""
    named = _named(publication, places) if locations else set[str]()
    gone: dict[Storage, list[str]] = {}
    for location in locations:
        if canonical(location) not in named:
            gone.setdefault(storage_at(location), []).append(location)
    for storage, files in gone.items():
        storage.delete(files)


def _named(publication: Publication, places: Sequence[Place]) -> set[str]:
    return {canonical(path) for path in publication.named(places)}


@contextmanager
def _abandoned(folder: Path) -> Generator[tuple[list[Leftovers], set[str]]]:
    """What runs left behind that are no more, whose journals are locked until the block ends; and which runs live."""
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
    """A new file, locked; made again where another process cleared it away before it was locked."""
    make_folder(path.parent)
    while True:
        file = path.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
