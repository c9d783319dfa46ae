"""What a writer leaves behind if its user fails: nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

from dativo_engine.errors import DativoError
from dativo_engine.interfaces import Writer


@contextmanager
def discarded_on_failure(writer: Writer) -> Generator[Writer]:
    """The writer; if the block fails, every file that it made is deleted. One that can't be hides no failure.

    Its name begins with the run's id, so a later run comes upon it.
    """
    try:
        yield writer
    except BaseException:
        with suppress(DativoError, OSError):
            writer.abort()
        raise
