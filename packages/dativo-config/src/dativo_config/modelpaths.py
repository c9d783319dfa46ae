"""Which keys a model knows, and where: what `did you mean` chooses from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import get_args

from pydantic import BaseModel

from dativo_config.nodes import ValuePath


def keys_at(model: type[BaseModel], path: ValuePath) -> list[str]:
    """The keys that files may write in the block at `path` of a model."""
    models = [model]
    for step in path:
        if isinstance(step, str):
            models = [inner for outer in models for inner in _models_of(outer, step)]
    return [key for found in models for key in _fields(found)]


@cache
def belongs_to(model: type[BaseModel], key: str) -> str:
    """The only block in which a misplaced key is known; empty: there is none, or more than one."""
    places = [place for place, inner in _blocks(model, "", 3) if key in _fields(inner)]
    return places[0] if len(places) == 1 else ""


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _blocks(model: type[BaseModel], place: str, depth: int) -> Iterator[tuple[str, type[BaseModel]]]:
    for key in _fields(model) if depth else ():
        for inner in _models_of(model, key):
            here = f"{place}.{key}" if place else key
            yield here, inner
            yield from _blocks(inner, here, depth - 1)


def _models_of(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return list(_models_in(field.annotation))
    return []


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Models in a type, however deep in lists, maps and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
