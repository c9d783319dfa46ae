"""A problem in a user's file: where it is, what was found, what was expected, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: Path
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


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
        super().__init__("\n".join(f"{p.position}: {p.path}: {p.message}" for p in self.problems))
