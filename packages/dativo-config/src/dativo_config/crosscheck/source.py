"""What a job reads: the inputs fit the connector, lie inside the tenant's walls, and the cursor exists."""

from __future__ import annotations

from collections.abc import Iterator

from dativo_config.draft import Draft
from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Property
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.streams import DraftStream
from dativo_config.walls import Walls, local_path

_LISTS = ("objects", "files", "tables", "sheets")
_ORDERED = frozenset(
    {"int", "long", "float", "double", "decimal", "date", "time", "timestamp", "timestamptz", "string"}
)


def check_source(draft: Draft, *, walls: Walls, cloud: bool) -> Iterator[Problem]:
    """Everything under `source`."""
    if draft.spec is None:
        return
    if cloud and not draft.spec.allowed_in_cloud:
        at = ("source_connector",)
        yield draft.problem(at, f"the connector '{draft.spec.name}' is not available in --mode cloud")
    yield from _lists(draft, draft.spec)
    if draft.spec.inputs == "files" and draft.job.source.rate_limits is not None:
        message = f"the connector '{draft.spec.name}' asks no API"
        yield draft.problem(("source", "rate_limits"), message, hint="remove it", key=True)
    if draft.spec.inputs == "files":
        yield from _files(draft, draft.spec, walls=walls, cloud=cloud)
    yield from _incremental(draft, draft.spec)


def _lists(draft: Draft, spec: ConnectorSpec) -> Iterator[Problem]:
    source = draft.job.source
    written = {name for name in _LISTS if getattr(source, name) is not None}
    allowed = {spec.inputs} | ({"objects"} if spec.inputs == "files" else set[str]())
    for name in sorted(written - allowed):
        hint = f"write source.{spec.inputs}" if spec.inputs else "remove it"
        yield draft.problem(("source", name), f"the connector '{spec.name}' takes no {name}", hint=hint, key=True)
    if spec.inputs and not getattr(source, spec.inputs):
        yield draft.problem(("source", spec.inputs), f"the connector '{spec.name}' needs source.{spec.inputs}")
    if spec.inputs == "files" and source.files:
        named = {stream.name for stream in draft.streams}
        for index, name in enumerate(source.objects or ()):
            if name not in named:
                at = ("source", "objects", index)
                yield draft.problem(at, f"no entry of source.files belongs to the object {draft.shown(at, name)}")
    if spec.objects:
        yield from _unknown_objects(draft, spec)
    yield from _repeated(draft)


def _unknown_objects(draft: Draft, spec: ConnectorSpec) -> Iterator[Problem]:
    for index, name in enumerate(draft.job.source.objects or ()):
        if name not in spec.objects:
            at = ("source", "objects", index)
            hint = closest(name, spec.objects) or f"`dativo connectors {spec.name}` lists them"
            yield draft.problem(at, f"the connector '{spec.name}' has no {draft.shown(at, name)}", hint=hint)


def _repeated(draft: Draft) -> Iterator[Problem]:
    seen: set[str] = set()
    for stream in draft.streams:
        if stream.name in seen:
            yield draft.problem(stream.at, f"{draft.shown(stream.at, stream.name)} stands twice")
        seen.add(stream.name)


def _files(draft: Draft, spec: ConnectorSpec, *, walls: Walls, cloud: bool) -> Iterator[Problem]:
    for stream in draft.streams:
        for at, text in stream.inputs:
            if not text:
                yield draft.problem(at, f"the connector '{spec.name}' needs a path here")
                continue
            local = local_path(text) is not None
            if local and not spec.local_paths:
                yield draft.problem(at, f"the connector '{spec.name}' reads no files of this machine")
            elif local and cloud:
                yield draft.problem(at, "paths on this machine are not available in --mode cloud")
            elif refusal := walls.refusal(text):
                yield _refused(draft, at, refusal)
    for index, file in enumerate(draft.job.source.files or ()):
        for name in ("file_id", "id"):
            if getattr(file, name) is not None:
                at = ("source", "files", index, name)
                yield draft.problem(at, f"the connector '{spec.name}' knows no {name}", hint="write path", key=True)


def _refused(draft: Draft, at: ValuePath, refusal: str) -> Problem:
    hint = "copy the data into the project"
    if "out of the project" in refusal:
        hint += ", or let the operator open its folder in runner.yaml under runner.shared.folders"
    return draft.problem(at, f"the path {refusal}", hint=hint)


def _incremental(draft: Draft, spec: ConnectorSpec) -> Iterator[Problem]:
    incremental = draft.incremental
    if incremental is None:
        return
    at = ("source", "incremental")
    if incremental.strategy not in spec.incremental_strategies:
        known = spec.incremental_strategies
        expected = f"expected {one_of(known)}" if known else f"the connector '{spec.name}' is always read in full"
        found = draft.shown((*at, "strategy"), incremental.strategy)
        yield draft.problem((*at, "strategy"), f"{expected}, found {found}", hint=closest(incremental.strategy, known))
        return
    if incremental.state_path is not None:
        message = "state is kept in the table and under state/<tenant>/, not at a path of the job's choice"
        yield draft.problem((*at, "state_path"), message, hint="remove it", key=True)
    needed = incremental.strategy in spec.cursor_field
    if incremental.cursor_field and not needed:
        message = f"the strategy '{incremental.strategy}' compares no field of the rows"
        yield draft.problem((*at, "cursor_field"), message, hint="remove it", key=True)
    if incremental.lookback_days and not needed:
        message = f"the strategy '{incremental.strategy}' has no time to look back from"
        yield draft.problem((*at, "lookback_days"), message, hint="remove it", key=True)
    yield from _beyond_strategy(draft, spec, incremental.strategy)
    for stream in draft.streams if needed else ():
        yield from _cursor(draft, stream, incremental.cursor_field or "")


def _beyond_strategy(draft: Draft, spec: ConnectorSpec, strategy: str) -> Iterator[Problem]:
    able = spec.strategy_objects.get(strategy, spec.objects)
    others = [name for name in spec.incremental_strategies if name != strategy]
    hint = f"write strategy: {others[0]}, or leave incremental out" if others else "leave incremental out"
    for index, name in enumerate(draft.job.source.objects or ()):
        if name in spec.objects and name not in able:
            at = ("source", "objects", index)
            yield draft.problem(at, f"{draft.shown(at, name)} can't be read by the strategy '{strategy}'", hint=hint)


def _cursor(draft: Draft, stream: DraftStream, default: str) -> Iterator[Problem]:
    name = stream.cursor_field or default
    at = (*stream.at, "cursor_field") if stream.cursor_field else ("source", "incremental", "cursor_field")
    if not name:
        yield draft.problem(at, f"is required and missing: the field by which new rows of '{stream.name}' are found")
        return
    if stream.schema is None:
        return
    found = next((item for item in stream.schema.properties if name in (item.name, item.column)), None)
    if found is None:
        names = [item.name for item in stream.schema.properties]
        message = f"{draft.shown(at, name)} is no column of '{stream.schema.name}' in the contract"
        yield draft.problem(at, message, hint=closest(name, names))
    elif not _is_ordered(found):
        yield draft.problem(at, f"{draft.shown(at, name)} is {found.physical_type}: values of it are in no order")


def _is_ordered(column: Property) -> bool:
    return column.physical_type.name in _ORDERED
