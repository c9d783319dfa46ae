"""What a JSON Schema validator says -> one complaint per mistake, in words for the writer of the file.

A validator tells every keyword that failed. One typo in a nested property makes `unevaluatedProperties` fail at each
level above it, and every branch of a `oneOf` fail in its own way; only the deepest cause is kept here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

import jsonschema_rs

from dativo_config.models.contract import JsonValue

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = Mapping[str, Any]  # a JSON Schema document: its keywords have their own shapes

MOST_CHOICES = 12

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "`key: value` lines",
    "null": "nothing",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One mistake at `path`, as `Document.problem` takes it.

    Attributes:
        key: whether the key is to blame, not its value.
        lacks: the key that is missing, where that is the mistake.
        cascade: whether it may only follow from another mistake.
        needed: whether the unknown key is a misspelling of one that is needed.
    """

    path: Path
    message: str
    hint: str = ""
    key: bool = False
    lacks: tuple[str, ...] = ()
    cascade: bool = False
    needed: bool = False

    @property
    def can_be_left_out(self) -> bool:
        """Whether it is a key that nothing knows, so that the rest of the file can be read without it."""
        return self.key and not self.needed and not self.cascade


def complaints(errors: Iterable[jsonschema_rs.ValidationError], schema: Schema) -> list[Complaint]:
    """One complaint for each mistake behind a validator's errors. `schema` is the validator's own."""
    found = list(dict.fromkeys(item for error in errors for item in _explain(error, schema)))
    typos = [item for item in found if item.key and not item.cascade]
    misspelt = {item: typo for item in found if item.lacks for typo in typos if _is_misspelt(item, typo)}
    meant = {typo.path for typo in misspelt.values()}
    kept = [item for item in found if item not in misspelt and not _follows(item, found)]
    return [replace(item, needed=item.path in meant) for item in kept]


def _follows(item: Complaint, found: Sequence[Complaint]) -> bool:
    """Whether a cascade has its cause at the same map or below it."""
    if not item.cascade:
        return False
    parent = item.path[:-1]
    return any(other.path[: len(parent)] == parent for other in found if not other.cascade)


def _is_misspelt(item: Complaint, typo: Complaint) -> bool:
    """Whether the key that is missing is there under another name."""
    return typo.path[:-1] == item.path and bool(get_close_matches(str(typo.path[-1]), item.lacks, cutoff=0.6))


def _explain(  # noqa: PLR0911 - one line for each keyword
    error: jsonschema_rs.ValidationError, schema: Schema
) -> list[Complaint]:
    path = tuple(error.instance_path)
    kind = error.kind.as_dict()
    instance = cast("JsonValue", error.instance)
    match error.kind.name:
        case "additionalProperties" | "unevaluatedProperties":
            known = _known_keys(schema, _at(schema, error.schema_path[:-1]))
            return [_unknown(path, key, known) for key in kind["unexpected"]]
        case "required":
            return [Complaint(path, f"`{kind['property']}` is missing", lacks=(kind["property"],))]
        case "anyOf" | "oneOf":
            return _explain_branches(error, path, schema)
        case "type":
            return [_wrong_kind(path, kind["types"], instance)]
        case "enum":
            return [_no_choice(path, kind["options"], instance)]
        case "const":
            return [_no_choice(path, [kind["expected_value"]], instance)]
        case "pattern":
            form = _at(schema, error.schema_path[:-1]).get("x-form", f"text like {kind['pattern']}")
            return [Complaint(path, f"expected {form}, found {show(instance)}")]
        case _:
            return [Complaint(path, _say(error.kind.name, kind, instance))]


def _unknown(path: Path, key: str, known: Sequence[str]) -> Complaint:
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    hint = f"did you mean `{near[0]}`?" if near and near[0] != key else ""
    if key in known:
        return Complaint((*path, key), "does not fit here", key=True, cascade=True)
    return Complaint((*path, key), "unknown key", hint, key=True)


def _wrong_kind(path: Path, kinds: Sequence[str], found: JsonValue) -> Complaint:
    hint = "put it in quotes" if kinds == ["string"] and not isinstance(found, (dict, list, type(None))) else ""
    expected = " or ".join(_KINDS[kind] for kind in kinds)
    return Complaint(path, f"expected {expected}, found {show(found)}", hint)


