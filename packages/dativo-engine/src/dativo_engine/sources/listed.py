"""The plan of sources that read lists: a split for each stream, and nothing that is held meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dativo_engine.interfaces import Cursor, Split


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """One split for each stream; each stream's last batch says where it stands."""

    splits: Iterable[Split]
    streams: Sequence[str]

    @property
    def ends(self) -> Mapping[str, Cursor | None]:
        """None are known before all is read."""
        return dict.fromkeys(self.streams)

    def close(self, committed: Mapping[str, Cursor] | None) -> None:
        """There is nothing to confirm: the API keeps no state of ours."""
