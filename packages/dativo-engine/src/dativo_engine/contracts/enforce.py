"""THE FLOW of a contract: bind a batch's columns, cast and check each, find repeated keys, split the rows.

A clean batch costs one pass over each column and copies nothing that has its type already; only a batch that breaks a
rule is looked at row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dativo_config.models.contract import SchemaObject
from dativo_config.problems import closest

from dativo_engine.contracts.columns import Examined, Finding
from dativo_engine.contracts.compiled import CompiledContract, compile_contract
from dativo_engine.contracts.keys import REPEATED, UniqueKey, UniqueKeys
from dativo_engine.contracts.rejected import (
    REJECTED_SCHEMA,
    messages,
    reject_malformed,
    reject_rows,
    row_numbers,
)
from dativo_engine.contracts.report import Judge, describe
from dativo_engine.contracts.runs import Int64s
from dativo_engine.contracts.staged import OpenFile, StagedRows, open_local
from dativo_engine.contracts.tally import EXAMPLES, Tally
from dativo_engine.errors import ContractError
from dativo_engine.interfaces import Batch, Enforcer, Malformed, Report, StagedFile, Verdict

if TYPE_CHECKING:
    from dativo_config.models.job import Mode
    from dativo_config.models.resolved import ResolvedStream

__all__ = ("REJECTED_SCHEMA", "compile_enforcer", "describe")

DELETE = 1
MESSAGE_CHARACTERS = 300
Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
UnknownColumns = Literal["warn", "ignore", "error"]


def compile_enforcer(
    stream: ResolvedStream | SchemaObject,
    *,
    mode: Literal["strict", "warn"] = "strict",
    unknown_columns: UnknownColumns = "warn",
    write_mode: Mode = "append",
    memory_bytes: int = 64 * 1024 * 1024,
    spill_folder: Path,
    open_staged: OpenFile = open_local,
) -> Enforcer:
    """Compile one stream's contract.

    Args:
        stream: the stream, or just its object.
        mode: in strict mode no query is judged once a row was rejected, as rows are no longer written then.
        unknown_columns: what a column that the contract lacks does: `error` stops the run, else it is left out.
        write_mode: in merge, rows of one primary key are no violation.
        memory_bytes: what the keys seen so far may hold; beyond it they are kept in files without a name.
        spill_folder: where these files are; made when needed, left empty.
        open_staged: opens a staged file for rules over the whole run.

    Raises:
        FatalError: an option or rule of the contract does not fit its column.
    """
    contract = stream if isinstance(stream, SchemaObject) else stream.schema
    compiled = compile_contract(contract, write_mode)
    return ContractEnforcer(
        compiled,
        keys=UniqueKeys(compiled.keys, memory_bytes=memory_bytes, folder=spill_folder),
        judge=Judge(compiled, stream.name, mode, memory_bytes, spill_folder),
        unknown_columns=unknown_columns,
        open_staged=open_staged,
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """How one schema of incoming batches meets the contract: for every column its position in the batch, or None."""

    sources: tuple[int | None, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


class ContractEnforcer:
    """One stream's contract at work. Not shared between threads."""

    def __init__(
        self,
        compiled: CompiledContract,
        *,
        keys: UniqueKeys,
        judge: Judge,
        unknown_columns: UnknownColumns,
        open_staged: OpenFile,
    ) -> None:
        self._compiled, self._keys, self._judge = compiled, keys, judge
        self._unknown_columns, self._open_staged = unknown_columns, open_staged
        self._tally = Tally()
        self._bindings: dict[pa.Schema, Binding] = {}

    def enforce(self, batch: Batch) -> Verdict:
        """Split a batch into what keeps the contract and what breaks it.

        Raises:
            ContractError: a required column is missing, or all are, or an unknown one came and `unknown_columns` is
                error.
        """
        deleted = _deleted(batch)
        examined = self._examine(batch, all_deleted=deleted is not None and bool(deleted.all()))
        self._count(batch, examined, deleted)
        findings = [finding for column in examined for finding in column.findings]
        if deleted is not None:
            findings = self._of_upserts(findings, deleted)
        accepted = pa.RecordBatch.from_arrays([column.values for column in examined], schema=self._compiled.schema)
        if self._compiled.keys:
            findings += self._repeats(batch, accepted, _rows_of(findings), deleted)
        return self._split(batch, accepted, findings, self._converted(batch, examined))

    def partial(self) -> object:
        """What was seen so far: counts and examples. Keys are not in it; `finish` finds repeats between workers."""
        return self._tally

    def go_on(self, partial: object, staged: Sequence[StagedFile]) -> None:
        """Take over what an interrupted run had seen. Of what it staged only the key columns are read."""
        self._tally.merge(cast("Tally", partial))
        types = {field.name: field.type for field in self._compiled.schema}
        columns = sorted({column for key in self._compiled.keys for column in key.columns})
        for part in StagedRows(staged, self._compiled.schema, self._open_staged).parts(columns) if columns else ():
            self._keys.remember({name: part.records.column(name).cast(types[name]) for name in columns})

    def finish(self, partials: Sequence[object], staged: Sequence[StagedFile]) -> Report:
        """The rules over the whole run. `staged` are the run's files of this stream, in read order."""
        seen = Tally()
        for partial in partials:
            seen.merge(cast("Tally", partial))
        rows = StagedRows(staged, self._compiled.schema, self._open_staged)
        return self._judge.report(seen, rows, workers=len(partials))

    def _examine(self, batch: Batch, *, all_deleted: bool) -> list[Examined]:
        binding = self._bind(batch, all_deleted=all_deleted)
        rows = batch.records.num_rows
        return [
            column.examine(pa.nulls(rows) if source is None else batch.records.column(source))
            for column, source in zip(self._compiled.columns, binding.sources, strict=True)
        ]

    def _bind(self, batch: Batch, *, all_deleted: bool) -> Binding:
        schema = batch.records.schema
        binding = self._bindings.get(schema)
        if binding is None:
            binding = self._bindings[schema] = bind(self._compiled, schema.names)
            self._tally.note_unknown(binding.unknown)
        if binding.missing and not all_deleted:
            names = ", ".join(f"{name}{_nearly(name, binding.unknown)}" for name in binding.missing)
            raise ContractError(f"{batch.position.source}: required columns are missing: {names}")
        if binding.unknown and all(source is None for source in binding.sources):
            names = ", ".join(map(repr, binding.unknown))
            raise ContractError(
                f"{batch.position.source}: no column of the contract is there; found {_cut(names)}, "
                f"expected {_cut(', '.join(repr(column.path) for column in self._compiled.columns))}"
            )
        if binding.unknown and self._unknown_columns == "error":
            names = ", ".join(binding.unknown)
            raise ContractError(f"{batch.position.source}: columns that the contract lacks: {names}")
        return binding

    def _count(self, batch: Batch, examined: Sequence[Examined], deleted: Mask | None) -> None:
        """The rules that count bad cells without rejecting their rows; deletes have no cells to count."""
        for at, counted in self._compiled.counted:
            column, result = self._compiled.columns[at], examined[at]
            for broken in counted.check.broken(result.values):
                cells = broken.cells if result.failed is None else pc.and_not(broken.cells, result.failed)
                rows = np.flatnonzero(cells.to_numpy(zero_copy_only=False))
                rows = rows if deleted is None else rows[~deleted[rows]]
                source = result.values.take(pa.array(rows))
                self._note(batch, Finding(broken.rule, column.path, broken.expected, rows, source, column.masked))

    def _of_upserts(self, findings: Sequence[Finding], deleted: Mask) -> list[Finding]:
        """Of a delete only the key columns count."""
        kept: list[Finding] = []
        for finding in findings:
            if finding.column in self._compiled.key_columns:
                kept.append(finding)
                continue
            upserts = np.flatnonzero(~deleted[finding.rows])
            if len(upserts):
                cells = finding.cells.take(pa.array(upserts))
                kept.append(replace(finding, rows=finding.rows[upserts], cells=cells))
        return kept

    def _repeats(
        self, batch: Batch, accepted: pa.RecordBatch, bad: Int64s | None, deleted: Mask | None
    ) -> list[Finding]:
        """Rows to reject as they repeat a key. Rows already bad, and deletes, neither repeat a key nor hold one."""
        rows = None
        if bad is not None or deleted is not None:
            eligible = np.ones(accepted.num_rows, np.bool_) if deleted is None else ~deleted
            eligible[bad if bad is not None else []] = False
            rows = np.flatnonzero(eligible)
        columns = dict(zip(accepted.schema.names, accepted.columns, strict=True))
        findings: list[Finding] = []
        for key, found in self._keys.repeats(columns, rows):
            finding = self._repeat(key, found, columns)
            if key.rejects:
                findings.append(finding)
            else:
                self._note(batch, finding)
        return findings

    def _repeat(self, key: UniqueKey, rows: Int64s, columns: Mapping[str, pa.Array]) -> Finding:
        held = [columns[name].take(pa.array(rows)) for name in key.columns]
        cells = held[0] if len(held) == 1 else pa.StructArray.from_arrays(held, names=list(key.columns))
        masked = any(column.masked for column in self._compiled.columns if column.path in key.columns)
        return Finding(key.rule, ", ".join(key.columns), REPEATED, rows, cells, masked)

    def _converted(self, batch: Batch, examined: Sequence[Examined]) -> dict[int, pa.Array]:
        """The scalar columns that came as text and are something else in the contract, by position in the batch."""
        sources = self._bindings[batch.records.schema].sources
        return {
            source: result.values
            for source, result in zip(sources, examined, strict=True)
            if source is not None
            and pa.types.is_string(batch.records.schema.field(source).type)
            and not (pa.types.is_string(result.values.type) or pa.types.is_nested(result.values.type))
        }

    def _split(
        self,
        batch: Batch,
        accepted: pa.RecordBatch,
        findings: Sequence[Finding],
        converted: Mapping[int, pa.Array],
    ) -> Verdict:
        tally, op, parts = self._tally, batch.op, list[pa.RecordBatch]()
        for finding in findings:
            self._note(batch, finding)
        bad = _rows_of(findings)
        if bad is not None:
            parts.append(reject_rows(batch, bad, findings, converted))
            good = np.ones(accepted.num_rows, np.bool_)
            good[bad] = False
            accepted = accepted.filter(pa.array(good))
            op = op if op is None else op.filter(pa.array(good))
        if batch.malformed:
            parts.append(reject_malformed(batch.stream, batch.malformed))
            examples = [f"{_place(record)}: {record.reason}" for record in batch.malformed[:EXAMPLES]]
            tally.broken["malformed", ""].add(len(batch.malformed), examples)
        rejected = pa.Table.from_batches(parts).combine_chunks().to_batches()[0] if parts else None
        verdict = Verdict(accepted, op, rejected)
        tally.read += batch.records.num_rows + len(batch.malformed)
        tally.accepted += accepted.num_rows
        tally.rejected += verdict.rejected_rows
        return verdict

    def _note(self, batch: Batch, finding: Finding) -> None:
        """Count a finding, and keep its first cells as examples."""
        count = self._tally.broken[finding.rule, finding.column]
        few = replace(finding, rows=finding.rows[:EXAMPLES], cells=finding.cells[:EXAMPLES])
        numbers = row_numbers(batch.position, few.rows).to_pylist()
        found = zip(numbers, messages(few).to_pylist(), strict=True)
        examples = [f"{batch.position.source}, row {row}: {message}" for row, message in found]
        count.add(len(finding.rows), examples)


