"""When runs are killed, and where it caught them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tests.chaos.child import Mark

Phase = Literal[
    "before the first request to the catalogue",
    "planning and reading, no data file staged yet",
    "staging: after the first data file, before the publish",
    "publishing: between its first and its last request to the catalogue",
    "in or after the last request to the catalogue",
]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Moment:
    """So long after that many steps, and so independent of how fast the machine happens to be."""

    steps: int
    seconds: float


def choose(steps: Sequence[Mark], chance: random.Random) -> Moment:
    """A random moment of an undisturbed run.

    One in five is drawn from the whole run, two from what follows the first staged file, two from the publish: in a
    run of any size it takes a moment only, and it is the moment that matters. Within these, every step is as likely
    as every other, and so is every moment from one step to the next.
    """
    staged, published, last = milestones(steps)
    first, end = chance.choices([(0, len(steps) - 1), (staged, len(steps) - 1), (published, last)], [1, 2, 2])[0]
    step = chance.randrange(first, end)
    return Moment(step + 1, chance.uniform(0, steps[step + 1].at - steps[step].at))


def milestones(steps: Sequence[Mark]) -> tuple[int, int, int]:
    """Which steps are the first staged file, the first request to the catalogue after it, and the last request."""
    kinds = [mark.kind for mark in steps]
    staged = kinds.index("staged")
    return staged, kinds.index("catalogue", staged), len(kinds) - 1 - kinds[::-1].index("catalogue")


def phase(killed: Sequence[Mark], undisturbed: Sequence[Mark]) -> Phase:
    """Where the end came, by the steps of the killed run and of the undisturbed one."""
    kinds = [mark.kind for mark in killed]
    if "catalogue" not in kinds:
        return PHASES[0]
    if "staged" not in kinds:
        return PHASES[1]
    requests = kinds[kinds.index("staged") :].count("catalogue")
    if not requests:
        return PHASES[2]
    staged, _, last = milestones(undisturbed)
    of_all = [mark.kind for mark in undisturbed[staged : last + 1]].count("catalogue")
    return PHASES[3] if requests < of_all else PHASES[4]


def shares_missed(kills: Mapping[Phase, int]) -> list[str]:
    """What kills at random moments fell short of: by chance alone they would hardly ever meet the publish.

    Half of all are due after the first staged file, a tenth between the publish's first and last catalogue request.
    """
    done = sum(kills.values())
    staged, published = sum(kills.get(phase, 0) for phase in PHASES[2:]), kills.get(PHASES[3], 0)
    missed = (
        [f"{staged} of {done} kills fell after the first staged file, fewer than half"] if 2 * staged < done else []
    )
    if 10 * published < done:
        missed.append(f"{published} of {done} kills fell {PHASES[3]}, fewer than a tenth")
    return missed
