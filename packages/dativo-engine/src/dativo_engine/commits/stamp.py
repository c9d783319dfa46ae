"""Stamps in a table: how they are written, and which of them stands.

One per job and table, as JSON in the snapshot's summary, under the key `Tenant.stamp_property`, and in the table's
properties under the same key. Every dativo snapshot carries the stamps of all jobs, so the newest one in the chain of
the current snapshot tells where each job stands, whatever was rolled back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_config.tenancy import Tenant
from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor, Stamp

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

PREFIX = "dativo.stamp."
MAX_BYTES = 4096


def standing(metadata: TableMetadata) -> dict[str, str]:
    """The stamps of all jobs as of the current snapshot, still encoded, by key."""
    snapshots = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    snapshot = metadata.current_snapshot()
    first = None
    while snapshot is not None:
        summary = {} if snapshot.summary is None else snapshot.summary.additional_properties
        if stamps := _stamps(summary):
            return stamps
        first = snapshot
        snapshot = snapshots.get(snapshot.parent_snapshot_id or -1)
    if first is None or first.sequence_number == 1:
        return {}  # empty, or the whole chain was seen: what the properties say was rolled back
    # The chain's older part expired, or the catalogue (Nessie) shows the current snapshot only. A stamp whose snapshot
    # is still there was rolled back, or it would have been met above.
    properties = _stamps(metadata.properties)
    return {key: text for key, text in properties.items() if _snapshot_id(text) not in snapshots}


def known(metadata: TableMetadata, snapshot_id: int | None) -> dict[str, str]:
    """Those that stand, and of jobs that have none the one that came with a snapshot: it was rolled back since."""
    snapshot = None if snapshot_id is None else metadata.snapshot_by_id(snapshot_id)
    summary = None if snapshot is None else snapshot.summary
    return {**_stamps({} if summary is None else summary.additional_properties), **standing(metadata)}


def outdated(metadata: TableMetadata, *, without: Collection[int]) -> list[str]:
    """The properties with stamps that were rolled back and would pass for standing once these snapshots are gone."""
    stands = standing(metadata)
    properties = _stamps(metadata.properties)
    return [key for key, text in properties.items() if key not in stands and _snapshot_id(text) in without]


def kept_stamps(metadata: TableMetadata) -> set[str]:
    """The stamps of all jobs in all snapshots that the table keeps, and in its properties, still encoded."""
    summaries = (snapshot.summary.additional_properties for snapshot in metadata.snapshots if snapshot.summary)
    return {text for texts in (*summaries, metadata.properties) for text in _stamps(texts).values()}


def _snapshot_id(text: str) -> int | None:
    try:
        return json.loads(text).get("snapshot_id")
    except (ValueError, AttributeError):
        return None


def _stamps(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if key.startswith(PREFIX)}


@dataclass(frozen=True, slots=True)
class StampCodec:
    """Writes and reads one job's stamps, and keeps what is too large for them beside the tables.

    Attributes:
        warehouse: the location below which `_dativo/<tenant>/<job>/` lies.
    """

    tenant: Tenant
    job: str
    warehouse: str
    io: FileIO

    @property
    def key(self) -> str:
        """Under which the job's stamp stands in summaries and properties."""
        return self.tenant.stamp_property(self.job)

    @property
    def folder(self) -> str:
        """Where the job keeps what is too large for a stamp."""
        return f"{self.warehouse}/_dativo/{self.tenant.id}/{self.job}"

    def encode(self, stamp: Stamp) -> str:
        """The stamp as text of at most 4 KiB; what makes it larger is in a file of its own before this returns."""
        large: dict[str, JsonValue] = {
            "cursors": {stream: dict(cursor.value) for stream, cursor in sorted(stamp.cursors.items())},
            "quarantine": list(stamp.quarantine),
        }
        small: dict[str, JsonValue] = {
            "job": stamp.job,
            "tenant": stamp.tenant,
            "run_id": stamp.run_id,
            "attempt": stamp.attempt,
            "versions": dict(stamp.versions),
            "committed_at": stamp.committed_at,
            "snapshot_id": stamp.snapshot_id,
        }
        text = _json({**small, **large})
        if len(text.encode()) <= MAX_BYTES:
            return text
        return _json({**small, "object": self._keep(_json(large).encode())})

    def decode(self, text: str) -> Stamp:
        """The stamp again.

        Raises:
            FatalError: the text, or the file that holds the larger part, is not what dativo wrote.
        """
        try:
            found = json.loads(text)
            if "object" in found:
                found |= json.loads(self._kept(found["object"]))
            return Stamp(
                job=found["job"],
                tenant=found["tenant"],
                run_id=found["run_id"],
                attempt=found["attempt"],
                cursors={stream: Cursor(value) for stream, value in found["cursors"].items()},
                versions=found["versions"],
                committed_at=found["committed_at"],
                snapshot_id=found["snapshot_id"],
                quarantine=tuple(found["quarantine"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"the stamp of job {self.job} can't be read ({error}); write a new one with `dativo state set`"
            raise FatalError(message) from error

    def _keep(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        location = f"{self.folder}/{name}.json"
        # Written anew also where it is there: maintenance leaves what is young alone, and takes what nobody names.
        with self.io.new_output(location).create(overwrite=True) as stream:
            stream.write(content)
        return location

    def _kept(self, location: str) -> bytes:
        try:
            with self.io.new_input(location).open() as stream:
                content = stream.read()
        except OSError as error:
            message = (
                f"{location}: the cursor of job {self.job} can't be read: {error.strerror or error}; restore the file"
            )
            raise FatalError(message) from error
        if hashlib.sha256(content).hexdigest() not in location:
            message = f"{location}: the cursor of job {self.job} was changed after it was written; restore the file"
            raise FatalError(message)
        return content


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