def _no_choice(path: Path, options: Sequence[JsonValue], found: JsonValue) -> Complaint:
    shown = ", ".join(str(option) for option in options[:MOST_CHOICES]) + (
        ", ..." if len(options) > MOST_CHOICES else ""
    )
    near = get_close_matches(str(found), [str(option) for option in options], n=1, cutoff=0.6)
    hint = f"did you mean `{near[0]}`?" if near else ""
    return Complaint(path, f"expected {'one of ' if len(options) > 1 else ''}{shown}, found {show(found)}", hint)


def _explain_branches(error: jsonschema_rs.ValidationError, path: Path, schema: Schema) -> list[Complaint]:
    """A choice between forms: what is wrong with the form that was meant, if that can be told."""
    branches = cast("list[list[jsonschema_rs.ValidationError]]", error.kind.as_dict()["context"])
    instance = cast("JsonValue", error.instance)
    told = [[item for inner in branch for item in _explain(inner, schema)] for branch in branches]
    lacking = tuple(key for branch in told for item in branch if item.path == path for key in item.lacks)
    if len(lacking) == len(branches):
        return [Complaint(path, f"expected exactly one of {', '.join(lacking)}", lacks=lacking)]
    if any(not branch for branch in branches):
        present = [key for key in _known_keys(schema, _at(schema, error.schema_path[:-1])) if key in _keys(instance)]
        return [Complaint(path, f"expected exactly one of {', '.join(present)}; all of them are here")]
    meant = [items for items, branch in zip(told, branches, strict=True) if not _is_of_another_kind(branch, path)]
    if lacking and meant:
        meant = [branch for branch in meant if not any(item.lacks for item in branch)] or meant
    if meant:
        return min(meant, key=len)
    wanted = dict.fromkeys(kind for branch in branches for inner in branch for kind in _kinds(inner))
    expected = " or ".join(_KINDS[kind] for kind in wanted if kind != "null")
    return [Complaint(path, f"expected {expected}, found {show(instance)}")]


def _kinds(error: jsonschema_rs.ValidationError) -> Sequence[str]:
    return error.kind.as_dict()["types"] if error.kind.name == "type" else ()


def _is_of_another_kind(branch: Sequence[jsonschema_rs.ValidationError], path: Path) -> bool:
    """Whether a form is a list where the value is a map, and the like: then it was not meant."""
    return any(_kinds(error) and tuple(error.instance_path) == path for error in branch)


def _keys(value: JsonValue) -> Iterable[str]:
    return value if isinstance(value, dict) else ()


def _say(keyword: str, kind: Mapping[str, Any], found: JsonValue) -> str:  # noqa: PLR0911 - one line for each keyword
    shown = show(found)
    match keyword:
        case "minItems":
            return f"expected a list of at least {kind['limit']}, found {shown}"
        case "maxItems":
            return f"expected a list of at most {kind['limit']}, found {shown}"
        case "minimum":
            return f"expected a number of at least {kind['limit']}, found {shown}"
        case "exclusiveMinimum":
            return f"expected a number greater than {kind['limit']}, found {shown}"
        case "uniqueItems":
            return "holds the same entry twice"
        case "minLength":
            return "is empty"
        case "not":
            return f"a key is here that does not belong here, next to {', '.join(_keys(found))}"
        case _:
            return f"does not fit the standard ({keyword}), found {shown}"


def show(value: JsonValue) -> str:
    """A value as a message names it: its kind, and itself where that is short."""
    if isinstance(value, dict):
        return "`key: value` lines"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:57]!r}..."
    return json.dumps(value)


def _at(schema: Schema, path: Sequence[str | int]) -> Schema:
    node: Any = schema
    for step in path:
        node = node[step]
    return node


def _known_keys(schema: Schema, node: Schema, seen: frozenset[str] = frozenset()) -> list[str]:
    """The keys that a part of the schema can take, whichever of its conditions hold."""
    keys = list(node.get("properties", ()))
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in node.get(keyword, ()):
            keys += _known_keys(schema, part, seen)
    for keyword in ("then", "else"):
        if keyword in node:
            keys += _known_keys(schema, node[keyword], seen)
    reference = node.get("$ref")
    if reference and reference not in seen:
        keys += _known_keys(schema, _at(schema, reference.split("/")[1:]), seen | {reference})
    return list(dict.fromkeys(keys))
