"""`${VAR}`, `${VAR:-default}`, `${secret:NAME}` and `$${` in the text values of a file.

Variables are put in while a file is loaded, secrets only in the process of the run. In between, a text may still hold
references `${secret:NAME}`; text that merely looks like one, because a variable's value or a `$${` made it, carries
`${dollar}` for its `$`, so that nothing but what the file's author wrote is ever taken for a reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, SecretStr

from dativo_config.document import Document
from dativo_config.masking import names_secret
from dativo_config.models.contract import JsonValue
from dativo_config.models.resolved import ResolvedJob
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem
from dativo_config.secrets.vendor import opens_vendor

if TYPE_CHECKING:
    from dativo_config.secrets import Secrets

_Value = TypeVar("_Value")

_TOKEN = re.compile(
    r"(?P<escape>\$\$\{)"
    r"|\$\{secret:(?P<secret>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)\}"
    r"|\$\{(?P<variable>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|(?P<malformed>\$\{[^}\s]*\}?)"
)
_LOOKS_RESERVED = re.compile(r"\$(?=\{(?:secret:|dollar\}))")
_REFERENCE = re.compile(r"\$\{(?:secret:(?P<name>[A-Za-z0-9_.-]+)|dollar)\}")

_OF_THE_SERVICE = re.compile(
    r"DATIVO_SECRET_.*|DATIVO_\w*(?:URL|URI|DSN|KEY|TOKEN|PASSWORD|CREDENTIALS?)\w*|DAGSTER_\w*|VAULT_\w*",
    re.IGNORECASE,
)
# Where a server is opens nothing, and is the same for all tenants.
_PLACE = re.compile(r"(?:S3|MINIO|AWS)_(?:ENDPOINT\w*|BUCKET|REGION|DEFAULT_REGION)")


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that files may name.

    Attributes:
        one_tenant: the project has one tenant only: then vendors' variables (`PGPASSWORD`) are that tenant's.
        vendor: those that connectors know, besides the list above.
    """

    variables: Mapping[str, str]
    one_tenant: bool = True
    vendor: frozenset[str] = frozenset()

    def refusal(self, name: str) -> str:
        """Why a file may not name a variable; empty: it may."""
        if _OF_THE_SERVICE.fullmatch(name):
            return "belongs to the service and may not be named in a file"
        vendor = name in self.vendor and not _PLACE.fullmatch(name)
        if not self.one_tenant and (vendor or opens_vendor(name)):
            return "would be shared by the tenants of this project, and holds credentials"
        return ""


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A document whose variables are put in.

    Attributes:
        paths: the values that hold a variable's value: they are not shown in problems, and where a number or a
            boolean is wanted their text is read as one.
    """

    document: Document
    paths: frozenset[ValuePath]


def interpolate(document: Document, environment: Environment) -> tuple[Interpolated, list[Problem]]:
    """The document with its variables put in, and a problem for each that can't be."""
    run = _Interpolation(document, environment)
    value = run.of(document.value, ())
    assert isinstance(value, dict)  # noqa: S101 - the root of a document is a map
    return Interpolated(replace(document, value=value), frozenset(run.paths)), run.problems


def refers_to_secret(text: str) -> bool:
    """Whether an interpolated text names a secret."""
    return any(found["name"] for found in _REFERENCE.finditer(text))


def resolve_secrets(job: ResolvedJob, secrets: Secrets) -> tuple[ResolvedJob, frozenset[str]]:
    """The job with its secrets in place, and every value to redact: those, and whatever stands in a secret's field.

    Raises:
        SecretNotFoundError: a secret that the job refers to is nowhere.
    """
    resolver = _Resolver(secrets)
    resolved = replace(
        job,
        job=resolver.of(job.job),
        options=resolver.of(job.options),
        credentials=resolver.of(job.credentials),
        connection=resolver.of(job.connection),
        streams=tuple(replace(stream, inputs=resolver.of(stream.inputs)) for stream in job.streams),
        target=replace(
            job.target,
            connection=resolver.of(job.target.connection),
            warehouse=resolver.of(job.target.warehouse),  # the bucket may come from a secret
        ),
    )
    return resolved, frozenset(resolver.values - {""})


