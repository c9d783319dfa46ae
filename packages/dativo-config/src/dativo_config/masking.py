"""Hides in a source line what may be a secret, so that a problem can show the line beside it.

Masks are as long as what they hide: the caret under the line stays where it points.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from dativo_config.nodes import Node

_SECRET_WORDS = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "access_key", "private_key",
    "credential", "dsn", "authorization", "headers", "connection_string", "signature", "webhook",
)  # fmt: skip
_SECRET_NAME = re.compile("|".join(_SECRET_WORDS), re.IGNORECASE)
_TOLD_IN_TEXT = re.compile(rf"(?:{'|'.join(_SECRET_WORDS)})\w*['\"]?\s*[:=\s]\s*\S", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{(secret:)?[\w.-]+\}")
_USER_INFO = re.compile(r"(?<=://)[^/\s'\"@]+(?=@)")
_QUERY_SECRET = re.compile(
    r"(?<=[?&])([\w-]*(?:sig|token|key|secret|password|credential)[\w-]*=)([^&\s'\"]+)", re.IGNORECASE
)
_ENTRY = re.compile(r"^[\s{\[-]*(?P<key>[\w$.'\"-]+)\s*:(?P<rest>.*)$")


def names_secret(key: str) -> bool:
    """Whether values under `key` are to be hidden; a slip of the pen (`pasword`) counts too."""
    folded = key.lower().replace("-", "_")
    return bool(_SECRET_NAME.search(folded)) or bool(difflib.get_close_matches(folded, _SECRET_WORDS, 1, 0.8))


def tells_secret(text: str) -> bool:
    """Whether a text under any key may hold a secret: a line that lost its colon (`password x`) is such a text."""
    return bool(_TOLD_IN_TEXT.search(text))


def mask_line(text: str, line: int, root: Node | None) -> str:
    """Line number `line` of a document; `root` None: the document could not be read."""
    text = _mask_secrets_in_urls(text)
    if root is None:
        return _mask_unread(text)
    length = len(text.rstrip())
    for start, end in _secret_spans(root, line, length):
        text = text[:start] + "*" * (end - start) + text[end:]
    return text


def _mask_secrets_in_urls(text: str) -> str:
    text = _USER_INFO.sub(lambda found: "*" * len(found.group()), text)
    return _QUERY_SECRET.sub(lambda found: found.group(1) + "*" * len(found.group(2)), text)


def _mask_unread(text: str) -> str:
    """Shows nothing of a value under a secret's name, and nothing of a line that no key begins."""
    entry = _ENTRY.match(text)
    if entry is None:
        return ""
    if any(names_secret(word) for word in re.findall(r"[\w-]+(?=['\"]?\s*:)", text)):
        return text[: entry.start("rest")] + re.sub(r"\S", "*", entry.group("rest"))
    return text


def _secret_spans(node: Node, line: int, length: int, *, hidden: bool = False) -> Iterator[tuple[int, int]]:
    """The columns (from 0) on `line`, `length` long, of scalars that stand under a secret's name."""
    if not node.start[0] <= line <= node.end[0]:
        return
    for key, child in (*node.children.items(), *node.left_out):
        secret = hidden or (isinstance(key, str) and names_secret(key))
        yield from _secret_spans(child, line, length, hidden=secret)
    if isinstance(node.value, str):
        hidden = (hidden or tells_secret(node.value)) and not _REFERENCE.fullmatch(node.value)
    if node.children or not hidden:
        return
    if isinstance(node.value, str | int | float) and not isinstance(node.value, bool):
        start = node.start[1] - 1 if node.start[0] == line else 0
        yield start, node.end[1] - 1 if node.end[0] == line else length
