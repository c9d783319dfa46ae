"""Secrets: env and filesystem behind one interface."""

from dativo_config.secrets.env import hide_other_tenants
from dativo_config.secrets.interface import SecretError, SecretNotFoundError, Secrets, SecretUnreadableError
from dativo_config.secrets.lookup import MANAGERS, open_secrets, secret_warnings

__all__ = [
    "MANAGERS",
    "SecretError",
    "SecretNotFoundError",
    "SecretUnreadableError",
    "Secrets",
    "hide_other_tenants",
    "open_secrets",
    "secret_warnings",
]
