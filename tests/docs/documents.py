"""The documents of the repository, and the things in them that can be checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = ("bash", "sh", "console")


@dataclass(frozen=True, slots=True)
class Found:
    """Something a document shows; `str` is how a failing test names it."""

    document: Path
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(REPOSITORY)}: {self.text.splitlines()[0]}"


def documents() -> list[Path]:
    """Every Markdown file that people are meant to read."""
    top = REPOSITORY.glob("*.md")
    return sorted([*top, *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("packages/*/*.md")])


def blocks(*languages: str) -> list[Found]:
    """The fenced blocks in these languages."""
    return [
        Found(document, match[2])
        for document in documents()
        for match in FENCE.finditer(document.read_text())
        if match[1] in languages
    ]


def inline_code() -> Iterator[Found]:
    """What stands between single backticks, outside fenced blocks."""
    for document in documents():
        for match in INLINE.finditer(FENCE.sub("", document.read_text())):
            yield Found(document, match[1])


def links() -> list[Found]:
    """Links to files of the repository."""
    return [
        Found(document, match[1].partition("#")[0])
        for document in documents()
        for match in LINK.finditer(FENCE.sub("", document.read_text()))
        if "://" not in match[1] and not match[1].startswith("#")
    ]


def command_lines(program: str) -> list[Found]:
    """Shown uses of a program: lines of shell blocks, and inline code that begins with its name."""
    lines = [
        Found(block.document, line.removeprefix("$ ").strip())
        for block in blocks(*SHELL)
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    shown = [*lines, *inline_code()]
    return [found for found in shown if found.text.startswith(f"{program} ")]


def words(line: str) -> list[str]:
    """A command line's words after the program, up to a comment, pipe or redirection."""
    given = shlex.split(line, comments=True)[1:]
    ends = [index for index, word in enumerate(given) if word in {"|", ">", "&&", "2>", "||"}]
    return given[: ends[0]] if ends else given
