"""How a job writes: its mode fits its source and contract; partitions and sort order fit the columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from dativo_config.draft import Draft
from dativo_config.modes import choose_mode, primary_key
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.streams import DraftStream
from dativo_config.transforms import Transform, TransformError, clash, parse_sort_term, parse_transform

_MODE = ("target", "mode")
_Term = tuple[Transform | TransformError, str]
# What a column that marks deleted rows may be.
_MARKS = {"boolean", "timestamp", "timestamptz"}
_SOFT = re.compile(r"soft\((?P<column>.+)\)")


def check_target(draft: Draft) -> Iterator[Problem]:
    """Everything under `target` that is no name."""
    yield from _mode(draft)
    yield from _layout(draft)
    yield from _deletes(draft)


def _mode(draft: Draft) -> Iterator[Problem]:
    target = draft.job.target
    mode = choose_mode(draft).mode
    if mode == "merge":
        yield from _merge(draft)
    if mode == "append":
        yield from _append(draft)
    if mode == "replace" and draft.incremental is not None:
        message = "replace with an incremental strategy would keep only what is new since the last run"
        yield draft.problem(("target", "mode"), message, hint="write append, or remove source.incremental")
    for name, belongs in (("append_full", "append"), ("allow_empty", "replace")):
        if getattr(target, name) and mode != belongs:
            yield draft.problem(
                ("target", name), f"has a meaning in {belongs} mode only, this job's is {mode}", key=True
            )


def _merge(draft: Draft) -> Iterator[Problem]:
    for stream in draft.streams:
        if stream.schema is not None and not primary_key(draft, stream):
            message = f"merge needs a primary key, and the contract gives '{stream.schema.name}' none"
            yield draft.problem(_MODE, message, hint="mark its columns with primaryKey: true")


def _append(draft: Draft) -> Iterator[Problem]:
    if draft.incremental is None and not draft.job.target.append_full:
        message = "append without source.incremental adds every row again on each run"
        hint = "write replace, add source.incremental, or say target.append_full: true if that is meant"
        yield draft.problem(_MODE, message, hint=hint)
    if draft.incremental and draft.spec and draft.incremental.strategy in draft.spec.revising_strategies:
        message = f"append can't apply the changes and deletions that the strategy '{draft.incremental.strategy}' reads"
        yield draft.problem(_MODE, message, hint="use merge")
    looks_back = draft.incremental and draft.spec and draft.incremental.strategy in draft.spec.cursor_field
    if draft.incremental and draft.incremental.lookback_days and looks_back:
        at = ("source", "incremental", "lookback_days")
        message = "with append, reading the last days again would add their rows a second time"
        yield draft.problem(at, message, hint="remove it, or use merge")


def _layout(draft: Draft) -> Iterator[Problem]:
    target = draft.job.target
    at = ("target", "partitioning")
    default = draft.target_recipe.recipe.partitioning_default if draft.target_recipe else None
    terms = _terms(
        draft, at, target.partitioning if target.partitioning is not None else default or (), parse_transform
    )
    yield from _fitting(draft, at, terms)
    for index, (term, _) in enumerate(terms):
        for earlier, _ in terms[:index]:
            if isinstance(term, Transform) and isinstance(earlier, Transform) and (why := clash(term, earlier)):
                yield draft.problem((*at, index), why)
    at = ("target", "sort_order")
    yield from _fitting(draft, at, _terms(draft, at, target.sort_order or (), parse_sort_term))


def _terms(draft: Draft, at: ValuePath, texts: Sequence[str], parse: Callable[[str], Transform]) -> list[_Term]:
    found: list[_Term] = []
    for index, text in enumerate(texts):
        shown = draft.shown((*at, index), text)
        try:
            found.append((parse(text), shown))
        except TransformError as error:
            found.append((error, shown))
    return found


def _fitting(draft: Draft, at: ValuePath, terms: Sequence[_Term]) -> Iterator[Problem]:
    for index, (term, shown) in enumerate(terms):
        place = (*at, index)
        if isinstance(term, TransformError):
            yield draft.problem(place, f"{shown}: {term.message}", hint=term.hint)
            continue
        for stream in draft.streams:
            if stream.schema is not None:
                yield from _column(draft, place, stream, term)


def _column(draft: Draft, at: ValuePath, stream: DraftStream, term: Transform) -> Iterator[Problem]:
    schema = stream.schema
    found = schema.property(term.column) if schema else None
    if schema and found is None:
        names = [item.column for item in schema.properties]
        shown = draft.shown(at, term.column)
        yield draft.problem(at, f"{shown} is no column of the table '{schema.table}'", hint=closest(term.column, names))
    elif found and (refusal := term.refusal(found.physical_type.name)):
        yield draft.problem(at, refusal)


def _deletes(draft: Draft) -> Iterator[Problem]:
    soft = _SOFT.fullmatch(draft.job.target.deletes)
    for stream in draft.streams if soft else ():
        column = stream.schema.property(soft["column"]) if stream.schema and soft else None
        if soft and stream.schema and (column is None or column.physical_type.name not in _MARKS):
            message = (
                f"'{soft['column']}' must be a boolean or timestamp column of '{stream.schema.name}' in the contract"
            )
            fitting = [item.column for item in stream.schema.properties if item.physical_type.name in _MARKS]
            hint = f"it is {column.physical_type}; " if column else ""
            hint += closest(soft["column"], fitting) or (f"there is {one_of(fitting)}" if fitting else "add one")
            yield draft.problem(("target", "deletes"), message, hint=hint)
