"""Text for a person's terminal: what came from data can't move its cursor or change its colours."""

from __future__ import annotations

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    r"""The text with control characters written out, like `\x1b`; line ends and tabs stay."""
    return text.translate(_CONTROLS)
