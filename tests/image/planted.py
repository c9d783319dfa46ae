"""Secrets where people leave them, while an image is built: none may leave the machine."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PLANTED = "planted-c3f1d60e7a5b4f0aa1b2"
PLACES = (
    ".env.planted",
    "secrets/planted/.env",
    "secrets/planted/key",
    "packages/dativo-cli/.env.planted",
    "packages/dativo-cli/src/dativo_cli/.env.planted",
)
VARIABLE = "DATIVO_SECRET__GLOBAL__PLANTED"


@contextmanager
def planted_secrets(repository: Path) -> Generator[None]:
    """A secret in files of the working tree and in the environment, while the block runs."""
    files = [repository / place for place in PLACES]
    try:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"password={PLANTED}\n")
        os.environ[VARIABLE] = PLANTED
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        for file in files:
            file.unlink(missing_ok=True)
        for folder in (repository / "secrets" / "planted", repository / "secrets"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
