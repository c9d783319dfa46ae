"""A contract's object, compiled once: columns, counted rules, keys and rules over the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_engine.contracts.arrow import arrow_schema
from dativo_engine.contracts.checks import Check
from dativo_engine.contracts.columns import Column, compile_column
from dativo_engine.contracts.keys import REPEATED, UniqueKey
from dativo_engine.contracts.metrics import check_of, rejects_rows
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.contract import Property, Rule, SchemaObject
    from dativo_config.models.job import Mode

_CELL_METRICS = frozenset({"nullValues", "missingValues", "invalidValues"})


@dataclass(frozen=True, slots=True)
class CountedRule:
    """A library rule that rejects no row: its bad cells are counted, and judged at the end."""

    rule: Rule
    column: str
    check: Check


@dataclass(frozen=True, slots=True)
class CompiledContract:
    """Everything `enforce` applies to a batch.

    Attributes:
        columns: in contract order; each with the checks that reject its rows.
        counted: cell rules that only count, by position of their column.
        keys: what must be unique in the run.
        run_rules: rules judged at the end from counts: those of `counted`, repeated keys that are only counted, and
            rowCount; with the column they are counted under.
        sql_rules: rules judged at the end by a query.
    """

    contract: SchemaObject
    schema: pa.Schema
    columns: tuple[Column, ...]
    counted: tuple[tuple[int, CountedRule], ...]
    keys: tuple[UniqueKey, ...]
    run_rules: tuple[tuple[Rule, str], ...]
    sql_rules: tuple[Rule, ...]

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns that identify a row: all that counts of a delete."""
        return frozenset(self.contract.primary_key)

    def row_rules(self) -> Iterator[tuple[str, str, str]]:
        """(rule, column, expected) of everything that can reject a row."""
        for column in self.columns:
            yield from column.rules()
        for key in self.keys:
            if key.rejects:
                yield key.rule, ", ".join(key.columns), REPEATED


def compile_contract(contract: SchemaObject, write_mode: Mode) -> CompiledContract:
    """Compile a contract's object for one way of writing.

    Raises:
        FatalError: an option or rule that does not fit its column.
    """
    columns = [compile_column(column) for column in contract.properties]
    positions = {name: at for at, column in enumerate(columns) for name in column.sources}
    for name in contract.primary_key:
        at = _position(positions, name, "the primary key")
        columns[at] = replace(columns[at], required=True)
    counted: list[tuple[int, CountedRule]] = []
    run_rules: list[tuple[Rule, str]] = []
    keys = list(_schema_keys(contract, write_mode))
    for rule in contract.rules:
        if rule.kind == "sql":
            continue
        if rule.metric in _CELL_METRICS:
            at = _position(positions, rule.column, f"rule {rule.name!r}")
            check = check_of(rule, columns[at].type)
            if rejects_rows(rule):
                columns[at] = replace(columns[at], checks=(*columns[at].checks, check))
                continue
            counted.append((at, CountedRule(rule, columns[at].path, check)))
            run_rules.append((rule, columns[at].path))
        elif rule.metric == "duplicateValues":
            named = rule.columns or (rule.column,)
            key_columns = tuple(columns[_position(positions, name, f"rule {rule.name!r}")].path for name in named)
            keys.append(UniqueKey(rule.name, key_columns, rejects=rejects_rows(rule)))
            if not rejects_rows(rule):
                run_rules.append((rule, ", ".join(key_columns)))
        else:
            run_rules.append((rule, ""))
    compiled = CompiledContract(
        contract=contract,
        schema=arrow_schema(contract),
        columns=tuple(columns),
        counted=tuple(counted),
        keys=tuple(keys),
        run_rules=tuple(run_rules),
        sql_rules=tuple(rule for rule in contract.rules if rule.kind == "sql"),
    )
    _refuse_nested_keys(compiled)
    return compiled


def _schema_keys(contract: SchemaObject, write_mode: Mode) -> Iterator[UniqueKey]:
    """The primary key, but for merge, where equal keys collapse into one row; and every unique column."""
    if contract.primary_key and write_mode != "merge":
        yield UniqueKey("primaryKey", contract.primary_key)
    for column in contract.properties:
        if column.unique and (column.column,) != contract.primary_key:
            yield UniqueKey("unique", (column.column,))


def _position(positions: dict[str, int], name: str, what: str) -> int:
    if name not in positions:
        raise FatalError(f"{what} names column {name!r}, which is none of the object's columns")
    return positions[name]


def _refuse_nested_keys(compiled: CompiledContract) -> None:
    for column in compiled.contract.properties:
        if _has_unique(replace(column, unique=False)):
            raise FatalError(f"column {column.column!r}: a field inside an object or a list can't be unique")
    nested = {column.path for column in compiled.columns if pa.types.is_nested(column.type)}
    for key in compiled.keys:
        for name in nested & set(key.columns):
            raise FatalError(f"column {name!r} is an object or a list: it can't be a key, nor be unique")


def _has_unique(column: Property) -> bool:
    inside = (*column.properties, *(item for item in (column.items, column.key) if item is not None))
    return column.unique or any(_has_unique(item) for item in inside)
