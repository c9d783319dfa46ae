"""The progress bar on a terminal: rows, bytes, rows a second, and the time left where the source's size is known."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text


class RowsColumn(ProgressColumn):
    """Rows read so far, and how many a second."""

    def render(self, task: Task) -> Text:
        """The two numbers of a task."""
        rows: int = task.fields["rows"]
        rate = rows / task.elapsed if task.elapsed else 0.0
        return Text(f"{rows:,} rows  {rate:,.0f}/s")


class BarProgress:
    """A bar on standard error. Sizes add up; one that is not known makes it a bar without an end."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("reading", total=None, rows=0)
        self._total: int | None = 0
        self._rows = 0

    def expect(self, size: int | None) -> None:
        """Add a split's bytes to what is still to come."""
        self._total = None if size is None or self._total is None else self._total + size
        self._bar.update(self._task, total=self._total)

    def advance(self, rows: int, size: int) -> None:
        """Move on by what was read."""
        self._rows += rows
        self._bar.update(self._task, advance=size, rows=self._rows)


@contextmanager
def show_bar() -> Generator[tuple[BarProgress, TextIO]]:
    """A bar on standard error, and a stream whose lines appear above it."""
    console = Console(
        stderr=True, color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False, markup=False
    )
    columns = (
        SpinnerColumn(),
        RowsColumn(),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield BarProgress(bar), cast("TextIO", FileProxy(console, sys.stderr))
