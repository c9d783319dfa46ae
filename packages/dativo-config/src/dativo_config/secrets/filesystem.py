"""Secrets in a tenant's folder, `secrets/<tenant>/`: `.env` files, `.json` files, and files that are one value.

A file's stem is a secret's name: `stripe_api_key`, `stripe_api_key.txt` and `stripe_api_key.json` all hold
`stripe_api_key`. The keys in `.env` and `.json` files are names too; a file of its own wins over a key.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from dativo_config.secrets.names import fold
from dativo_config.secrets.values import Form, read_values

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FolderSecrets:
    """The secrets in one folder. Files are read when a name is looked up, never kept."""

    folder: Path

    @property
    def where(self) -> str:
        """The folder, as messages name it."""
        return f"{self.folder}{os.sep}"

    def find(self, name: str) -> SecretStr | None:
        """The value of a secret, or None."""
        wanted = fold(name)
        if wanted is None:
            return None
        files = self._files()
        for own in (True, False):
            for file in files:
                if (fold(_stem(file)) == wanted) is own:
                    for key, value in _read(file):
                        if fold(key) == wanted:
                            return value
        return None

    def names(self) -> frozenset[str]:
        """The names of all secrets."""
        return frozenset(name for file in self._files() for name, _ in _read(file) if fold(name))

    def warnings(self) -> list[str]:
        """What is not as it should be: files that other users of the machine can read, and files left aside."""
        found: list[str] = []
        for file in self._entries():
            if not self._inside(file):
                found.append(f"{file} leads out of the tenant's folder and is not read")
            elif file.is_file() and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                found.append(f"{file} can be read by others; chmod 600 {file}")
            elif file.is_file() and file.stat().st_size > MOST_BYTES:
                found.append(f"{file} is larger than {MOST_BYTES // 1024} KiB and is not read")
        return found

    def _files(self) -> list[Path]:
        """The files that may be read: regular, of a sensible size, and inside the folder, links resolved."""
        return [
            file
            for file in self._entries()
            if self._inside(file) and file.is_file() and file.stat().st_size <= MOST_BYTES
        ]

    def _entries(self) -> list[Path]:
        try:
            return sorted(file for file in self.folder.iterdir() if file.name != ".gitkeep")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _inside(self, file: Path) -> bool:
        """Whether the file lies in the folder, and the folder where its name says, whatever links are in the way.

        A folder that is itself a link could be another tenant's. Links inside the folder are how Kubernetes mounts
        secrets, and stay inside it.
        """
        root = self.folder.parent.resolve() / self.folder.name
        return file.resolve().is_relative_to(root)


def _stem(file: Path) -> str:
    """The name of the secret that the whole file is; empty for `.env`, which is only its lines."""
    return "" if file.name.startswith(".env") else file.stem


def _form(file: Path) -> Form:
    if file.suffix == ".json":
        return "json"
    return "env" if file.suffix == ".env" or file.name.startswith(".env") else "text"


def _read(file: Path) -> Iterator[tuple[str, SecretStr]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return
    yield from read_values(_stem(file), text, _form(file))