def resolve_secret(text: SecretStr, secrets: Secrets) -> SecretStr:
    """A secret's field of a runner file with its references replaced.

    Raises:
        SecretNotFoundError: a secret that it refers to is nowhere.
    """
    return _Resolver(secrets).of(text)


class _Interpolation:
    def __init__(self, document: Document, environment: Environment) -> None:
        self._document = document
        self._environment = environment
        self.paths: set[ValuePath] = set()
        self.problems: list[Problem] = []

    def of(self, value: JsonValue, path: ValuePath) -> JsonValue:
        if isinstance(value, dict):
            return {key: self.of(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        return self._text(value, path)

    def _text(self, text: str, path: ValuePath) -> str:
        # Literal text is collected across tokens before it is marked, so that two variables can't make a reference.
        result, literal, end = "", "", 0
        for token in _TOKEN.finditer(text):
            literal += text[end : token.start()]
            end = token.end()
            if token["secret"]:
                result += _literal(literal) + token.group()
                literal = ""
            else:
                literal += self._value(token, path)
        return result + _literal(literal + text[end:])

    def _value(self, token: re.Match[str], path: ValuePath) -> str:
        if token["escape"]:
            return "${"
        name = token["variable"]
        if name is None:
            shown = "a `${`" if names_secret("".join(map(str, path))) else f"`{token['malformed']}`"
            message = f"{shown} that is no variable and no secret"
            self._problem(path, message, "write ${VAR}, ${VAR:-default} or ${secret:NAME}; a literal `${` is `$${`")
            return ""
        self.paths.add(path)
        refusal = self._environment.refusal(name)
        if refusal:
            self._problem(path, f"the variable {name} {refusal}", "write ${secret:NAME}, and keep it as the tenant's")
            return ""
        value = self._environment.variables.get(name)
        if value is None or (value == "" and token["default"] is not None):
            value = token["default"]
        if value is None:
            self._problem(path, f"the variable {name} is not set", f"set it, or give a default: ${{{name}:-...}}")
            return ""
        return self._checked(name, value, path)

    def _checked(self, name: str, value: str, path: ValuePath) -> str:
        """Variables are bytes: what is not UTF-8 comes as lone surrogates, which no file can carry."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self._problem(path, f"the value of the variable {name} is not UTF-8 text", "")
            return ""
        return value

    def _problem(self, path: ValuePath, message: str, hint: str) -> None:
        self.problems.append(self._document.problem(path, message, hint=hint))


def _literal(text: str) -> str:
    return _LOOKS_RESERVED.sub("${dollar}", text)


class _Resolver:
    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.values: set[str] = set()

    def of(self, value: _Value) -> _Value:
        """The same value, of the same type, with its references replaced."""
        resolved: object = value
        if isinstance(value, SecretStr):
            resolved = SecretStr(self._text(value.get_secret_value()))
            self.values.add(resolved.get_secret_value())
        elif isinstance(value, str):
            resolved = self._text(value)
        elif isinstance(value, BaseModel):
            fields = type(value).model_fields
            resolved = value.model_copy(update={name: self.of(getattr(value, name)) for name in fields})
        elif isinstance(value, Mapping):
            resolved = {key: self.of(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            resolved = type(value)(self.of(item) for item in value)
        return cast("_Value", resolved)

    def _text(self, text: str) -> str:
        return _REFERENCE.sub(self._secret, text) if "${" in text else text

    def _secret(self, found: re.Match[str]) -> str:
        if not found["name"]:
            return "$"
        value = self._secrets.get(found["name"]).get_secret_value()
        self.values.add(value)
        return value
