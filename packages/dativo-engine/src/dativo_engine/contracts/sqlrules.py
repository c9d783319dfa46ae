"""ODCS `sql` rules: a query over the run's accepted rows, whose single value is judged."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_engine.contracts.duck import LEAST_MEMORY, memory_ceiling, open_duckdb, quoted

if TYPE_CHECKING:
    import duckdb
    from dativo_config.models.contract import Rule, SchemaObject

    from dativo_engine.contracts.staged import StagedRows

_VARIABLE = re.compile(r"\$\{(object|table|column|property)\}|\{(object|table|column|property)\}")
QUERY_SECONDS = 300.0


class RuleQueryError(Exception):
    """A rule's query could not be judged; says why in one line."""


def measure_sql(
    rule: Rule,
    rows: StagedRows,
    contract: SchemaObject,
    *,
    memory_bytes: int,
    spill_folder: Path,
    seconds: float = QUERY_SECONDS,
) -> float:
    """The value of the rule's query over the rows, which it knows under the contract's names.

    Raises:
        RuleQueryError: no single number came out, in the time and memory allowed.
    """
    import duckdb

    with open_duckdb(memory_bytes=memory_bytes, spill_folder=spill_folder) as connection:
        for name in {contract.name.lower(): contract.name, contract.table.lower(): contract.table}.values():
            connection.register(name, rows)
        clock = threading.Timer(seconds, connection.interrupt)
        clock.daemon = True
        clock.start()
        try:
            with memory_ceiling(4 * max(memory_bytes, LEAST_MEMORY)):
                found = _single_select(connection, _substituted(rule, contract.table))
        except duckdb.InterruptException as error:
            raise RuleQueryError(f"the query ran longer than {seconds:g} seconds") from error
        except duckdb.Error as error:
            raise RuleQueryError(f"the query failed: {str(error).strip().splitlines()[0]}") from error
        finally:
            clock.cancel()
    return _number(found)


def _single_select(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[tuple[object, ...]]:
    """The first rows of a query that is one SELECT and nothing else."""
    import duckdb

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RuleQueryError("the query must be one SELECT")
    return connection.execute(statements[0]).fetchmany(2)


def _substituted(rule: Rule, table: str) -> str:
    """The query with `${object}` and `${column}` (or ODCS's older `{object}`) replaced by quoted identifiers."""

    def identifier(match: re.Match[str]) -> str:
        variable = match[1] or match[2]
        return quoted(table if variable in {"object", "table"} else rule.column)

    return _VARIABLE.sub(identifier, rule.query)


def _number(rows: Sequence[tuple[object, ...]]) -> float:
    if len(rows) != 1 or len(rows[0]) != 1:
        raise RuleQueryError("the query must give one row with one value")
    value = rows[0][0]
    if value is None:
        raise RuleQueryError("the query gave no value (NULL)")
    try:
        return float(str(int(value) if isinstance(value, bool) else value))
    except ValueError as error:
        raise RuleQueryError(f"the query must give a number, not {type(value).__name__}") from error
