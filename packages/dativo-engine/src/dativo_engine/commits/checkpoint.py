"""A resume point of a long run: what was finished and is not yet visible, so that the next run need not read it again.

It is adopted only by a run that would have done the same: same contract and options, same start stamps, same schema
and partitioning, and a source whose finished parts did not change. Anything else deletes it.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dativo_config.models.resolved import TableName

from dativo_engine.catalogs.files import sync_folder, write_durably
from dativo_engine.interfaces import Cursor, Split, StagedFile, Stamp, TableLayout
from dativo_engine.results import Tally

FILE = "checkpoint"
DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class LaneState:
    """One stream's share of a checkpoint.

    Attributes:
        files, quarantine: finished data files that no reader can see.
        partial: the enforcer's.
        cursor: of the last batch.
    """

    files: tuple[StagedFile, ...]
    quarantine: tuple[StagedFile, ...]
    partial: object
    rejected: int
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run had finished.

    Attributes:
        key: see `checkpoint_key`.
        finished: split id -> identity, of splits that were read to their end.
        begun: the split that was being read, as it goes on; None: none was.
    """

    key: str
    run_id: str
    lanes: Mapping[str, LaneState]
    finished: Mapping[str, str]
    begun: Split | None
    tally: Tally

    @property
    def paths(self) -> set[str]:
        """Every file it names."""
        return {file.path for lane in self.lanes.values() for file in (*lane.files, *lane.quarantine)}

    def rest_of(self, splits: Iterator[Split]) -> Iterator[Split]:
        """What is still to be read.

        Raises:
            StaleCheckpointError: a part that was read has changed or is gone.
        """
        missing = dict(self.finished)
        if self.begun is not None:
            missing[self.begun.id] = self.begun.identity
        for split in splits:
            identity = missing.pop(split.id, None)
            if identity is not None and identity != split.identity:
                raise StaleCheckpointError(split.id)
            if split.id in self.finished:
                continue
            yield self.begun if self.begun is not None and self.begun.id == split.id else split
        if missing:
            raise StaleCheckpointError(*missing)


class StaleCheckpointError(Exception):
    """The source is no longer what the checkpoint was made from; holds the ids of the splits that changed."""


class Checkpoints:
    """The checkpoint of one job, a file in its `staged` folder: a SHA-256, and the pickle that it is of."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def load(self) -> Checkpoint | None:
        """The last one saved; None if there is none, if it was damaged, or if another version made it."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        digest, pickled = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(pickled).digest() != digest:
            return None
        try:
            found = pickle.loads(pickled)  # noqa: S301 - the tenant's own state, as `save` wrote it
        except (pickle.UnpicklingError, AttributeError, ImportError, EOFError, TypeError, ValueError):
            return None
        return found if isinstance(found, Checkpoint) else None

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep it in the place of the last; it is on the disk when this returns."""
        # Named by the run, so that what a crash leaves of it goes with the run's other leftovers.
        draft = self._path.with_name(f"{checkpoint.run_id}.{FILE}")
        pickled = pickle.dumps(checkpoint)
        write_durably(draft, hashlib.sha256(pickled).digest() + pickled)
        draft.replace(self._path)
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Forget the last one; its files are the committer's to sweep."""
        self._path.unlink(missing_ok=True)


def checkpoint_key(
    digest: str,
    stamps: Mapping[TableName, Stamp | None],
    layouts: Sequence[TableLayout],
    *,
    full_refresh: bool,
    versions: Mapping[str, str],
) -> str:
    """What two runs have in common if one may go on where the other stopped."""
    shapes = [(layout.table, layout.schema, layout.spec, layout.sort_order) for layout in layouts]
    text = repr(
        (digest, sorted(stamps.items(), key=lambda item: str(item[0])), shapes, full_refresh, sorted(versions.items()))
    )
    return hashlib.sha256(text.encode()).hexdigest()
