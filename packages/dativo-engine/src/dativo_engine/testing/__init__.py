"""The conformance kit: what every source, writer and commit must do, as pytest classes to subclass.

The requirements are numbered in `docs/connector-spec.md`, and each check cites its own. A connector of a third party
is held to them like one of ours:

    class TestMoon(SourceConformance):
        spec = SPEC

        def open_world(self, folder: Path) -> SourceWorld:
            return MoonWorld(folder)

Needs pytest: `pip install 'dativo-engine[testing]'`.
"""

# ruff: noqa: E402 - the imports follow what makes their assertions talk

import pytest

# So that a failing check shows the values it compared, as those of a test module do.
pytest.register_assert_rewrite(*(f"{__name__}.{room}" for room in ("source", "reading", "writer", "commit", "state")))

from dativo_engine.testing.capabilities import Check, Must, NotOffered, checks, declared, must
from dativo_engine.testing.commit import CommitConformance
from dativo_engine.testing.commit_world import CommitWorld
from dativo_engine.testing.source import SourceConformance
from dativo_engine.testing.source_world import Damage, SourceWorld
from dativo_engine.testing.state import StateConformance
from dativo_engine.testing.writer import WriterConformance

__all__ = [
    "Check",
    "CommitConformance",
    "CommitWorld",
    "Damage",
    "Must",
    "NotOffered",
    "SourceConformance",
    "SourceWorld",
    "StateConformance",
    "WriterConformance",
    "checks",
    "declared",
    "must",
]
