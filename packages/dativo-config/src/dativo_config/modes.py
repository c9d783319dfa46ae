"""How a job's rows go into its tables, where it does not say so itself."""

from __future__ import annotations

from dataclasses import dataclass

from dativo_config.draft import Draft
from dativo_config.models.job import Mode
from dativo_config.streams import DraftStream


@dataclass(frozen=True, slots=True)
class ChosenMode:
    """A write mode, and the sentence that explains it."""

    mode: Mode
    reason: str


def choose_mode(draft: Draft) -> ChosenMode:
    """The mode the job names, else the one that its source and contract make natural."""
    if draft.job.target.mode is not None:
        return ChosenMode(draft.job.target.mode, "target.mode says so")
    if draft.incremental is None:
        return ChosenMode("replace", "the source is read in full, so each run replaces the table")
    if draft.streams and all(primary_key(draft, stream) for stream in draft.streams):
        return ChosenMode("merge", "the source is read incrementally and the contract has a primary key")
    return ChosenMode("append", "the source is read incrementally and the contract has no primary key")


def primary_key(draft: Draft, stream: DraftStream) -> tuple[str, ...]:
    """The columns that identify a row: the contract's, else those that the connector knows."""
    declared = stream.schema.primary_key if stream.schema else ()
    return declared or (draft.spec.natural_key.get(stream.name, ()) if draft.spec else ())
