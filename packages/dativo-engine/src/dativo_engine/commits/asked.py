"""Requests for commits as a run's journal has them, to tell which of a dead run's may still be carried out.

A request changes one state of its table. Until the table has another one it may land, however late, also if the process
that sent it is no more; from then on the catalogue refuses it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_config.models.resolved import TableName

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, noted before it is sent.

    Attributes:
        base: see `state_of`: of the table that it changes.
        at: seconds since the epoch.
    """

    table: TableName
    base: str
    at: float

    @classmethod
    def now(cls, name: TableName, base: Table | None) -> Asked:
        """A request to change the table as it stands; None: to create it."""
        return cls(name, state_of(base), time.time())

    def to_json(self) -> dict[str, JsonValue]:
        """What `from_json` reads."""
        return {"asked": [*self.table.namespace, self.table.table], "base": self.base, "at": self.at}

    @classmethod
    def from_json(cls, entry: dict[str, JsonValue]) -> Asked | None:
        """What an entry of a journal notes; None: it is of something else."""
        match entry:
            case {"asked": [*namespace, str(table)], "base": str(base), "at": int() | float() as at}:
                return cls(TableName(tuple(map(str, namespace)), table), base, at)
            case _:
                return None


def state_of(table: Table | None) -> str:
    """What a commit requires of a table's current state, in short; empty: there is no table."""
    return "" if table is None else f"{table.metadata.table_uuid}/{table.metadata.current_snapshot_id}"
