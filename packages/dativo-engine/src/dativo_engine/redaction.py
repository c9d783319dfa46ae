"""Takes secrets out of text before it leaves the process."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator, Iterable, Sequence
from math import isfinite
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
# Shorter values would blank out ordinary words; the shortest that is a secret is a four-digit PIN.
SHORTEST = 4
# A line end may cut long values: wrapped base64, a value folded by a mailer or a terminal.
LINE_END = re.compile(r"(?:\\r|\r)?(?:\\n|\n)|\\r|\r")
SHORTEST_CUT = 8
ADDRESSES = (re.compile(r"\s*[\w.+-]+://[^:@/]*:([^@]+)@"), re.compile(r"\s*[\w.+-]+://[^:@/]*:(.+)@"))

# What looks like a secret though no run resolved it: it came from a server's answer or a driver's message. What dativo
# says of a setting does not: "credentials.api_key: the variable X is not set", "write ${secret:NAME}".
PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}",
        (
            r"(?P<keep>(?<!\$\{)\b(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)\b[\"']?\s*[=:]\s*[\"']?)"
            r"(?!(?:the|is|are|was|has|not|unknown|write)\s)[^\s\"',;&]{3,}"
        ),
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
        self._forms: Sequence[str] = ()
        self._cut_forms: Sequence[str] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these from now on: as they are, URL-encoded, base64-encoded, JSON-escaped, or cut by a line end.

        Of an address also the password, wherever in it the first or the last sign stands that could end it.
        """
        for secret in secrets:
            passwords = {found[1] for pattern in ADDRESSES if (found := pattern.match(secret))}
            self._secrets |= {secret, *passwords, *map(unquote, passwords)}
        self._forms = tuple({form for secret in self._secrets for form in _forms(secret)})
        joined = {LINE_END.sub("", form) for form in self._forms}
        self._cut_forms = tuple(form for form in joined if len(form) >= SHORTEST_CUT)

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        text = _masked(text, [*_places(text, self._forms), *_cut_places(text, self._cut_forms)])
        for pattern in self._patterns:
            text = pattern.sub(rf"\g<keep>{MASK}", text)
        return text

    def tree(self, value: object) -> object:
        """The same for every string in a tree of mappings and sequences; what is not JSON becomes its text."""
        if isinstance(value, str):
            return self(value)
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
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


def _places(text: str, forms: Iterable[str]) -> Generator[tuple[int, int]]:
    """From where to where any of the forms stands in a text. A key file has hundreds of forms: too many for a regex."""
    for form in forms:
        start = text.find(form)
        while start >= 0:
            yield start, start + len(form)
            start = text.find(form, start + 1)


def _cut_places(text: str, forms: Iterable[str]) -> Generator[tuple[int, int]]:
    """The same for forms that line ends cut."""
    cuts = [cut.span() for cut in LINE_END.finditer(text)]
    if not cuts:
        return
    ends = [0, *(end for _, end in cuts)]
    starts = [*(start for start, _ in cuts), len(text)]
    kept = [place for begin, end in zip(ends, starts, strict=True) for place in range(begin, end)]
    joined = "".join(text[begin:end] for begin, end in zip(ends, starts, strict=True))
    for start, end in _places(joined, forms):
        yield kept[start], kept[end - 1] + 1


def _masked(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with a mask for each place, and one for places that overlap."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(places):
        if start >= done:
            parts += [text[done:start], MASK]
        done = max(done, end)
    return "".join([*parts, text[done:]])
