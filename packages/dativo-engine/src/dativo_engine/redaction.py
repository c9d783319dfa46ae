"""Takes secrets out of text before it leaves the process."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
# Shorter values would blank out ordinary words; the shortest that is a secret is a four-digit PIN.
SHORTEST = 4
# A line end may cut long values: wrapped base64, a value folded by a mailer or a terminal.
LINE_END = r"(?:\\r|\r)?(?:\\n|\n)?"
SHORTEST_CUT = 8

# What looks like a secret though no run resolved it: it came from a server's answer or a driver's message.
PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}",
        r"(?P<keep>\b(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)\b[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]{3,}",
        r"(?P<keep>\w+://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(?P<keep>)\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}",
        r"(?P<keep>)\bpat-[a-z0-9]{2,4}-[0-9a-f-]{20,}",
        r"(?P<keep>)\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    )
)


class Redactor:
    """Masks the secrets it was told of, however they are written, and by default what looks like one."""

    def __init__(self, *, patterns: bool = True) -> None:
        self._patterns = PATTERNS if patterns else ()
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these from now on: as they are, URL-encoded, base64-encoded, JSON-escaped, or cut by a line end."""
        self._secrets.update(secrets)
        forms = {form for secret in self._secrets for form in _forms(secret)}
        # The longest first: a form may lie within another.
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(_spelled(form) for form in ordered)) if ordered else None

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern in self._patterns:
            text = pattern.sub(rf"\g<keep>{MASK}", text)
        return text

    def tree(self, value: object) -> object:
        """The same for every string in a tree of mappings and sequences; what is not JSON becomes its text."""
        if isinstance(value, str):
            return self(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {self(str(key)): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.tree(item) for item in value]
        return self(str(value))


def _forms(secret: str) -> set[str]:
    forms: set[str] = set()
    # Each line of a key file gives it away on its own.
    for part in {secret, *secret.splitlines()}:
        stripped = part.strip()
        if len(stripped) < SHORTEST:
            continue
        forms |= {
            stripped,
            quote(stripped, safe=""),
            quote(stripped),
            quote_plus(stripped),
            json.dumps(stripped)[1:-1],
            json.dumps(stripped, ensure_ascii=False)[1:-1],
            repr(stripped)[1:-1],
        }
        forms |= _base64_forms(stripped.encode())
    return forms


def _base64_forms(secret: bytes) -> set[str]:
    """The characters that any base64 text holding the secret must contain, at each of the three alignments."""
    forms: set[str] = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode()
        # Six bits a character: those that lie wholly within the secret's own bytes.
        core = encoded[-(-8 * shift // 6) : 8 * (shift + len(secret)) // 6]
        if len(core) >= SHORTEST:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms


def _spelled(form: str) -> str:
    if len(form) < SHORTEST_CUT:
        return re.escape(form)
    return LINE_END.join(re.escape(character) for character in form)
