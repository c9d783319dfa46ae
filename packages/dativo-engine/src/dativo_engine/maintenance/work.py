"""What maintenance is asked and what it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

KEPT_DAYS = 7
KEPT_SNAPSHOTS = 5
KEPT_QUARANTINE_DAYS = 90


@dataclass(frozen=True, slots=True)
class Kept:
    """What maintenance leaves: snapshots of so many days and at least so many, rejected rows of so many days."""

    days: int = KEPT_DAYS
    snapshots: int = KEPT_SNAPSHOTS
    quarantine_days: int = KEPT_QUARANTINE_DAYS


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do for one table, or what was done.

    Attributes:
        rejected_rows: that were kept long enough.
        snapshots: of the table and its quarantine, that are old enough.
        small_files: and files with dead rows, to be written anew.
        into_files: what they became; None: not done yet.
        orphans: files that nothing names; `orphan_bytes` their size. What expiring leaves unnamed is not among them.
    """

    table: str
    rejected_rows: int
    snapshots: int
    small_files: int
    into_files: int | None
    orphans: int
    orphan_bytes: int

    def to_json(self) -> dict[str, JsonValue]:
        """One object of `dativo table maintain --json`: documented, stable names."""
        return asdict(self)
