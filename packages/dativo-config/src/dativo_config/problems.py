"""A problem in a user's file: where it is, what was found, what was expected, and how to mend it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_WIDTH = 120  # of a shown source line


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: Path
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{shown_file(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: the value's path in the document (`source.options.delimiter`, `schema[0].name`); empty: the file.
        message: what was found and what is expected; never a secret's value.
        hint: the mend (`did you mean 'port'?`); may be empty.
        source: the text of the line, shown with a caret under the column; may be empty.
    """

    position: Position
    path: str
    message: str
    hint: str = ""
    source: str = ""


class ConfigError(Exception):
    """The files hold problems; every one of every file is in `problems`, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(headline(problem) for problem in self.problems))


def shown_file(file: Path) -> str:
    """The file as a person in the current folder would write it: the shorter of relative and absolute."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the current folder is gone, or the path holds a NUL
        return str(file)
    return min(relative, str(file), key=len)


def headline(problem: Problem) -> str:
    """A problem in one line: `file:line:column: path: message; hint`."""
    parts = (str(problem.position), problem.path, problem.message + (f"; {problem.hint}" if problem.hint else ""))
    return ": ".join(part for part in parts if part)


def render(problem: Problem) -> str:
    """A problem in one line, and below it the source line with a caret."""
    if not problem.source.strip():
        return headline(problem)
    line, column = _window(problem.source, problem.position.column)
    gutter = f"{problem.position.line:>5} | "
    # Tabs stay tabs under the line, so that the caret stands below its character at any tab width.
    indent = "".join("\t" if character == "\t" else " " for character in line[: column - 1])
    return f"{headline(problem)}\n{gutter}{line}\n{'| ':>{len(gutter)}}{indent}^"


def to_json(problem: Problem) -> dict[str, str | int]:
    """A problem as data; `file` is absolute."""
    position = problem.position
    return {
        "file": str(position.file.absolute()),
        "line": position.line,
        "column": position.column,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }


def closest(word: str, choices: Iterable[str]) -> str:
    """The hint that names the choice a misspelt word may stand for; empty: none is near."""
    by_folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return f"did you mean '{by_folded[found[0]]}'?" if found else ""


def one_of(choices: Iterable[str]) -> str:
    """Choices as a sentence lists them: `'a', 'b' or 'c'`."""
    quoted = [f"'{choice}'" for choice in choices]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))


def _window(source: str, column: int) -> tuple[str, int]:
    """The part of a long line around a column, and the column in that part."""
    line = source.rstrip()
    start = max(0, column - 1 - _WIDTH * 2 // 3) if len(line) > _WIDTH else 0
    return line[start : start + _WIDTH], column - start
