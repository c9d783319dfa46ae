"""A contract's columns as Dagster's column schema."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dativo_config.models.contract import Property, SchemaObject

from dativo_dagster.names import tag_key, tag_value


def column_schema(schema: SchemaObject) -> dg.TableSchema:
    """The table's columns, with what the contract asks of each."""
    return dg.TableSchema([_column(column, key=column.column in schema.primary_key) for column in schema.properties])


def _column(column: Property, *, key: bool) -> dg.TableColumn:
    tags = {tag_key(tag): "" for tag in column.tags}
    if column.classification:
        tags["classification"] = tag_value(column.classification)
    return dg.TableColumn(
        column.column,
        type=_type(column),
        description=column.description or None,
        constraints=dg.TableColumnConstraints(
            nullable=not (column.required or key),
            unique=column.unique,
            other=[*(["primary key"] if key else []), *_limits(column)],
        ),
        tags=tags,
    )


def _type(column: Property) -> str:
    """The Iceberg type, nested ones written out: `list<string>`."""
    match column.physical_type.name:
        case "struct":
            return f"struct<{', '.join(f'{item.column}: {_type(item)}' for item in column.properties)}>"
        case "list" if column.items is not None:
            return f"list<{_type(column.items)}>"
        case "map" if column.items is not None:
            return f"map<{_type(column.key) if column.key else 'string'}, {_type(column.items)}>"
        case _:
            return str(column.physical_type)


def _limits(column: Property) -> Iterator[str]:
    limits = column.limits
    told = {
        "length at least": limits.min_length,
        "length at most": limits.max_length,
        "matches": limits.pattern,
        "format": limits.format,
        "at least": limits.minimum,
        "at most": limits.maximum,
        "greater than": limits.exclusive_minimum,
        "less than": limits.exclusive_maximum,
        "multiple of": limits.multiple_of,
    }
    yield from (f"{name} {bound}" for name, bound in told.items() if bound is not None)
    if column.valid_values:
        yield f"one of {', '.join(map(str, column.valid_values))}"
