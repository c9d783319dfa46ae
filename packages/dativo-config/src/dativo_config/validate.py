"""Values against a model of the format; what does not fit becomes problems in the words of the format."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dativo_config.interpolate import Interpolated
from dativo_config.masking import names_secret, tells_secret
from dativo_config.modelpaths import belongs_to, keys_at
from dativo_config.models.contract import JsonValue
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.scalars import read_scalar

_Model = TypeVar("_Model", bound=BaseModel)

_NUMBERS = re.compile(r"int_|float_|bool_|finite_")
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a map of `key: value` lines",
    "model_type": "a map of `key: value` lines",
    "model_attributes_type": "a map of `key: value` lines",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "none_required": "nothing",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "string_too_short": ("characters: at least", "min_length"),
    "string_too_long": ("characters: at most", "max_length"),
    "too_short": ("entries: at least", "min_length"),
    "too_long": ("entries: at most", "max_length"),
}


@dataclass(frozen=True, slots=True)
class Block(Generic[_Model]):
    """One block of a file, to be read as a model.

    Attributes:
        at: where the block stands in its file; () for all of it.
        defaults: values for keys that the block leaves out.
        defaults_from: the file and the place they stand at; None: they stand in no file.
    """

    model: type[_Model]
    file: Interpolated
    at: ValuePath = ()
    defaults: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    defaults_from: tuple[Interpolated, ValuePath] | None = None

    def read(self) -> tuple[_Model | None, list[Problem]]:
        """The model, or every problem why there is none."""
        value = {**self.defaults, **self._own()}
        try:
            return self._validated(value), []
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        if reread := self._reread(value, errors):
            try:
                return self._validated(reread), []
            except ValidationError as error:
                errors = error.errors(include_url=False, include_input=False)
        return None, self._problems(value, errors)

    def _own(self) -> Mapping[str, JsonValue]:
        return cast("dict[str, JsonValue]", value_at(self.file.document.value, self.at) or {})

    def _validated(self, value: Mapping[str, JsonValue]) -> _Model:
        # As JSON and strictly: the text "3" is no number, but a list may be a tuple and a text an enum or a date.
        return self.model.model_validate_json(json.dumps(value), strict=True)

    def _reread(self, value: Mapping[str, JsonValue], errors: list[ErrorDetails]) -> dict[str, JsonValue] | None:
        """The value with texts from variables read as the numbers and booleans they are wanted as; None: none is."""
        copy = cast("dict[str, JsonValue]", json.loads(json.dumps(value)))
        found = False
        for error in errors:
            path = document_path(copy, error["loc"])
            text = value_at(copy, path)
            if not (_NUMBERS.match(error["type"]) and isinstance(text, str) and self._is_from_variable(path)):
                continue
            try:
                _put(copy, path, read_scalar(text))
            except ValueError:
                continue
            found = True
        return copy if found else None

    def _problems(self, value: Mapping[str, JsonValue], errors: list[ErrorDetails]) -> list[Problem]:
        by_path: dict[ValuePath, list[ErrorDetails]] = {}
        for error in errors:
            by_path.setdefault(document_path(value, error["loc"]), []).append(error)
        problems: list[Problem] = []
        meant = self._meant(by_path)
        for path, here in by_path.items():
            if here[0]["type"] == "missing" and path in meant:
                continue  # it is there, misspelt
            deeper = any(len(other) > len(path) and other[: len(path)] == path for other in by_path)
            if deeper and isinstance(value_at(value, path), dict | list):
                continue  # another branch of a union was meant, and its own problems say more
            problems.append(self._problem(value, path, here))
        return problems

    def _meant(self, by_path: Mapping[ValuePath, list[ErrorDetails]]) -> set[ValuePath]:
        """The missing keys that unknown keys beside them were meant to be."""
        unknown = [path for path, errors in by_path.items() if errors[0]["type"] == "extra_forbidden"]
        hints = [(path, closest(str(path[-1]), keys_at(self.model, path[:-1]))) for path in unknown]
        return {(*path[:-1], hint.split("'")[1]) for path, hint in hints if hint}

    def _problem(self, value: Mapping[str, JsonValue], path: ValuePath, errors: list[ErrorDetails]) -> Problem:
        file, at = self._home(path)
        document, full = file.document, (*at, *path)
        if errors[0]["type"] == "missing":
            secret = full[:2] == ("source", "credentials")
            hint = f'write {full[-1]}: "${{secret:NAME}}"' if secret else ""
            return document.problem(full, "is required and missing", hint=hint)
        if errors[0]["type"] == "extra_forbidden":
            key = str(path[-1])
            hint = closest(key, keys_at(self.model, path[:-1]))
            home = "" if hint else belongs_to(self.model, key)
            return document.problem(full, "unknown key", hint=hint or (home and f"it belongs under `{home}`"), key=True)
        message, hint = self._told(value_at(value, path), path, errors)
        return document.problem(full, message, hint=hint)

    def _home(self, path: ValuePath) -> tuple[Interpolated, ValuePath]:
        """Which file a value came from, and where its block stands there."""
        if self.defaults_from and path and path[0] not in self._own() and path[0] in self.defaults:
            return self.defaults_from
        return self.file, self.at

    def _is_from_variable(self, path: ValuePath) -> bool:
        file, at = self._home(path)
        return (*at, *path) in file.paths

    def _told(self, value: JsonValue, path: ValuePath, errors: list[ErrorDetails]) -> tuple[str, str]:
        error = errors[0]
        kind, context = error["type"], error.get("ctx", {})
        found = f", found {self._shown(value, path)}"
        if kind in ("literal_error", "enum", "union_tag_invalid"):
            choices = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags")))
            chosen = context.get("tag", value)  # a block's `type` chooses what it is
            hint = closest(chosen, choices) if isinstance(chosen, str) else ""
            return f"expected {one_of(choices)}, found {self._shown(chosen, path)}", hint
        if kind in _BOUNDS:
            words, limit = _BOUNDS[kind]
            return f"expected {words} {_number(context.get(limit))}{found if 'than' in kind else ''}", ""
        if kind == "value_error" and "error" in context:
            return str(context["error"]), ""
        if kind == "string_pattern_mismatch":
            return f"expected a text of the form {context.get('pattern')}{found}", ""
        expected = list(dict.fromkeys(_EXPECTED.get(one["type"], "") for one in errors))
        if "" in expected:
            return error["msg"][:1].lower() + error["msg"][1:], ""
        hint = "put it in quotes" if "text" in expected and isinstance(value, bool | int | float) else ""
        return f"expected {' or '.join(expected)}{found}", hint

    def _shown(self, value: JsonValue, path: ValuePath) -> str:
        """What was found, without ever telling a secret or what came from a variable."""
        if value is None:
            return "nothing"
        if isinstance(value, dict | list):
            return "a map" if isinstance(value, dict) else "a list"
        if self._is_from_variable(path):
            return "the value of a variable"
        told = isinstance(value, str) and tells_secret(value)
        if told or any(isinstance(step, str) and names_secret(step) for step in (*self.at, *path)):
            return "a text" if isinstance(value, str) else "a number or boolean"
        if isinstance(value, bool):
            return "true" if value else "false"
        return repr(value if not isinstance(value, str) or len(value) <= 60 else value[:57] + "...")


def value_at(value: object, path: ValuePath) -> JsonValue:
    """The value at a path; None where there is none."""
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = cast("Mapping[str, JsonValue]", value)[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = cast("list[JsonValue]", value)[step]
        else:
            return None
    return cast("JsonValue", value)


def document_path(value: object, location: tuple[int | str, ...]) -> ValuePath:
    """The location that pydantic gives, without the names of the union branches it went through."""
    path: list[str | int] = []
    for number, step in enumerate(location):
        here = value_at(value, tuple(path))
        inside = (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int))
        if inside or (number == len(location) - 1 and isinstance(here, dict) and not _is_branch(step)):
            path.append(step)
    return tuple(path)


def _is_branch(step: int | str) -> bool:
    return isinstance(step, str) and (step in ("str", "int", "float", "bool", "none", "[key]") or "[" in step)


def _put(value: dict[str, JsonValue], path: ValuePath, new: JsonValue) -> None:
    parent = value_at(value, path[:-1])
    if isinstance(parent, dict):
        parent[str(path[-1])] = new
    elif isinstance(parent, list) and isinstance(path[-1], int):
        parent[path[-1]] = new


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
