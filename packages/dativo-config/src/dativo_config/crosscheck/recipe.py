"""That a recipe holds what its connector takes: a source's settings, or a target's, and says so itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dativo_config.document import Document
from dativo_config.models.connector import ConnectorSpec, Recipe, RecipeCredentials
from dativo_config.problems import Problem, one_of

TARGET_CONNECTORS = ("iceberg",)

# What a recipe of the other role may not hold, and what to write instead.
_OF_SOURCES = {
    "credentials": "write keys in connection_template, like access_key_id: ${secret:NAME}",
    "options": "write target.properties in the jobs",
    "rate_limits": "remove it; a catalogue is asked as often as a run needs",
    "incremental": "write it in the source's recipe",
}
_OF_TARGETS = dict.fromkeys(("catalog", "file_format", "partitioning_default"), "write it in a recipe of type: iceberg")


def check_recipe(recipe: Recipe, document: Document, connectors: Mapping[str, ConnectorSpec]) -> Iterator[Problem]:
    """Everything in a recipe that would have no effect."""
    is_target, spec = recipe.type in TARGET_CONNECTORS, connectors.get(recipe.type)
    if not is_target and spec is None:
        return  # an unknown connector, which is told where the recipe is used
    role, other = ("target", "source") if is_target else ("source", "target")
    for name, instead in (_OF_SOURCES if is_target else _OF_TARGETS).items():
        if name in recipe.model_fields_set and getattr(recipe, name):
            yield document.problem((name,), f"has no effect in a recipe of a {role}", hint=instead, key=True)
    if "roles" in recipe.model_fields_set and recipe.roles != [role]:
        wrong = f"the connector '{recipe.type}' is no {other}" if other in recipe.roles else "says no role"
        yield document.problem(("roles",), wrong, hint=f"write roles: [{role}]")
    if spec is not None and spec.inputs == "files" and recipe.rate_limits is not None:
        yield document.problem(("rate_limits",), f"the connector '{spec.name}' asks no API", hint="remove it", key=True)
    if spec is not None and recipe.credentials is not None:
        yield from _kind(recipe.credentials, spec, document)


def _kind(credentials: RecipeCredentials, spec: ConnectorSpec, document: Document) -> Iterator[Problem]:
    """`credentials.type` is the credential that a variable of `from_env` holds."""
    at, known = ("credentials", "type"), credential_names(spec)
    if credentials.type is None or credentials.type in known:
        return
    if not known:
        yield document.problem(at, f"the connector '{spec.name}' takes no credentials", hint="remove credentials")
        return
    yield document.problem(at, f"expected {one_of(known)}, found '{credentials.type}'", hint="or leave it out")


def credential_names(spec: ConnectorSpec) -> list[str]:
    """What `source.credentials` of a connector may hold."""
    return [] if spec.credentials is None else list(spec.credentials.model_fields)
