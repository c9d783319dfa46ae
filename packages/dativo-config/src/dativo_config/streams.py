"""The streams that a job names, each by the list that its connector reads: objects, files, tables or sheets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Contract, SchemaObject
from dativo_config.models.job import Source
from dativo_config.nodes import ValuePath


@dataclass(frozen=True, slots=True)
class DraftStream:
    """One stream as the job names it.

    Attributes:
        at: where in the job file it is named.
        object_name: the contract's object that it wants; empty: the contract's only one.
        inputs: paths and URLs as written, each with its place.
    """

    name: str
    at: ValuePath
    object_name: str
    inputs: tuple[tuple[ValuePath, str], ...] = ()
    cursor_field: str = ""
    schema: SchemaObject | None = None


def named_streams(source: Source, spec: ConnectorSpec, contract: Contract | None) -> list[DraftStream]:
    """The streams in the order in which the job names them."""
    if spec.inputs == "files":
        return _of_files(source, contract)
    named: list[tuple[str, str, str]] = []  # stream, object of the contract, cursor
    if spec.inputs == "objects":
        named = [(name, name, "") for name in source.objects or ()]
    elif spec.inputs == "tables":
        named = [(table.name, table.object or table.name, table.cursor_field or "") for table in source.tables or ()]
    elif spec.inputs == "sheets":
        names = [sheet.object or str(sheet.sheet_id or sheet.spreadsheet_id) for sheet in source.sheets or ()]
        named = [(name, name, "") for name in names]
    return [
        DraftStream(name, ("source", spec.inputs, index), wanted, cursor_field=cursor)
        for index, (name, wanted, cursor) in enumerate(named)
    ]


def _of_files(source: Source, contract: Contract | None) -> list[DraftStream]:
    """One stream an object; a file that names none belongs to the job's or the contract's only one."""
    only = ""
    if source.objects and len(source.objects) == 1:
        only = source.objects[0]
    elif contract and len(contract.objects) == 1:
        only = contract.objects[0].name
    streams: dict[str, DraftStream] = {}
    for index, file in enumerate(source.files or ()):
        at = ("source", "files", index)
        name = file.object or only
        stream = streams.get(name) or DraftStream(name, (*at, "object") if file.object else at, name)
        streams[name] = replace(stream, inputs=(*stream.inputs, ((*at, "path"), file.path or "")))
    return list(streams.values())
