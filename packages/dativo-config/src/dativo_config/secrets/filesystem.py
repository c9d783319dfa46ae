"""Secrets in a tenant's folder, `secrets/<tenant>/`: `.env` files, `.json` files, and files that are one value.

A file's stem is a secret's name: `stripe_api_key`, `stripe_api_key.txt` and `stripe_api_key.json` all hold
`stripe_api_key`. The keys in `.env` and `.json` files are names too; a file of its own wins over a key.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from dativo_config.rights import remedy
from dativo_config.secrets.interface import SecretUnreadableError
from dativo_config.secrets.names import fold
from dativo_config.secrets.values import Form, read_values

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FolderSecrets:
    """The secrets in one folder. Files are read when a name is looked up, never kept.

    A file that may hold a secret and can't be read is an error, not one without it: the next place that is asked may
    hold another account's key under the same name.
    """

    folder: Path

    @property
    def where(self) -> str:
        """The folder, as messages name it."""
        return f"{self.folder}{os.sep}"

    def find(self, name: str) -> SecretStr | None:
        """The value of a secret, or None.

        Raises:
            SecretUnreadableError: a file that may hold it can't be read, or the folder can't.
        """
        wanted = fold(name)
        if wanted is None:
            return None
        files = [file for file in self._entries() if self._inside(file)]
        for file in files:
            if fold(_stem(file)) == wanted:
                return next(value for key, value in _read(file) if fold(key) == wanted)
        for file in files:
            if _holds_others(file):
                for key, value in _read(file):
                    if fold(key) == wanted:
                        return value
        return None

    def names(self) -> frozenset[str]:
        """The names of all secrets that can be read."""
        found: set[str] = set()
        for file in self._entries():
            with suppress(SecretUnreadableError):
                if self._inside(file):
                    found.update(name for name, _ in _read(file) if fold(name))
        return frozenset(found)

    def warnings(self) -> list[str]:
        """What is not as it should be: files that other users of the machine can read, and files left aside."""
        try:
            return [told for file in self._entries() if (told := self._warning(file))]
        except SecretUnreadableError as error:
            return [str(error)]

    def _warning(self, file: Path) -> str:
        if not self._inside(file):
            return f"{file} leads out of the tenant's folder and is not read"
        try:
            found = file.stat()
        except OSError as error:
            return str(_unreadable(file, error.strerror or str(error)))
        if not stat.S_ISREG(found.st_mode):
            return ""
        if found.st_size > MOST_BYTES:
            return f"{file} is larger than {MOST_BYTES // 1024} KiB and is not read"
        closing = _closing(file, found)
        return f"{file} can be read by others; {closing} {file}" if closing else ""

    def _entries(self) -> list[Path]:
        try:
            return sorted(file for file in self.folder.iterdir() if file.name != ".gitkeep")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(self.folder, error.strerror or str(error)) from error

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


def _holds_others(file: Path) -> bool:
    """Whether there may be secrets in it beside the one that the whole file is."""
    return _form(file) != "text"


def _read(file: Path) -> Iterator[tuple[str, SecretStr]]:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _unfit(file, "is no regular file")
        if found.st_size > MOST_BYTES:
            raise _unfit(file, f"is larger than {MOST_BYTES // 1024} KiB")
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unfit(file, "is not UTF-8 text") from error
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    yield from read_values(_stem(file), text, _form(file))


def _closing(file: Path, found: os.stat_result) -> str:
    """What takes a file from those who need not read it, and from no one who does; empty: they can't.

    Where someone else owns the file, this process may be let in by its group; where there is an access control list,
    the group's bits are the mask over all who are let in.
    """
    if found.st_uid == os.geteuid() and not _has_list(file):
        return "chmod 600" if found.st_mode & (stat.S_IRGRP | stat.S_IROTH) else ""
    return "chmod o-rwx" if found.st_mode & stat.S_IROTH else ""


def _has_list(file: Path) -> bool:
    try:
        return sys.platform == "linux" and "system.posix_acl_access" in os.listxattr(file)
    except OSError:
        return False  # a file system without any


def _unreadable(path: Path, why: str) -> SecretUnreadableError:
    message = f"{path}: the tenant's secrets can't be read by user {os.getuid()} ({why.lower()}); {remedy(path)}"
    return SecretUnreadableError(message)


def _unfit(file: Path, why: str) -> SecretUnreadableError:
    return SecretUnreadableError(f"{file}: may hold the secret, and {why}; mend it, or move it out of the folder")
