"""What a secret may be called, and when two spellings are one name."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]?[A-Za-z0-9]+)*")
MOST_CHARACTERS = 128


def fold(name: str) -> str | None:
    """The form by which names are compared; None: no secret can have this name.

    Case, `-` and `.` do not count, since environment variables have neither: `stripe-api.key` is `STRIPE_API_KEY`.
    `__` divides the parts of a variable, so a name can't hold it, and no path is a name.
    """
    if len(name) > MOST_CHARACTERS or not _NAME.fullmatch(name):
        return None
    return name.replace("-", "_").replace(".", "_").upper()
