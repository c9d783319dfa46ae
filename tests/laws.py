"""How many examples a law is tried on, and how many it was: asked of hypothesis, counted and reported by the suite."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import pytest
from hypothesis import settings

Law = Literal[
    "accepted + rejected = read",
    "any cut into batches gives the same table",
    "any interleaving gives what a serial order gives",
    "any history through merge ends as its source",
]
LAWS: tuple[Law, ...] = get_args(Law)
# `make test-laws` asks for 10,000; in `make test` each test says itself how many are enough.
LONG = int(os.environ.get("DATIVO_EXAMPLES", "0"))
REPORTS = os.environ.get("DATIVO_LAW_REPORTS", "")
NOTE = "law"
TestT = TypeVar("TestT", bound=Callable[..., None])


@dataclass(slots=True)
class Tried:
    """What one test did for a law.

    Attributes:
        asked: how many examples it has to hold for.
        ran: for how many it held.
    """

    law: Law
    asked: int
    ran: int = 0


def law(name: Law, *, short: int, share: float = 1, base: settings | None = None) -> Callable[[TestT], TestT]:
    """Mark a test that hypothesis feeds with the law that it shows; it fails if it ran on fewer examples than asked.

    Args:
        short: the examples in `make test`.
        share: of those that the long form asks for, less than all where an example takes a table.
        base: other settings of hypothesis.
    """
    asked = max(1, round(LONG * share)) if LONG else short

    def mark(test: TestT) -> TestT:
        tried = Tried(name, asked)
        handle: Any = test.hypothesis  # pyright: ignore[reportFunctionMemberAccess] - `given` adds it
        example = handle.inner_test

        @wraps(example)
        def counted(*args: object, **values: object) -> None:
            example(*args, **values)
            tried.ran += 1

        handle.inner_test = counted
        limited = settings(base or settings(), max_examples=asked, deadline=None)(test)
        return pytest.mark.law(tried)(limited)

    return mark


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "law(tried): shows a law on examples, which are counted; see `tests/laws.py`")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Count the examples of a law's test, whatever becomes of it."""
    mark = item.get_closest_marker(NOTE)
    if mark is None:
        yield
        return
    tried: Tried = mark.args[0]
    tried.ran, began = 0, time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        told = {"law": tried.law, "asked": tried.asked, "ran": tried.ran, "seconds": round(seconds, 3)}
        item.user_properties.append((NOTE, json.dumps({"test": item.nodeid, **told})))
    if tried.ran < tried.asked:
        pytest.fail(f"{tried.law}: ran on {tried.ran} examples of the {tried.asked} asked for")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many examples each law was tried on, here and in the folder of reports."""
    found = _told(terminalreporter)
    if not found:
        return
    terminalreporter.section("examples of the laws")
    terminalreporter.write_line("\n".join(lines(found)))
    if REPORTS:
        Path(REPORTS).mkdir(parents=True, exist_ok=True)
        report = {"examples": sum(test["ran"] for test in found), "tests": found}
        (Path(REPORTS) / "laws.json").write_text(json.dumps(report, indent=2) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The long form fails where a law was left out, or all of them together ran on fewer examples than asked."""
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if not REPORTS or reporter is None or session.exitstatus:
        return
    found = _told(reporter)
    missing = [name for name in LAWS if not any(test["law"] == name for test in found)]
    if missing or sum(test["ran"] for test in found) < LONG:
        reporter.write_line(f"\nfewer than {LONG} examples, or a law without any: {missing}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each law and one for each of its tests, then the sum."""
    for name in LAWS:
        tests = [test for test in found if test["law"] == name]
        if tests:
            yield f"{name}: {sum(test['ran'] for test in tests)} examples"
        for test in tests:
            each = 1000 * test["seconds"] / max(test["ran"], 1)
            yield f"  {test['ran']} of {test['asked']}, {each:.0f} ms each: {test['test'].rpartition('::')[2]}"
    yield f"in all: {sum(test['ran'] for test in found)} examples"


def _told(reporter: pytest.TerminalReporter) -> list[dict[str, Any]]:
    reports = [report for outcome in ("passed", "failed") for report in reporter.getreports(outcome)]
    notes = [note for report in reports if report.when == "call" for note in report.user_properties]
    return sorted((json.loads(str(text)) for name, text in notes if name == NOTE), key=lambda test: test["test"])
