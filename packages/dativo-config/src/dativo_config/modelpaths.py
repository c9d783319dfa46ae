"""Which keys a model knows, and where: what `did you mean` chooses from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

from dativo_config.nodes import ValuePath

# Stands for the name of an entry of a map.
ENTRY = ".<name>"


def keys_at(model: type[BaseModel], path: ValuePath) -> list[str]:
    """The keys that files may write in the block at `path` of a model."""
    models = [model]
    is_name = False
    for step in path:
        if is_name:  # of an entry of a map
            is_name = False
        elif isinstance(step, str):
            found = [marked for outer in models for marked in _marked_models_of(outer, step)]
            models = [inner for _, inner in found]
            is_name = any(mark == ENTRY for mark, _ in found)
    return [key for found in models for key in _fields(found)]


@cache
def belongs_to(model: type[BaseModel], key: str) -> str:
    """The only block in which a misplaced key is known; empty: there is none, or more than one."""
    places = [place for place, inner in _blocks(model, "", 3) if key in _fields(inner)]
    return places[0] if len(places) == 1 else ""


def inner_blocks(model: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The blocks inside a model, each once: where a file writes them, and the model of each.

    `[]` stands for an entry of a list, `.<name>` for one of a map; of several blocks that may stand in one place each
    comes with the `type` that chooses it.
    """
    told: set[type[BaseModel]] = {model}
    waiting = [(place, model)]
    while waiting:
        here, outer = waiting.pop(0)
        for name, field in outer.model_fields.items():
            for mark, inner in _marked_models_in(field.annotation):
                if inner not in told:
                    told.add(inner)
                    where = f"{here}.{field.alias or name}{mark}"
                    waiting.append((where, inner))
                    yield where + _kind(inner), inner


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("type")
    choices = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return f", type: {choices[0]}" if len(choices) == 1 else ""


def _marked_models_in(annotation: object) -> Iterator[tuple[str, type[BaseModel]]]:
    """Models in a type, however deep in lists, maps and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    origin = get_origin(annotation)
    mark = "[]" if origin is list else ENTRY if origin is dict else ""
    for argument in get_args(annotation):
        for inner_mark, model in _marked_models_in(argument):
            yield mark + inner_mark, model


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _blocks(model: type[BaseModel], place: str, depth: int) -> Iterator[tuple[str, type[BaseModel]]]:
    for key in _fields(model) if depth else ():
        for inner in _models_of(model, key):
            here = f"{place}.{key}" if place else key
            yield here, inner
            yield from _blocks(inner, here, depth - 1)


def _models_of(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    return [inner for _, inner in _marked_models_of(model, key)]


def _marked_models_of(model: type[BaseModel], key: str) -> list[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return list(_marked_models_in(field.annotation))
    return []