def bind(compiled: CompiledContract, names: Sequence[str]) -> Binding:
    """Find every column among a batch's names: by its name in the source, else by its name in the table."""
    positions = {name: at for at, name in reversed(list(enumerate(names)))}
    sources = tuple(
        next((positions[name] for name in column.sources if name in positions), None) for column in compiled.columns
    )
    missing = (
        column.sources[0]
        for column, source in zip(compiled.columns, sources, strict=True)
        if source is None and column.required
    )
    unknown = tuple(name for at, name in enumerate(names) if at not in sources)
    return Binding(sources, unknown, tuple(missing))


def _deleted(batch: Batch) -> Mask | None:
    """Which rows are deletes; None: none is."""
    if batch.op is None:
        return None
    deleted = np.equal(batch.op.to_numpy(zero_copy_only=False), DELETE)
    return deleted if deleted.any() else None


def _nearly(name: str, others: Sequence[str]) -> str:
    """What a missing column may be called in the source: the same letters in another case, or a slip of the pen."""
    near = closest(name, others)
    return f" ({near})" if near else ""


def _cut(names: str) -> str:
    return f"{names[:MESSAGE_CHARACTERS]}..." if len(names) > MESSAGE_CHARACTERS else names


def _place(record: Malformed) -> str:
    return f"{record.source}, line {record.line}" if record.line else f"{record.source}, row {record.row}"


def _rows_of(findings: Sequence[Finding]) -> Int64s | None:
    """The rows that have a finding, ascending; None: no row has."""
    return np.unique(np.concatenate([finding.rows for finding in findings])) if findings else None
