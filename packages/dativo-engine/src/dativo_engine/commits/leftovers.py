"""What can't be deleted fails no run: the next one, or `table maintain`, comes upon it again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from dativo_engine.errors import DativoError, RunStoppedError, RunTimeoutError
from dativo_engine.events import Events


class Cleaning:
    """Whether a block that deletes came to its end."""

    done: bool = False


@contextmanager
def leftovers_told(events: Events, what: str) -> Generator[Cleaning]:
    """Tell, and do not raise, that files can't be deleted, as by a role that may not.

    Args:
        what: the files, as the message calls them.
    """
    cleaning = Cleaning()
    try:
        yield cleaning
        cleaning.done = True
    except (RunStoppedError, RunTimeoutError):
        raise
    except (DativoError, OSError) as error:
        events.emit("leftovers_kept", f"{what} stay: {error}", level="WARNING", error=str(error))
