"""Globs over names with slashes: `*` and `?` stay within one folder, `**/` crosses folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_WILDCARDS = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)
COMPRESSED = ("", ".gz", ".zst", ".bz2")


def has_wildcard(pattern: str) -> bool:
    """Whether it names more than one file."""
    return _WILDCARDS.search(pattern) is not None


def folder_of(pattern: str) -> str:
    """The deepest folder that every match lies under."""
    found = _WILDCARDS.search(pattern)
    return pattern if found is None else pattern[: found.start()].rpartition("/")[0]


def is_deep(pattern: str) -> bool:
    """Whether matches may lie below subfolders of `folder_of`."""
    rest = pattern[len(folder_of(pattern)) :].strip("/")
    return "/" in rest or "**" in rest


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits the pattern."""
    return _compiled(pattern).fullmatch(name) is not None


def belongs(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file found in a folder is data of a connector: it has a known suffix and is not hidden."""
    base = name.rpartition("/")[2].lower()
    ends = (suffix + packed for suffix in suffixes for packed in COMPRESSED)
    return not base.startswith((".", "_")) and base.endswith(tuple(ends))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_expressions(pattern)), re.DOTALL)


def _expressions(pattern: str) -> Iterator[str]:
    for token in _TOKEN.findall(pattern):
        match token:
            case "**/":
                yield "(?:.*/)?"
            case "**":
                yield ".*"
            case "*":
                yield "[^/]*"
            case "?":
                yield "[^/]"
            case _ if len(token) > 1:
                letters = token[1:-1].replace("\\", r"\\")
                yield f"[^{letters[1:]}]" if letters.startswith("!") else f"[{letters}]"
            case _:
                yield re.escape(token)
