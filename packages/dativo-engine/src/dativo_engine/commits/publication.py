"""How what a run changes becomes visible: table by table, or all at once where the catalogue has branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyiceberg.catalog import Catalog

from dativo_engine.commits.fence import Landed


@dataclass(frozen=True, slots=True)
class Part:
    """What a run changes in one table.

    Attributes:
        land: makes the change in the table as a catalogue has it; None: there was nothing to change. Each call plans
            it anew, for what that catalogue shows.
        settle: called once with what `land` answered, when readers see it.
    """

    land: Callable[[Catalog], Landed | None]
    settle: Callable[[Landed | None], None]


class Publication(Protocol):
    """The way from a run's changes to what readers see."""

    @property
    def catalog(self) -> Catalog:
        """What readers see: where a run looks before it plans."""
        ...

    def publish(self, parts: Sequence[Part]) -> None:
        """Make all parts visible, in their order, each once.

        Raises:
            CommitConflictError: another run of this job was first; plan again.
            CommitStateUnknownError: the answer was lost, and nobody can be asked; the parts may be visible.
        """
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """Each part is a commit of its own: catalogues that commit one table at a time. See `Publication`."""

    catalog: Catalog

    def publish(self, parts: Sequence[Part]) -> None:
        """See `Publication.publish`."""
        for part in parts:
            part.settle(part.land(self.catalog))
