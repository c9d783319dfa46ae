"""Secrets in environment variables: `DATIVO_SECRET__<TENANT | GLOBAL | ALL>__<NAME>[__json | env | text | raw]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from dativo_config.secrets.names import fold
from dativo_config.secrets.values import Form, read_values
from dativo_config.secrets.vendor import holds_key
from dativo_config.tenancy import Tenant

PREFIX = "DATIVO_SECRET__"
SHARED_SCOPES = ("GLOBAL", "ALL")

_FORMS: Mapping[str, Form] = {"JSON": "json", "ENV": "env", "TEXT": "text", "RAW": "raw"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's name, taken apart."""

    scope: str
    name: str
    form: Form


def read_variable(variable: str) -> Variable | None:
    """The parts of a variable that holds a secret; None: it holds none, or its name can't be taken apart.

    Neither a tenant nor a secret has `__` in its name, so that tenant `a` and its secret `b__c` can never be read as
    the secret `c` of tenant `a__b`.
    """
    if not variable.startswith(PREFIX):
        return None
    scope, *rest = variable.removeprefix(PREFIX).split("__")
    if len(rest) == 2 and rest[1].upper() in _FORMS:
        name, form = rest[0], _FORMS[rest[1].upper()]
    elif len(rest) == 1:
        name, form = rest[0], "text"
    else:
        return None
    return Variable(scope, name, form) if scope and fold(name) else None


def hide_other_tenants(environment: MutableMapping[str, str], tenant: Tenant) -> None:
    """Delete the variables that hold secrets of anyone but `tenant` and GLOBAL; those that can't be told, too.

    Vendors' keys belong to nobody where there are several tenants.
    """
    allowed = {tenant.environment_form, *SHARED_SCOPES}
    for variable in list(environment):
        if variable.upper().startswith(PREFIX):
            parts = read_variable(variable)
            hidden = parts is None or parts.scope.upper() not in allowed
        else:
            hidden = not tenant.alone and holds_key(variable)
        if hidden:
            del environment[variable]


@dataclass(frozen=True)
class EnvironmentSecrets:
    """The secrets of some scopes (`ACME`, `GLOBAL`), the first that has a name wins."""

    values: Mapping[str, SecretStr] = field(repr=False)
    spellings: frozenset[str]
    where: str

    @classmethod
    def of(cls, environment: Mapping[str, str], scopes: tuple[str, ...]) -> EnvironmentSecrets:
        """Take the secrets of `scopes` out of the environment."""
        found: dict[str, SecretStr] = {}
        spellings: set[str] = set()
        for name, value in _in_order(environment, scopes):
            folded = fold(name)
            if folded is not None and folded not in found:
                found[folded] = value
                spellings.add(name)
        return cls(
            found, frozenset(spellings), " and ".join(f"the environment ({PREFIX}{scope}__*)" for scope in scopes)
        )

    def find(self, name: str) -> SecretStr | None:
        """The value of a secret, or None."""
        return self.values.get(fold(name) or "")

    def names(self) -> frozenset[str]:
        """The names, as the variables spell them."""
        return self.spellings


def _in_order(environment: Mapping[str, str], scopes: tuple[str, ...]) -> Iterator[tuple[str, SecretStr]]:
    for scope in scopes:
        for variable in sorted(environment):
            parts = read_variable(variable)
            if parts is not None and parts.scope.upper() == scope:
                yield from read_values(parts.name, environment[variable], parts.form)
