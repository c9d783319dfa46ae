"""What a writer leaves behind if its user fails: nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from dativo_engine.interfaces import Writer


@contextmanager
def discarded_on_failure(writer: Writer) -> Generator[Writer]:
    """The writer; if the block fails, every file that it made is deleted.

    Raises:
        RetryableError, FatalError: a file can't be deleted; its cause is the failure of the block.
    """
    try:
        yield writer
    except BaseException:
        writer.abort()
        raise
