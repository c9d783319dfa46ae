"""Makes the worlds importable: the kit's child processes open them too. APIs that nobody answers are given up soon."""

import sys
from pathlib import Path

import pytest
from dativo_engine.rest import Patience
from dativo_engine.sources.hubspot import source as hubspot
from dativo_engine.sources.stripe import source as stripe

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (hubspot, stripe):
        monkeypatch.setattr(room, "PATIENCE", Patience(delay=0.01))
