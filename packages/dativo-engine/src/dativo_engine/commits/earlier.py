"""Files that earlier runs of a job left, which a later run deletes once no reader can ever see them.

A run that was killed leaves what its journal tells of, and a checkpoint that nobody goes on from leaves what it names.
Any of it may be visible: the run may have committed just before its end, or may yet by a request that is still on its
way. So each file is looked for in what readers see before it goes, and such a request is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from dativo_config.wording import counted

from dativo_engine.catalogs.locations import canonical
from dativo_engine.commits.asked import Asked
from dativo_engine.commits.checkpoint import FILE as CHECKPOINT
from dativo_engine.commits.checkpoint import Checkpoints
from dativo_engine.commits.fence import Place
from dativo_engine.commits.journal import Leftovers, StorageAt, abandoned
from dativo_engine.commits.leftovers import leftovers_told
from dativo_engine.commits.publication import Publication
from dativo_engine.events import Events
from dativo_engine.storage import Storage


class EarlierRuns:
    """What earlier runs of one job left, in the hands of the next one.

    Args:
        folder: where the job's journals and its checkpoint lie.
        places: the job's tables and their quarantines.
    """

    def __init__(
        self, folder: Path, publication: Publication, places: Sequence[Place], storage_at: StorageAt, events: Events
    ) -> None:
        self._folder = folder
        self._publication = publication
        self._places = places
        self._storage_at = storage_at
        self._events = events
        # Whether something of theirs may yet become visible: then it, and what a checkpoint names, waits.
        self._waiting = False
        self._unswept = set[str]()
        self._in_checkpoint: Collection[str] = ()

    def clear(self) -> None:
        """Delete the files of runs that are no more, except those which readers may see or a checkpoint needs.

        What can't be deleted, as by a role that may not, is told and stays, and so does what says that it is there.
        """
        left = Checkpoints(self._folder).load()
        self._in_checkpoint = () if left is None else left.paths
        self._clear()

    def clear_rest(self) -> None:
        """Do it for what had to wait until this run had changed the tables, as it now has."""
        if not self._waiting:
            return
        with leftovers_told(self._events, "Files of runs that were killed"):
            self._clear()
        self.sweep(())

    def wrote(self, path: str) -> bool:
        """Whether one of them wrote the file, and a checkpoint gave it to this run."""
        return path in self._in_checkpoint

    def sweep(self, locations: Collection[str]) -> None:
        """Delete these files, which they wrote, except those which readers may see.

        While something may yet become visible they stay; if that goes on, `table maintain` finds them.
        """
        self._unswept.update(locations)
        if self._waiting:
            return
        with leftovers_told(self._events, "Files of a checkpoint that nobody goes on from"):
            named = self._named(self._places) if self._unswept else set[str]()
            gone: dict[Storage, list[str]] = {}
            for location in self._unswept:
                if canonical(location) not in named:
                    gone.setdefault(self._storage_at(location), []).append(location)
            for storage, files in gone.items():
                storage.delete(files)
        self._unswept.clear()

    def _clear(self) -> None:
        with abandoned(self._folder) as (found, living):
            asked: dict[str, list[Asked]] = {}
            for leftovers in found:
                asked.setdefault(leftovers.run_id, []).extend(leftovers.asked)
            # First: what is not visible by the time that readers' files are looked up then never will be.
            waiting = self._publication.forget(asked, living=living)
            for leftovers in found:
                for draft in self._folder.glob(f"*{leftovers.run_id}.{CHECKPOINT}*"):
                    draft.unlink(missing_ok=True)
                if leftovers.run_id not in waiting:
                    self._clear_run(leftovers)
        self._waiting = bool(waiting)

    def _clear_run(self, leftovers: Leftovers) -> None:
        run_id = leftovers.run_id
        with leftovers_told(self._events, f"Files that run {run_id} left behind"):
            deleted = self._delete(leftovers)
            if deleted:
                message = f"Deleted {counted(deleted, 'file')} that run {run_id} left behind unpublished"
                self._events.emit("leftovers_removed", message, left_by=run_id, files=deleted)
            leftovers.journal.unlink(missing_ok=True)

    def _delete(self, leftovers: Leftovers) -> int:
        """Delete one run's files that no reader may see; answers how many."""
        storages = {location: self._storage_at(location) for location in leftovers.locations}
        files = {location: list(leftovers.files(location, storage)) for location, storage in storages.items()}
        if not any(files.values()):
            return 0
        # The job may no longer feed a table that the run committed to.
        others = {asked.table for asked in leftovers.asked} - {place.name for place in self._places}
        places = [*self._places, *(Place(self._publication.catalog, name) for name in others)]
        needed = {canonical(path) for path in self._in_checkpoint} | self._named(places)
        deleted = 0
        for location, here in files.items():
            orphans = [file for file in here if file.upload or canonical(file.location) not in needed]
            storages[location].delete(orphans)
            deleted += len(orphans)
        return deleted

    def _named(self, places: Sequence[Place]) -> set[str]:
        return {canonical(path) for path in self._publication.named(places)}
