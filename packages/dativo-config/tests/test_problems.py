from __future__ import annotations

from pathlib import Path

import pytest
from dativo_config.problems import ConfigError, Position, Problem, closest, one_of, render, to_json


def test_a_problem_is_shown_with_its_line_and_a_caret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = "    prot: 5432"
    found = Problem(
        Position(tmp_path / "jobs/acme/orders.yaml", 12, 5),
        "source.options.prot", "unknown key", "did you mean 'port'?", source,
    )  # fmt: skip

    first, line, caret = render(found).splitlines()

    assert first == "jobs/acme/orders.yaml:12:5: source.options.prot: unknown key; did you mean 'port'?"
    assert line.index("prot") == caret.index("^")


def test_a_long_line_is_shown_around_the_caret():
    source = "x" * 500 + "HERE" + "y" * 500
    _, line, caret = render(Problem(Position(Path("f"), 1, 501), "", "m", "", source)).splitlines()

    assert len(line) < 140
    assert line[caret.index("^") :].startswith("HERE")


def test_the_caret_stands_below_its_character_behind_tabs():
    _, line, caret = render(Problem(Position(Path("f"), 1, 3), "", "m", "", "\t\tx: 1")).splitlines()

    assert caret.expandtabs(8).index("^") == line.expandtabs(8).index("x")


def test_an_error_sorts_its_problems_by_place():
    late, early = Problem(Position(Path("b"), 1, 1), "", "m"), Problem(Position(Path("a"), 9, 1), "", "n")

    assert ConfigError([late, early]).problems == (early, late)


def test_json_names_the_absolute_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    assert to_json(Problem(Position(Path("f.yaml"), 2, 3), "a", "m", "h")) == {
        "file": str(tmp_path / "f.yaml"), "line": 2, "column": 3, "path": "a", "message": "m", "hint": "h",
    }  # fmt: skip


def test_choices_are_listed_and_guessed():
    assert one_of(["a", "b", "c"]) == "'a', 'b' or 'c'"
    assert one_of(["a"]) == "'a'"
    assert closest("Delimter", ["delimiter", "header"]) == "did you mean 'delimiter'?"
    assert closest("xyz", ["delimiter"]) == ""
