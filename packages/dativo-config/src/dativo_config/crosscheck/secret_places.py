"""Secrets stand only where they stay secret: in what a source or a catalogue is opened with."""

from __future__ import annotations

from collections.abc import Iterator

from dativo_config.draft import Draft
from dativo_config.interpolate import refers_to_secret
from dativo_config.models.contract import JsonValue
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem

_PLACES: tuple[ValuePath, ...] = (("source",), ("target", "connection"))


def check_secret_places(draft: Draft) -> Iterator[Problem]:
    """That no other field of a job names a secret: most end up in a table's properties, its name or its path."""
    for path, text in _texts(draft.document.value):
        if refers_to_secret(text) and not any(path[: len(place)] == place for place in _PLACES):
            message = "a secret may stand under source and target.connection only; others could read it here"
            yield draft.problem(path, message, hint="write the text itself, or ${VAR}")


def _texts(value: JsonValue, path: ValuePath = ()) -> Iterator[tuple[ValuePath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
