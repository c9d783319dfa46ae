"""Each mistake is caught by the check that is there for it, and by no other."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from dativo_engine.testing import CommitConformance, SourceConformance, WriterConformance, checks

from tools.support_page import Outcomes, run_kit

# Crashes take long, and these mistakes have no part in them: one way to be killed is enough.
SELECTED = "not (killed and (merge or replace or quarantine or mirror))"
CAUGHT = {
    "TestNothingWrong": set[str](),
    "TestDropsTheRest": {"S-11"},
    "TestRepeatsARow": {"S-12"},
    "TestLeaksThePassword": {"S-05"},
    "TestDeclaresTooMuch": {"S-18"},
    "TestDeclaresTooLittle": {"S-22"},
    "TestMiscountsNulls": {"W-02"},
    "TestCommitsTwice": {"C-15"},
    "TestIgnoresTheFence": {"C-13"},
}
NUMBERS = {
    check.name: check.must.number
    for kit in (SourceConformance, WriterConformance, CommitConformance)
    for check in checks(kit)
}


@cache
def outcomes() -> Outcomes:
    """What the kit finds. Not a fixture: a worker may run other modules between two of these tests."""
    return run_kit(Path(__file__).with_name("wrong_kits.py"), selected=SELECTED)


@pytest.mark.xdist_group("wrong kits")
@pytest.mark.parametrize(("kit", "numbers"), CAUGHT.items(), ids=list(CAUGHT))
def test_a_mistake_is_caught_by_its_own_check(kit: str, numbers: set[str]) -> None:
    found = {check: outcome for (name, check), outcome in outcomes().items() if name == kit}
    assert found
    assert {NUMBERS[check] for check, outcome in found.items() if outcome == "failed"} == numbers


@pytest.mark.xdist_group("wrong kits")
def test_a_source_that_can_do_everything_skips_nothing() -> None:
    found = {outcome for (name, _), outcome in outcomes().items() if name == "TestNothingWrong"}
    assert found == {"passed"}
