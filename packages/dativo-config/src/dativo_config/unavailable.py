"""Names of the format that this version refuses, and what to write instead: one row of a table each.

The format is older than this program. A name it can't honour yet is told to its user, never ignored; when a name
becomes available, its row goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dativo_config.models.contract import JsonValue

Kind: TypeAlias = Literal["job", "recipe", "runner"]
Path: TypeAlias = tuple[str | int, ...]

NOT_AVAILABLE = "not available in this version"


@dataclass(frozen=True, slots=True)
class _Row:
    """One refusal.

    Attributes:
        path: where the name stands, dotted; `*` is any key or index.
        instead: what to write instead.
        only: which of the values there are refused; the others are fine.
        message: `{}` is the value found.
    """

    kind: Kind
    path: str
    instead: str
    only: Callable[[JsonValue], bool]
    message: str = NOT_AVAILABLE


def _any(value: JsonValue) -> bool:
    return value is not None


def _one_of(*names: str) -> Callable[[JsonValue], bool]:
    return lambda value: value in names


def _other_than(*names: str) -> Callable[[JsonValue], bool]:
    return lambda value: isinstance(value, str) and value not in names


def _in_another_cloud(value: JsonValue) -> bool:
    return isinstance(value, str) and re.match(r"(?:abfss?|wasbs?|adls?|az|gs|gcs|hdfs)://", value) is not None


_SOURCES = _one_of("postgres", "mysql", "google_sheets", "google_drive_csv", "markdown_kv")
_TARGETS = _one_of("parquet", "s3", "minio", "azure", "gcs", "local", "markdown_kv")
_LATER = _one_of("glue", "aws_glue", "hive")
_LOAD_FILES = "load csv, jsonl or parquet files"
_NATIVE = "leave it out; sources are read by dativo itself"
_WRITTEN = "leave it out; tables are written by dativo itself"
_WRITE_ICEBERG = "target_connector: iceberg"
_CATALOGS = "write nessie, rest or sql, with s3 as store, or nothing for the embedded catalogue"
_DATABASES = f"it belongs to databases; {_LOAD_FILES}"

_ROWS: Sequence[_Row] = (
    # What the project has decided against for this version.
    _Row("job", "source_connector", _LOAD_FILES, _SOURCES, f"the connector {{}} is {NOT_AVAILABLE}"),
    _Row("job", "target_connector", _WRITE_ICEBERG, _TARGETS, f"the target {{}} is {NOT_AVAILABLE}"),
    _Row("job", "source.engine.type", _NATIVE, _other_than("native"), f"the engine {{}} is {NOT_AVAILABLE}"),
    _Row("job", "source.engine.options", _NATIVE, bool, f"options of engines are {NOT_AVAILABLE}"),
    _Row("job", "source.custom_reader", "use one of `dativo connectors`", _any),
    _Row("job", "source.tables", _DATABASES, _any),
    _Row("job", "source.dsn", _DATABASES, _any),
    _Row("job", "source.sheets", f"it belongs to Google Sheets; {_LOAD_FILES}", _any),
    _Row("job", "source.files.*.file_id", "it belongs to Google Drive; write a `path`", _any),
    _Row("job", "source.files.*.id", "it belongs to Google Drive; write a `path`", _any),
    _Row("job", "target.engine.type", _WRITTEN, _other_than("native"), f"the engine {{}} is {NOT_AVAILABLE}"),
    _Row("job", "target.engine.options", _WRITTEN, bool, f"options of engines are {NOT_AVAILABLE}"),
    _Row("job", "target.custom_writer", _WRITE_ICEBERG, _any),
    _Row("job", "target.markdown_kv_storage", _WRITE_ICEBERG, _any),
    _Row("job", "catalog", "leave it out; nothing is pushed to a metadata catalogue", _any),
    _Row("job", "plugins", "leave it out; no plugins are loaded", _any),
    _Row("recipe", "type", _LOAD_FILES, _SOURCES, f"the connector {{}} is {NOT_AVAILABLE}"),
    _Row("recipe", "type", "type: iceberg", _TARGETS, f"the target {{}} is {NOT_AVAILABLE}"),
    _Row("recipe", "default_engine.type", _NATIVE, _other_than("native"), f"the engine {{}} is {NOT_AVAILABLE}"),
    _Row("recipe", "default_engine.options", _NATIVE, bool, f"options of engines are {NOT_AVAILABLE}"),
    # The connector registry of the older format: the program knows its connectors.
    *(
        _Row(
            "recipe",
            name,
            "remove it; `dativo connectors` shows what each can do",
            _any,
            "is built into the connectors",
        )
        for name in (
            "connectors",
            "category",
            "engines_supported",
            "allowed_in_cloud",
            "supports_incremental",
            "incremental_strategy_default",
            "objects_supported",
        )
    ),
    *(_Row("job", f"target.connection.{name}", _CATALOGS, _any) for name in ("glue", "hive", "azure", "adls", "gcs")),
    _Row(
        "job",
        "target.catalog",
        _CATALOGS,
        _LATER,
        f"the catalogue {{}} is {NOT_AVAILABLE}",
    ),
    _Row(
        "job",
        "target.warehouse",
        "write s3://bucket/folder",
        _in_another_cloud,
        f"this kind of store is {NOT_AVAILABLE}",
    ),
    _Row("recipe", "catalog", _CATALOGS, _LATER, f"the catalogue {{}} is {NOT_AVAILABLE}"),
)


def unavailable(kind: Kind, value: JsonValue) -> list[tuple[Path, str, str]]:
    """What a file uses that this version refuses: path, message and what to write instead."""
    return [
        (path, row.message.format(repr(found)), row.instead)
        for row in _ROWS
        if row.kind == kind
        for path, found in _found(value, row.path.split("."))
        if row.only(found)
    ]


def refused_names(kind: Kind) -> frozenset[str]:
    """The names that are refused whatever their value, as dotted paths with `*` for an index."""
    return frozenset(row.path for row in _ROWS if row.kind == kind and row.only is _any)


def _found(value: JsonValue, steps: Sequence[str], path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Every value that a row's path leads to."""
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    entries: Mapping[str, JsonValue] | dict[int, JsonValue] = {}
    if isinstance(value, dict):
        entries = value
    elif isinstance(value, list):
        entries = dict(enumerate(value))
    for key, inner in entries.items():
        if step in ("*", key):
            yield from _found(inner, rest, (*path, key))
