"""Properties that jobs set on a table.

What each job set last is noted in a property of its own. By that it is seen when the job asks for something else, also
where a catalogue keeps a property in other words, and what it no longer sets goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

PREFIX = "dativo.properties."


def note(key: str, properties: Mapping[str, str]) -> dict[str, str]:
    """What tells later that the job set these; nothing where it set none."""
    return {key: json.dumps(properties, sort_keys=True, ensure_ascii=False)} if properties else {}


def noted(stored: Mapping[str, str], key: str) -> dict[str, str]:
    """What the job set when it last committed."""
    return json.loads(stored.get(key, "{}"))


def dropped(stored: Mapping[str, str], key: str, properties: Mapping[str, str]) -> set[str]:
    """The table's properties that the job set and no longer does, those left out that other jobs set too."""
    others = {name for other in stored if other.startswith(PREFIX) and other != key for name in noted(stored, other)}
    gone = noted(stored, key).keys() - properties.keys() - others
    return {name for name in (*gone, *(() if properties else (key,))) if name in stored}
