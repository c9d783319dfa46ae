"""Stages for the scenes, and the report of where the kills fell."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.moments import PHASES, Phase, shares_missed
from tests.chaos.scenes import SCENES
from tests.chaos.stage import Stage

KILLED = "killed"
COUNTED = "counted"
# How a kill that `choose` drew is noted. In the long form so many are done, by any number of processes.
AT_RANDOM = "at random moments"
KILLS = int(os.environ.get("DATIVO_KILLS", "0"))


@pytest.fixture(scope="session")
def stage_of(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], Stage]:
    """The stage of a scene; it is set up once, and every user puts it back as he needs it."""
    stages: dict[str, Stage] = {}

    def find(name: str) -> Stage:
        if name not in stages:
            server = request.getfixturevalue("s3") if SCENES[name].in_s3 else None
            stages[name] = Stage(tmp_path_factory.mktemp("scene") / "project", SCENES[name], server)
        return stages[name]

    return find


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests noted with `record_property`: kills by scene and phase, and whatever else they counted."""
    kills = _kills(terminalreporter)
    counts: Counter[str] = Counter()
    for value in _notes(terminalreporter, COUNTED):
        what, _, count = value.partition("|")
        counts[what] += int(count)
    lines = [line for way in dict.fromkeys(way for way, _, _ in kills) for line in _histogram(way, kills)]
    lines += [f"- {what}: {count}" for what, count in sorted(counts.items())]
    if not lines:
        return
    terminalreporter.section("what was shown")
    terminalreporter.write_line("\n".join(lines))
    if folder := os.environ.get("DATIVO_CHAOS_REPORTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "chaos.md").write_text("\n".join(lines) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The long form fails if its random kills, those of all processes together, fell where they prove little."""
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if not KILLS or reporter is None or session.exitstatus:
        return
    kills = _kills(reporter)
    phases: dict[Phase, int] = {
        phase: sum(n for (way, _, at), n in kills.items() if (way, at) == (AT_RANDOM, phase)) for phase in PHASES
    }
    # Fewer were done only where a part of the lots was asked for.
    missed = shares_missed(phases) if sum(phases.values()) >= KILLS else []
    for line in missed:
        reporter.write_line(f"\n{line}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _kills(reporter: pytest.TerminalReporter) -> Counter[tuple[str, str, str]]:
    """The kills by way, scene and phase."""
    kills: Counter[tuple[str, str, str]] = Counter()
    for value in _notes(reporter, KILLED):
        way, scene, phase = value.split("|")
        kills[way, scene, phase] += 1
    return kills


def _notes(reporter: pytest.TerminalReporter, kind: str) -> list[str]:
    """What the tests of all processes noted."""
    reports = reporter.getreports("passed") + reporter.getreports("failed")
    return [str(value) for report in reports for name, value in report.user_properties if name == kind]


def _histogram(way: str, kills: Counter[tuple[str, str, str]]) -> list[str]:
    """One table in Markdown: a line a phase, a column a scene."""
    scenes = [name for name in SCENES if any(scene == name and how == way for how, scene, _ in kills)]
    lines = [f"### Killed {way}", "", f"| where | {' | '.join(scenes)} | all |", "|---" * (len(scenes) + 2) + "|"]
    for phase in (*PHASES, None):
        found = [
            sum(n for (how, at, where), n in kills.items() if (how, at) == (way, scene) and phase in (where, None))
            for scene in scenes
        ]
        lines.append(f"| {phase or 'all'} | {' | '.join(map(str, found))} | {sum(found)} |")
    return [*lines, ""]
