"""Who watches a run: a progress bar on a terminal, else nobody."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from dativo_engine.results import NoProgress, Progress


@contextmanager
def watch(*, shown: bool) -> Generator[tuple[Progress, TextIO]]:
    """Who watches a run, and where its log lines go so that they appear above the bar."""
    if not shown:
        yield NoProgress(), sys.stderr
        return
    from dativo_cli.bar import show_bar  # drawing takes rich, which a run off a terminal does without

    with show_bar() as (progress, log):
        yield progress, log
