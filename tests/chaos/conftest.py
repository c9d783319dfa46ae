"""Stages for the scenes, and the report of where the kills fell."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.moments import PHASES
from tests.chaos.scenes import SCENES
from tests.chaos.stage import Stage

KILLED = "killed"
COUNTED = "counted"


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
    kills: Counter[tuple[str, str, str]] = Counter()
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == KILLED:
                way, scene, phase = str(value).split("|")
                kills[way, scene, phase] += 1
            elif name == COUNTED:
                what, _, count = str(value).partition("|")
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
