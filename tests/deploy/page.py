"""What docs/deploy.md shows."""

from __future__ import annotations

from tests.docs.documents import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "deploy.md"


def shown(language: str, word: str) -> str:
    """The one block of a language that has a word in it."""
    (found,) = [block.text for block in blocks(language) if block.document == PAGE and word in block.text]
    return found
