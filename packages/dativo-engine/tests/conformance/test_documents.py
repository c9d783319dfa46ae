"""The specification and the page of what is supported say what the kit checks."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import test_commits
import test_nessie_commits
import test_sources
import test_writer
from dativo_engine.testing import (
    CommitConformance,
    SourceConformance,
    StateConformance,
    WriterConformance,
    checks,
)
from dativo_engine.testing.capabilities import CAPABILITIES

from tools.support_page import PAGE, REPOSITORY, SUBJECTS, Outcome, Outcomes, collect, page, unproven

SPECIFICATION = (REPOSITORY / "docs" / "connector-spec.md").read_text()
KITS = (SourceConformance, WriterConformance, CommitConformance, StateConformance)
MODULES = (test_sources, test_writer, test_commits, test_nessie_commits)


def test_every_check_cites_a_requirement_and_every_requirement_is_checked():
    cited = {check.must.number for kit in KITS for check in checks(kit)}
    assert sorted(re.findall(r"^\*\*([A-Z]-\d\d)\*\*", SPECIFICATION, re.MULTILINE)) == sorted(cited)


def test_every_test_of_the_kit_is_a_check():
    for kit in KITS:
        assert [name for name in dir(kit) if name.startswith("test_")] == sorted(check.name for check in checks(kit))


def test_every_capability_is_told_with_its_requirements():
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", SPECIFICATION, re.MULTILINE))
    needed: dict[str, set[str]] = {capability: set() for capability in CAPABILITIES}
    for check in checks(SourceConformance):
        if check.must.capability is not None:
            needed[check.must.capability].add(check.must.number)
    assert {name: set(numbers.split(", ")) for name, numbers in told.items()} == needed


def test_the_page_of_what_is_supported_is_current():
    """A run that may write the page shows what each spec promises, or one of its checks failed or did not run."""
    assert Path(PAGE).read_text() == page(promised()), "run `python -m tools.support_page`"


def promised() -> Outcomes:
    outcomes: dict[tuple[str, str], Outcome] = {}
    for kits in SUBJECTS.values():
        for kit, subjects in kits.items():
            for name in subjects:
                subject = next(getattr(module, name) for module in MODULES if hasattr(module, name))()
                for check in checks(kit):
                    holds = check.must.capability is None or check.must.capability in subject.capabilities()
                    outcomes[name, check.name] = "passed" if holds else "undeclared"
    return outcomes


def test_a_check_that_could_not_run_is_not_shown_as_passed_and_keeps_the_page_from_being_written():
    report = """<testsuite>
      <testcase classname="tests.TestNessie" name="test_append_adds_rows[one]"/>
      <testcase classname="tests.TestNessie" name="test_append_adds_rows[two]"><skipped message="no Java"/></testcase>
      <testcase classname="tests.TestCsv" name="test_deletes_are_told_by_key">
        <skipped message="S-22: 'reports_deletes' is not declared"/>
      </testcase>
    </testsuite>"""
    ran = collect(ET.fromstring(report).iter("testcase"))
    assert ran == {
        ("TestNessie", "test_append_adds_rows"): "not run",
        ("TestCsv", "test_deletes_are_told_by_key"): "undeclared",
    }
    assert unproven({**promised(), **ran}) == ["TestNessie::test_append_adds_rows"]
    assert "| C-03 | append adds rows | ✓ | ✓ | ✓ | ✓ | ? |" in page({**promised(), **ran})


def test_a_check_that_is_missing_from_the_run_keeps_the_page_from_being_written():
    outcomes = dict(promised())
    del outcomes["TestNessie", "test_append_adds_rows"]
    assert unproven(promised()) == []
    assert unproven(outcomes) == ["TestNessie::test_append_adds_rows"]
