"""The other side of a source under test: what a connector's author writes to have it checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

import pyarrow as pa

from dativo_engine.interfaces import SourceSettings
from dativo_engine.testing.capabilities import NotOffered

Damage: TypeAlias = Literal["missing", "unreachable", "refused"]


class SourceWorld(ABC):
    """Where the source under test reads: one stream, empty at first, which the kit fills, changes and breaks.

    A world makes up its rows itself, all of them different, as the connector's own data are. What has no meaning for a
    connector is left as it is, and tells the kit so.

    Attributes:
        secrets: planted in the settings; the kit looks for them wherever the source leaves something.
    """

    secrets: tuple[str, ...] = ()

    @abstractmethod
    def settings(self, *, incremental: bool, memory_bytes: int) -> SourceSettings:
        """What a run of a job over the stream would open the source with, changed data to be read again."""

    @abstractmethod
    def put(self, rows: int) -> pa.Table:
        """Add this many rows, behind all others in read order, as a part of their own (a file, a day, a page).

        Returns:
            The rows as the source has to hand them out, with the contract's types.
        """

    @abstractmethod
    def rewrite(self) -> None:
        """Change the content of the part that was put last."""

    def break_it(self, how: Damage) -> SourceSettings:
        """Settings that a source can't work with.

        Args:
            how: `missing`: they name what is not there. `unreachable`: nobody listens at the address.
                `refused`: the credentials are wrong, and the other side says so.
        """
        raise NotOffered(how)

    def put_malformed(self) -> list[str]:
        """Add a part that begins with records that are no rows and goes on with rows; answers the records' raw text."""
        raise NotOffered

    def delete(self, rows: int) -> pa.Table:
        """Take away this many rows; answers their key columns, as the source has to tell them."""
        raise NotOffered(rows)

    def close(self) -> None:  # noqa: B027 - most worlds are folders, and have nothing to stop
        """Stop what serves it."""
