"""Where a tenant's secrets are looked up: the interface that every manager implements."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr


class SecretError(Exception):
    """A secret can't be had; a person must change something first. The message never holds a value."""


class SecretUnreadableError(SecretError):
    """What may hold the secret can't be read. Other places are not asked: they may hold another account's key."""


class SecretNotFoundError(SecretError, LookupError):
    """No secret of this name. The message names the places that were looked at, never a value."""

    def __init__(self, name: str, looked: tuple[str, ...]) -> None:
        super().__init__(f"there is no secret {name!r}; looked in {', then '.join(looked)}")
        self.name = name
        self.looked = looked

    def __reduce__(self) -> tuple[type[SecretNotFoundError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self.looked)


class Secrets(Protocol):
    """The secrets that one tenant's jobs may use: its own and the project's GLOBAL ones. Picklable."""

    def get(self, name: str) -> SecretStr:
        """The value of a secret.

        Raises:
            SecretNotFoundError: there is none of this name, or the name is none a secret can have.
            SecretUnreadableError: a place that may hold it, and comes first, can't be read.
        """
        ...

    def has(self, name: str) -> bool:
        """Whether there is a secret of this name.

        Raises:
            SecretUnreadableError: as for `get`.
        """
        ...

    def names(self) -> frozenset[str]:
        """The names of all secrets, as the places that hold them spell them."""
        ...
