"""Where a stream stands: until when changes were read, and what the next run has to compare with."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

Ids = npt.NDArray[np.int64]
NO_IDS: Ids = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Versions:
    """Record ids, ascending, each with a moment in epoch milliseconds: when it was changed, or archived."""

    ids: Ids = field(default_factory=lambda: NO_IDS)
    moments: Ids = field(default_factory=lambda: NO_IDS)

    @classmethod
    def of(cls, parts: Iterable[tuple[Ids, Ids]]) -> Versions:
        """Ids and moments in read order; of an id that comes twice the last counts."""
        read = list(parts)
        ids, moments = (np.concatenate([NO_IDS, *(part[side] for part in read)]) for side in (0, 1))
        order = np.argsort(ids, kind="stable")
        last = np.append(np.diff(ids[order]) != 0, np.ones(min(len(ids), 1), np.bool_))
        return cls(ids[order][last], moments[order][last])

    @classmethod
    def joined(cls, parts: Iterable[Versions]) -> Versions:
        """Several as one, in the order in which they were read."""
        return cls.of((part.ids, part.moments) for part in parts)

    def between(self, first: int, end: int) -> Versions:
        """Those from a moment on and before another."""
        inside = (self.moments >= first) & (self.moments < end)
        return Versions(self.ids[inside], self.moments[inside])

    def other_than(self, known: Versions) -> Versions:
        """Those that are unknown, or known at another moment: HubSpot's clocks do not agree, and may go back."""
        places = np.minimum(np.searchsorted(known.ids, self.ids), len(known.ids) - 1)
        if not len(known.ids):
            return self
        other = (known.ids[places] != self.ids) | (known.moments[places] != self.moments)
        return Versions(self.ids[other], self.moments[other])


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands after a run.

    Attributes:
        until: the newest change that the search told of when the run began; None: it knew no record.
        read: what was read of changes around then, so that the next run's overlap brings nothing twice.
        archived: every archived record, and when it was archived; 0: it vanished while the run read, perhaps so.
        keys: every record that the table may hold; None: the job does not reconcile.
        reconciled: when the keys were last compared with those of all records.
    """

    until: int | None = None
    read: Versions = field(default_factory=Versions)
    archived: Versions = field(default_factory=Versions)
    keys: Ids | None = None
    reconciled: int = 0

    @classmethod
    def parse(cls, value: Mapping[str, JsonValue]) -> Standing:
        """Read a committed cursor.

        Raises:
            FatalError: it is not one of this connector.
        """
        try:
            until, keys = cast("int | None", value["until"]), value.get("keys")
            return cls(
                until=None if until is None else int(until),
                read=Versions(_unpacked(value["read"]), _unpacked(value["read_at"])),
                archived=Versions(_unpacked(value["archived"]), _unpacked(value["archived_at"])),
                keys=None if keys is None else _unpacked(keys),
                reconciled=int(cast("int", value["reconciled"])),
            )
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            message = "the job's cursor is not one of HubSpot's; see `dativo state show`, and `dativo state reset`"
            raise FatalError(message) from error

    def to_cursor(self) -> Cursor:
        """As it is committed: some bytes for each id."""
        keys = {} if self.keys is None else {"keys": _packed(self.keys)}
        return Cursor(
            {
                "until": self.until,
                "read": _packed(self.read.ids),
                "read_at": _packed(self.read.moments),
                "archived": _packed(self.archived.ids),
                "archived_at": _packed(self.archived.moments),
                **keys,
                "reconciled": self.reconciled,
            }
        )


def union(parts: Iterable[Ids]) -> Ids:
    """All ids of several parts, ascending."""
    return np.unique(np.concatenate([NO_IDS, *parts]))


def _packed(numbers: Ids) -> str:
    """Numbers as text: their differences, small where they ascend, byte by byte (first all lowest), compressed."""
    differences = np.diff(numbers, prepend=np.zeros(1, np.int64)).astype("<i8")
    columns = differences.view(np.uint8).reshape(-1, 8).T
    return base64.b64encode(zlib.compress(columns.tobytes())).decode()


def _unpacked(text: JsonValue) -> Ids:
    if not isinstance(text, str):
        raise TypeError
    columns = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(8, -1)
    return np.cumsum(np.ascontiguousarray(columns.T).view("<i8").reshape(-1), dtype=np.int64)
