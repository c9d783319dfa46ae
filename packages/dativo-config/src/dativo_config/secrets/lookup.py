"""A tenant's secrets: the environment, then its folder, then what the project shares as GLOBAL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from dativo_config.secrets.env import SHARED_SCOPES, EnvironmentSecrets
from dativo_config.secrets.filesystem import FolderSecrets
from dativo_config.secrets.interface import SecretNotFoundError, Secrets
from dativo_config.tenancy import Tenant

MANAGERS = ("env", "filesystem")


@dataclass(frozen=True, slots=True)
class TenantSecrets:
    """Places in the order they are asked; the first that has a name wins."""

    places: tuple[EnvironmentSecrets | FolderSecrets, ...]

    def get(self, name: str) -> SecretStr:
        """The value of a secret.

        Raises:
            SecretNotFoundError: there is none of this name, or the name is none a secret can have.
            SecretUnreadableError: the tenant's folder, or a file in it that may hold the secret, can't be read.
        """
        for place in self.places:
            value = place.find(name)
            if value is not None:
                return value
        raise SecretNotFoundError(name, tuple(place.where for place in self.places))

    def has(self, name: str) -> bool:
        """Whether there is a secret of this name."""
        return any(place.find(name) is not None for place in self.places)

    def names(self) -> frozenset[str]:
        """The names of all secrets, as the places that hold them spell them."""
        return frozenset(name for place in self.places for name in place.names())


def open_secrets(tenant: Tenant, *, manager: str | None, environment: Mapping[str, str]) -> Secrets:
    """The secrets that a tenant's jobs may use.

    Args:
        manager: the only place to ask (`env` or `filesystem`); None: all, GLOBAL ones last.
        environment: read once, now.

    Raises:
        ValueError: there is no such manager.
    """
    own = EnvironmentSecrets.of(environment, (tenant.environment_form,))
    shared = EnvironmentSecrets.of(environment, SHARED_SCOPES)
    folder = FolderSecrets(tenant.secrets_folder)
    match manager:
        case None:
            return TenantSecrets((own, folder, shared))
        case "env":
            return TenantSecrets((own, shared))
        case "filesystem":
            return TenantSecrets((folder,))
        case _:
            raise ValueError(f"there is no secret manager {manager!r} in this version; use env or filesystem")


def secret_warnings(tenant: Tenant) -> list[str]:
    """What is not as it should be with a tenant's secret files, a sentence each. Names files, never values."""
    return FolderSecrets(tenant.secrets_folder).warnings()
