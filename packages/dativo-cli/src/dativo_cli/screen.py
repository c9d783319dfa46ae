"""Where answers go: tables and colour on a terminal, plain text in a pipe, JSON where it was asked for.

A command's answer is its stdout; errors, logs and progress are stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO, TypeAlias

import click

if TYPE_CHECKING:
    from dativo_config.problems import ConfigError
    from dativo_engine.redaction import Redactor
    from rich.console import Console

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
# rich's names of styles.
GOOD, BAD, DOUBTFUL, STRONG, FAINT = "green", "red", "yellow", "bold", "dim"


class Screen:
    """The terminal or pipe that a command answers to. No secret it was told to hide passes it.

    Attributes:
        debug: whether a failure shows its traceback.
    """

    def __init__(self) -> None:
        self.debug = False
        self._secrets: set[str] = set()
        self._redactor: Redactor | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the answer."""
        return sys.stdout.isatty()

    @property
    def errors_to_terminal(self) -> bool:
        """Whether a person reads logs and progress."""
        return sys.stderr.isatty()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these values in all that follows."""
        self._secrets.update(secrets)
        self._redactor = None

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the answer."""
        self._write(text, style, sys.stdout)

    def facts(self, facts: Iterable[tuple[str, object]]) -> None:
        """Named values, one a line; a value of several lines is indented under its name's column."""
        shown = [(name, str(value).splitlines() or [""]) for name, value in facts]
        width = max((len(name) for name, _ in shown), default=0) + 2
        for name, lines in shown:
            for number, text in enumerate(lines):
                self.line(f"{name if number == 0 else '':<{width}}{text}".rstrip())

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
        """Rows under headings; `right` names columns of numbers. In a pipe nothing is cut or folded."""
        texts = [[_cell(value) for value in row] for row in rows]
        if self.is_terminal:
            self._rich_table(columns, texts, right)
            return
        widths = [max([len(name), *(len(row[index]) for row in texts)]) for index, name in enumerate(columns)]
        for row in [list(columns), *texts]:
            cells = (
                text.rjust(width) if name in right else text.ljust(width)
                for name, text, width in zip(columns, row, widths, strict=True)
            )
            self.line("  ".join(cells).rstrip())

    def json(self, value: Json) -> None:
        """The answer as one JSON document."""
        safe = self._hidden().tree(value)
        click.echo(json.dumps(safe, indent=2, ensure_ascii=False, default=str))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask, where a person is there to answer; no ends the command.

        Raises:
            click.Abort: the answer is no.
        """
        if not yes and sys.stdin.isatty() and self.errors_to_terminal:
            click.confirm(question, abort=True, err=True)

    def note(self, text: str) -> None:
        """A line for a person that is no part of the answer."""
        self._write(text, FAINT, sys.stderr)

    def error(self, text: str) -> None:
        """The cause of a failure, as the last line."""
        self._write(f"error: {text}", BAD, sys.stderr)

    def failure(self, error: Exception) -> None:
        """Say what an exception means: every problem of a file, one line for what can happen, or that we are wrong."""
        # Only a failure pays for these.
        from dativo_config.problems import ConfigError
        from dativo_config.secrets import SecretError
        from dativo_engine.errors import DativoError

        if self.debug:
            self.trace(error)
        if isinstance(error, ConfigError):
            self.problems(error)
        elif isinstance(error, DativoError | SecretError):
            self.error(str(error))
        elif isinstance(error, OSError):
            self.error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        else:
            told = " ".join(str(error).split())
            more = "" if self.debug else "; run it again as `dativo --debug ...` for the traceback"
            self.error(f"unexpected {type(error).__name__}: {told}{more}")

    def trace(self, error: BaseException, mask: Callable[[str], str] | None = None) -> None:
        """The traceback behind a failure; `mask` takes out the secrets that only it knows."""
        text = "".join(traceback.format_exception(error)).rstrip()
        self._write(mask(text) if mask is not None else text, "", sys.stderr)

    def problems(self, error: ConfigError) -> None:
        """Every problem with its line and a caret; the last line is the first again, as the cause. One is told once."""
        from dativo_config.problems import render

        shown = [render(problem) for problem in error.problems]
        for text in [shown[0].partition("\n")[2]] if len(shown) == 1 else shown:
            if text:
                self._write(text, "", sys.stderr)
        self.error(cause(error))

    def console(self, stream: TextIO) -> Console:
        """Rich for a terminal, without any escape sequence where `NO_COLOR` is set."""
        from rich.console import Console

        plain = bool(os.environ.get("NO_COLOR"))
        return Console(file=stream, color_system=None if plain else "auto", highlight=False, markup=False, emoji=False)

    def _write(self, text: str, style: str, stream: TextIO) -> None:
        from dativo_config.visible import visible  # `dativo --help` writes nothing here

        safe = visible(self._hidden()(text) if stream is sys.stderr or self._secrets else text)
        if stream.isatty() and style:
            self.console(stream).print(safe, style=style, soft_wrap=True)
        else:
            click.echo(safe, file=stream)

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
        from dativo_config.visible import visible
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            table.add_column(visible(name), justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(visible(self._hidden()(text))) for text in row))
        self.console(sys.stdout).print(table)

    def _hidden(self) -> Redactor:
        if self._redactor is None:
            from dativo_engine.redaction import Redactor

            # Patterns would mask harmless values of a user's own data in an answer.
            self._redactor = Redactor(patterns=False)
            self._redactor.add(self._secrets)
        return self._redactor


def cause(error: ConfigError) -> str:
    """The first problem in one line, and how many more there are."""
    from dativo_config.problems import headline

    more = len(error.problems) - 1
    return headline(error.problems[0]) + (f" (and {more} more)" if more else "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
