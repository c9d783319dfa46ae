"""A recipe by itself: what its connector is opened with where no job says more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dativo_config.document import Document
from dativo_config.interpolate import refers_to_secret
from dativo_config.library import Library, RecipeFile
from dativo_config.models.connector import ConnectorSpec, RecipeCredentials
from dativo_config.models.contract import JsonValue
from dativo_config.models.job import RateLimits
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.validate import Block

_Model = TypeVar("_Model", bound=BaseModel)
_BLOCKS = ("options", "connection_template")


@dataclass(frozen=True, slots=True)
class OpenedRecipe:
    """A connector as a recipe describes it; the models are the connector's own."""

    spec: ConnectorSpec
    options: BaseModel | None
    connection: BaseModel | None
    credentials: BaseModel | None
    rate_limits: RateLimits | None


def open_recipe(library: Library, path: Path) -> OpenedRecipe | None:
    """The recipe at a path with its connector's models; None after telling why there is none."""
    recipe = library.recipe(path)
    if recipe is None:
        return None
    spec = library.connectors.get(recipe.recipe.type)
    if spec is None:
        known = sorted(library.connectors)
        hint = closest(recipe.recipe.type, known)
        library.findings.add([recipe.document.problem(("type",), f"expected {one_of(known)}", hint=hint)])
        return None
    library.findings.add(_secrets(recipe))

    def block(model: type[_Model] | None, at: str) -> _Model | None:
        return library.read(Block(model, recipe.opened, (at,))) if model is not None else None

    values = credentials_in_variables(library, spec, recipe)
    return OpenedRecipe(
        spec=spec,
        options=block(spec.options, "options"),
        connection=block(spec.connection, "connection_template"),
        # Variables were put in as values: none of them stands in the recipe itself.
        credentials=spec.credentials.model_validate(values) if spec.credentials is not None and values else None,
        rate_limits=recipe.recipe.rate_limits,
    )


def credentials_in_variables(library: Library, spec: ConnectorSpec, recipe: RecipeFile | None) -> dict[str, JsonValue]:
    """Credentials that vendors' variables hold; only where those can belong to one tenant alone."""
    named = recipe.recipe.credentials if recipe else None
    fields = {name: field for name, field in spec.environment.items() if library.environment.one_tenant}
    if named is not None and recipe is not None:
        fields |= _named_variables(library, named, spec, recipe.document)
    return {field: value for name, field in fields.items() if (value := library.variables.get(name))}


def _named_variables(
    library: Library, named: RecipeCredentials, spec: ConnectorSpec, document: Document
) -> dict[str, str]:
    """`credentials.from_env` of a recipe: variable -> field."""
    at = ("credentials", "from_env")
    kind = named.type or ""
    names = {named.from_env: kind} if isinstance(named.from_env, str) else dict.fromkeys(named.from_env or (), "")
    if isinstance(named.from_env, dict):
        names = {variable: field for field, variable in named.from_env.items()}
    problems: list[Problem] = []
    if named.file_template is not None:
        hint = "write source.credentials in the job, with ${secret:NAME}"
        problems.append(document.problem(("credentials", "file_template"), "is not available", hint=hint, key=True))
    for name, target in names.items():
        if refusal := library.environment.refusal(name):
            problems.append(document.problem(at, f"the variable {name} {refusal}", hint="use ${secret:NAME} in jobs"))
        elif not target and name not in spec.environment:
            problems.append(document.problem(at, f"which credential {name} is, is not known", hint="write field: NAME"))
    library.findings.add(problems)
    return {} if problems else {name: target or spec.environment[name] for name, target in names.items()}


def _secrets(recipe: RecipeFile) -> Iterator[Problem]:
    """Secrets are a tenant's, and a recipe alone has none."""
    for block in _BLOCKS:
        for at in _secret_places(getattr(recipe.recipe, block), (block,)):
            yield recipe.document.problem(at, "names a secret, which only a job's tenant has", hint="ask through a job")


def _secret_places(value: JsonValue, at: ValuePath) -> Iterator[ValuePath]:
    if isinstance(value, str) and refers_to_secret(value):
        yield at
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _secret_places(inner, (*at, key))
