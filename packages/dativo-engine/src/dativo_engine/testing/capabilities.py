"""How a check cites its requirement, and how what a connector declares decides which checks have to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, cast, get_args

import pytest
from dativo_config.models import connector
from dativo_config.models.connector import ConnectorSpec

from dativo_engine.errors import DativoError

Capability: TypeAlias = connector.Capability | Literal["incremental", "reports_deletes", "authenticates"]


# How a check says that it was skipped for this and for nothing else.
NOT_DECLARED = "is not declared"


class NotOffered(Exception):  # noqa: N818 - no mistake: the world says that it can't bring a situation about
    """There is no such situation at this source."""


class Kit(Protocol):
    """A class of checks over one implementation."""

    def capabilities(self) -> frozenset[Capability]:
        """What the implementation declares."""
        ...


@dataclass(frozen=True, slots=True)
class Must:
    """The requirement that a check proves.

    Attributes:
        number: as in `docs/connector-spec.md`.
        capability: what has to be declared for it to hold; None: it always holds.
    """

    number: str
    capability: Capability | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a kit: the name of the method, and what it proves."""

    name: str
    must: Must


KitT = TypeVar("KitT", bound=Kit)
Arguments = ParamSpec("Arguments")
CheckMethod: TypeAlias = Callable[Concatenate[KitT, Arguments], None]


def must(
    number: str, *, capability: Capability | None = None
) -> Callable[[CheckMethod[KitT, Arguments]], CheckMethod[KitT, Arguments]]:
    """Mark a check with the number of its requirement.

    A check of a capability has to pass where the capability is declared. Where it is not, it has to fail: who can do
    something and does not say so keeps it from those who look for it.
    """

    def mark(check: CheckMethod[KitT, Arguments]) -> CheckMethod[KitT, Arguments]:
        @wraps(check)
        def run(kit: KitT, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            if capability is None or capability in kit.capabilities():
                check(kit, *args, **kwargs)
                return
            try:
                check(kit, *args, **kwargs)
            except (AssertionError, DativoError, NotOffered):
                pytest.skip(f"{number}: {capability!r} {NOT_DECLARED}")
            pytest.fail(f"{number} holds although {capability!r} is not declared: declare it in spec.py")

        run.must = Must(number, capability)  # pyright: ignore[reportAttributeAccessIssue] - read by `checks`
        return run

    return mark


def checks(kit: type[object]) -> Iterator[Check]:
    """The checks of a kit, in the order of the numbers."""
    found = [
        Check(name, cast("Must", method.must))
        for name in dir(kit)
        if name.startswith("test_") and hasattr(method := getattr(kit, name), "must")
    ]
    return iter(sorted(found, key=lambda check: check.must.number))


def declared(spec: ConnectorSpec) -> frozenset[Capability]:
    """All that a connector's spec says that it can do."""
    told: dict[Capability, bool] = {
        "incremental": bool(spec.incremental_strategies),
        "reports_deletes": spec.reports_deletes,
        "authenticates": spec.credentials is not None,
    }
    return frozenset([*spec.capabilities, *(capability for capability, can in told.items() if can)])


CAPABILITIES: tuple[Capability, ...] = (
    *get_args(connector.Capability),
    "incremental",
    "reports_deletes",
    "authenticates",
)
