"""Where a stream stands: small JSON that says what was surely read, and what of the time around it was.

Stripe stamps objects and events with whole seconds, by clocks that differ: what is created later may stand further down
in a list. So a run reads the two minutes before the latest second that it knows again, and leaves out what the cursor
says was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dativo_engine.interfaces import Cursor

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

    from dativo_engine.sources.stripe.api import Head

OVERLAP_SECONDS = 120
_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a list was read.

    Attributes:
        latest: the latest second of creation that was seen; 0: nothing was there.
        seen: id -> second of creation, of what was read of the two minutes up to it.
    """

    latest: int = 0
    seen: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def since(self) -> int:
        """The second from which on the list is not surely complete. All that is older was read."""
        return max(self.latest - OVERLAP_SECONDS, 0)


class Follower:
    """Notes how far a list is read while its pages pass by."""

    def __init__(self, reached: Reached) -> None:
        self._latest = reached.latest
        self._seen = dict(reached.seen)

    def note(self, heads: Sequence[Head]) -> None:
        """These were read; they stand the newest first."""
        if not heads or heads[0].created < self.since:
            return
        if heads[0].created > self._latest:
            self._latest = heads[0].created
            self._seen = {key: created for key, created in self._seen.items() if created >= self.since}
        self._seen.update({head.id: head.created for head in heads if head.created >= self.since})

    @property
    def since(self) -> int:
        """The second from which on what was read counts as recent."""
        return max(self._latest - OVERLAP_SECONDS, 0)

    @property
    def reached(self) -> Reached:
        """How far that is."""
        return Reached(self._latest, dict(self._seen))


@dataclass(frozen=True, slots=True)
class Standing:
    """A stream's cursor.

    Attributes:
        realm: the mode and the connected account that were read; empty: not known.
        objects: the list itself; None: it can't be asked for by `created`.
        events: the feed; None: it is not followed.
        checked: when the feed was last followed, by Stripe's clock. Where nothing happens it moves by days only, so
            that runs that find nothing leave the cursor as it is.
    """

    realm: str
    objects: Reached | None
    events: Reached | None
    checked: int

    def after(self, objects: Reached | None, events: Reached | None, *, now: int) -> Standing:
        """Where the stream stands after a run that began at `now`."""
        moved = (objects, events) != (self.objects, self.events) or now - self.checked >= _DAY_SECONDS
        return Standing(self.realm, objects, events, now if moved else self.checked)

    def cursor(self) -> Cursor:
        """As the stamp keeps it."""
        reached = {"objects": _json(self.objects), "events": _json(self.events)}
        return Cursor({"realm": self.realm, **reached, "checked": self.checked})

    @classmethod
    def of(cls, value: Mapping[str, JsonValue]) -> Standing:
        """A cursor's value, read again."""
        objects, events = _reached(value["objects"]), _reached(value["events"])
        return cls(str(value["realm"]), objects, events, cast("int", value["checked"]))


def _json(reached: Reached | None) -> JsonValue:
    return None if reached is None else {"latest": reached.latest, "seen": dict(sorted(reached.seen.items()))}


def _reached(value: JsonValue) -> Reached | None:
    if not isinstance(value, dict):
        return None
    return Reached(cast("int", value["latest"]), cast("dict[str, int]", value["seen"]))
