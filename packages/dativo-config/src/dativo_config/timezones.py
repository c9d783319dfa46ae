"""Which names are time zones of the IANA database."""

from __future__ import annotations

import zoneinfo


def is_timezone(name: str) -> bool:
    """Whether `name` is one, like `Europe/Berlin` or `UTC`."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, like `Europe`
        return False
    return True
