"""The judgement over a whole run, from counts, queries and staged files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from dativo_config.wording import counted

from dativo_engine.contracts.compiled import CompiledContract
from dativo_engine.contracts.keys import UniqueKey
from dativo_engine.contracts.metrics import expectation, holds
from dativo_engine.contracts.runs import Int64s
from dativo_engine.contracts.sqlrules import RuleQueryError, measure_sql
from dativo_engine.contracts.staged import StagedRows, late_rows, repeated_rows
from dativo_engine.contracts.tally import Count, Tally
from dativo_engine.interfaces import LateRows, Report, RuleResult

if TYPE_CHECKING:
    from dativo_config.models.contract import Rule


@dataclass(frozen=True, slots=True)
class Judge:
    """What the end of a run is judged with: the contract, and the means to look into its files once more."""

    compiled: CompiledContract
    stream: str
    mode: Literal["strict", "warn"]
    memory_bytes: int
    spill_folder: Path

    def report(self, seen: Tally, staged: StagedRows, *, workers: int) -> Report:
        """Every rule of the contract, broken or not.

        Keys were judged by each worker on its own; with several, they are judged once more over the staged files.
        Queries are not judged in strict mode once a row was rejected: rows are no longer written then.
        """
        late, without = self._late(seen, staged) if workers > 1 else ((), {})
        dropped = sum(len(positions) for positions in without.values())
        seen.accepted -= dropped
        seen.rejected += dropped
        rules = [*self._row_rules(seen), *self._run_rules(seen)]
        if not (self.mode == "strict" and seen.rejected):
            rules += self._sql_rules(replace(staged, without=without))
        return Report(
            read=seen.read,
            accepted=seen.accepted,
            rejected=seen.rejected,
            rules=tuple(rules),
            late=tuple(late),
            unknown_columns=tuple(seen.unknown_columns),
        )

    def _late(self, seen: Tally, staged: StagedRows) -> tuple[Sequence[LateRows], Mapping[str, Int64s]]:
        """Rows that repeat a key across workers; a row that repeats two keys is named once."""
        late: list[LateRows] = []
        without: dict[str, Int64s] = {}
        for key in self.compiled.keys:
            repeated = self._repeated(staged, key)
            count = seen.broken[key.rule, ", ".join(key.columns)]
            if not key.rejects:
                count.rows = sum(len(positions) for positions in repeated.values())
                continue
            fresh = {path: np.setdiff1d(found, without.get(path, [])) for path, found in repeated.items()}
            fresh = {path: positions for path, positions in fresh.items() if len(positions)}
            late += late_rows(staged.files, key, fresh)
            for path, positions in fresh.items():
                without[path] = np.union1d(without.get(path, []), positions).astype(np.int64)
                count.add(len(positions), [f"{path}, position {position}" for position in positions[:3].tolist()])
        return late, without

    def _repeated(self, staged: StagedRows, key: UniqueKey) -> dict[str, Int64s]:
        return repeated_rows(staged, key.columns, memory_bytes=self.memory_bytes, spill_folder=self.spill_folder)

    def _row_rules(self, seen: Tally) -> Iterator[RuleResult]:
        rules = list(self.compiled.row_rules())
        if ("malformed", "") in seen.broken:
            rules.append(("malformed", "", "a record that can be read"))
        for rule, column, expected in rules:
            count = seen.broken.get((rule, column), Count())
            examples = tuple(count.examples)
            yield RuleResult(rule, column, "row", count.rows == 0, count.rows, expected, examples=examples)

    def _run_rules(self, seen: Tally) -> Iterator[RuleResult]:
        for rule, column in self.compiled.run_rules:
            count = Count(seen.accepted) if rule.metric == "rowCount" else seen.broken.get((rule.name, column), Count())
            measured = float(count.rows)
            if rule.unit == "percent":
                measured = 100 * measured / seen.read if seen.read else 0.0
            passed = holds(rule, measured)
            examples = () if passed else tuple(count.examples)
            yield RuleResult(
                rule.name, column, rule.metric, passed, measured, expectation(rule), rule.severity, examples
            )

    def _measure(self, rule: Rule, rows: StagedRows) -> float:
        contract = self.compiled.contract
        return measure_sql(rule, rows, contract, memory_bytes=self.memory_bytes, spill_folder=self.spill_folder)

    def _sql_rules(self, rows: StagedRows) -> Iterator[RuleResult]:
        for rule in self.compiled.sql_rules:
            try:
                measured, reason = self._measure(rule, rows), ()
            except RuleQueryError as error:
                measured, reason = math.nan, (str(error),)
            passed = not reason and holds(rule, measured)
            yield RuleResult(rule.name, rule.column, "sql", passed, measured, expectation(rule), rule.severity, reason)


def describe(report: Report) -> str:
    """What broke the contract: counts, then every broken rule with its first examples."""
    told = [f"{report.rejected:,} of {counted(report.read, 'row')} rejected"] if report.rejected else []
    for rule in sorted(report.broken, key=lambda result: -result.measured):
        where = f"column {rule.column!r}, " if rule.column else ""
        if rule.kind == "row":
            verb = "is" if rule.measured == 1 else "are"
            line = f"{where}{rule.rule}: {counted(round(rule.measured), 'row')} {verb} not {rule.expected}"
        else:
            line = f"{where}rule {rule.rule!r}: {rule.expected}, found {rule.measured:g}"
        told.append(line + "".join(f"; {example}" for example in rule.examples))
    return "\n  ".join(told) or "every row kept the contract"
