"""Going on where an interrupted run stopped, and leaving a point from which the next one can."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dativo_config.models.job import Checkpoint as Due
from dativo_config.wording import counted

from dativo_engine.commits.checkpoint import Checkpoint, Checkpoints, LaneState, StaleCheckpointError
from dativo_engine.commits.quarantine import rejected_again
from dativo_engine.errors import CommitConflictError
from dativo_engine.events import Events
from dativo_engine.interfaces import Batch, Committer, Plan, Split
from dativo_engine.lanes import Lane
from dativo_engine.results import Tally


@dataclass(slots=True)
class Resume:
    """The checkpoint of one attempt: adopted at its start, moved on while it reads.

    Attributes:
        due: how often; None: never, and none is adopted.
        key: what an adopted checkpoint must have been made with.
    """

    folder: Path
    key: str
    run_id: str
    due: Due | None
    committer: Committer
    events: Events
    _adopted: Checkpoint | None = None
    _finished: dict[str, str] = field(default_factory=dict[str, str])
    _rows: int = 0
    _bytes: int = 0
    _since: float = field(default_factory=time.monotonic)

    def adopt(self, lanes: Mapping[str, Lane], tally: Tally) -> None:
        """Take over what an interrupted run had finished, if this run would have done the same."""
        store = Checkpoints(self.folder)
        left = store.load()
        found = left if self.due is not None and left is not None and self._fits(left, lanes) else None
        if found is None:
            if left is not None:
                self.committer.sweep(left.paths)
                store.drop()
            return
        self._adopted = found
        self._finished = dict(found.finished)
        tally.rows_read = found.tally.rows_read
        tally.rows_accepted = found.tally.rows_accepted
        tally.rows_rejected = found.tally.rows_rejected
        for name, state in found.lanes.items():
            lane = lanes[name]
            lane.files += state.files
            lane.enforcer.go_on(state.partial, state.files)
            lane.rejected, lane.cursor = state.rejected, state.cursor
            # Rejected rows carry the run that will show them, which is now this one.
            lane.quarantine_files += rejected_again(
                state.quarantine, lane.storages[1], lane.open_writers()[1], lane.run_id, lane.attempt
            )
        self._save(lanes, tally, begun=found.begun)
        self.committer.sweep({file.path for state in found.lanes.values() for file in state.quarantine})
        self.events.emit(
            "checkpoint_adopted",
            f"Going on after {counted(tally.rows_read, 'row')} that run {found.run_id} had read",
            rows_read=tally.rows_read,
            left_by=found.run_id,
        )

    def rest_of(self, plan: Plan) -> Iterator[Split]:
        """The splits that are still to be read, the begun one from where it stopped.

        Raises:
            CommitConflictError: a part that was read has changed: plan again, without the checkpoint.
        """
        if self._adopted is None:
            yield from plan.splits
            return
        try:
            yield from self._adopted.rest_of(iter(plan.splits))
        except StaleCheckpointError as error:
            self.drop(delete=True)
            message = f"{error.args[0]} changed since the interrupted run read it; reading everything again"
            raise CommitConflictError(message) from error

    def after_batch(self, split: Split, batch: Batch, lanes: Mapping[str, Lane], tally: Tally) -> None:
        """Leave a checkpoint if one is due and the split can go on after this batch."""
        self._rows += batch.records.num_rows
        self._bytes += batch.bytes_read
        if split.resumable and batch.cursor is not None and self._is_due():
            self._save(lanes, tally, begun=replace(split, resume=batch.cursor))

    def after_split(self, split: Split, lanes: Mapping[str, Lane], tally: Tally) -> None:
        """The split was read to its end."""
        self._finished[split.id] = split.identity
        if self._is_due():
            self._save(lanes, tally, begun=None)

    def drop(self, *, delete: bool = False) -> None:
        """There is nothing to go on from any more; `delete`: nor are its files of use."""
        store = Checkpoints(self.folder)
        if delete and (left := store.load()) is not None:
            self.committer.sweep(left.paths)
        store.drop()

    def _fits(self, left: Checkpoint, lanes: Mapping[str, Lane]) -> bool:
        """Whether this run would have done the same, and the files are all there."""
        return left.key == self.key and all(
            storage.exists(file.path)
            for name, state in left.lanes.items()
            for storage, files in zip(lanes[name].storages, (state.files, state.quarantine), strict=True)
            for file in files
        )

    def _is_due(self) -> bool:
        due = self.due
        return due is not None and (
            (due.rows is not None and self._rows >= due.rows)
            or (due.bytes is not None and self._bytes >= due.bytes)
            or (due.seconds is not None and time.monotonic() - self._since >= due.seconds)
        )

    def _save(self, lanes: Mapping[str, Lane], tally: Tally, *, begun: Split | None) -> None:
        # A run that a rejected row will end leaves nothing to go on from.
        if any(lane.rejected and not lane.keeps_rejected for lane in lanes.values()):
            return
        for lane in lanes.values():
            lane.finish_files()
        states = {
            name: LaneState(
                files=tuple(lane.files),
                quarantine=tuple(lane.quarantine_files),
                partial=lane.enforcer.partial(),
                rejected=lane.rejected,
                cursor=lane.cursor,
            )
            for name, lane in lanes.items()
        }
        Checkpoints(self.folder).save(Checkpoint(self.key, self.run_id, states, dict(self._finished), begun, tally))
        self._rows = self._bytes = 0
        self._since = time.monotonic()
        self.events.emit(
            "checkpoint_saved", f"{tally.rows_read:,} rows need not be read again", rows_read=tally.rows_read
        )
