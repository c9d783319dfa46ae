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
    def of(cls, ids: Ids, moments: Ids) -> Versions:
        """In whatever order; of an id that comes twice the later moment counts."""
        order = np.lexsort((moments, ids))
        last = np.append(np.diff(ids[order]) != 0, np.ones(min(len(ids), 1), np.bool_))
        return cls(ids[order][last], moments[order][last])

    def since(self, moment: int) -> Versions:
        """Those at the moment or later."""
        late = self.moments >= moment
        return Versions(self.ids[late], self.moments[late])

    def merged(self, others: Versions) -> Versions:
        """These and others."""
        return Versions.of(np.concatenate([self.ids, others.ids]), np.concatenate([self.moments, others.moments]))

    def newer_than(self, known: Versions) -> Versions:
        """Those that are unknown, or were known at an earlier moment."""
        places = np.searchsorted(known.ids, self.ids)
        before = np.full(len(self.ids), -1, np.int64)
        inside = places < len(known.ids)
        same = np.flatnonzero(inside)[known.ids[places[inside]] == self.ids[inside]]
        before[same] = known.moments[places[same]]
        newer = self.moments > before
        return Versions(self.ids[newer], self.moments[newer])


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands after a run.

    Attributes:
        until: the newest change that the search told of when the run began; None: it knew no record.
        read: what was read of changes around then, so that the next run's overlap brings nothing twice.
        archived: every archived record, and when it was archived.
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
