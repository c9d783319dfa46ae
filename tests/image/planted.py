"""Secrets where people leave them, while an image is built: none may leave the machine."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PLANTED = "planted-c3f1d60e7a5b4f0aa1b2"
PLACES = (".env.planted", "packages/dativo-cli/.env.planted", "packages/dativo-cli/src/dativo_cli/.env.planted")
VARIABLE = "DATIVO_SECRET__GLOBAL__PLANTED"


@contextmanager
def planted_secrets(repository: Path) -> Generator[None]:
    """A secret in files of the working tree and in the environment, while the block runs."""
    files = [repository / place for place in PLACES]
    try:
        for file in files:
            file.write_text(f"password={PLANTED}\n")
        os.environ[VARIABLE] = PLANTED
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        for file in files:
            file.unlink(missing_ok=True)
