"""Rejected rows as the quarantine keeps them: where they came from, why, and what they were."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.columns import Finding
from dativo_engine.contracts.jsontext import json_rows, json_texts
from dativo_engine.interfaces import Batch, Malformed, Position

REASON = pa.struct([("column", pa.string()), ("rule", pa.string()), ("message", pa.string())])

REJECTED_SCHEMA = pa.schema(
    [
        ("rejected_at", pa.timestamp("us", "UTC")),
        ("stream", pa.string()),
        ("source", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("reasons", pa.list_(pa.field("element", REASON))),
        ("record", pa.string()),
    ]
)
"""`row` is the record number in the source, `line` the physical line; null: not known. `record` is the row as a JSON
object with the source's names, its cells in the contract's types where they convert and else as they came, or the raw
text of a malformed record."""

_LONGEST_VALUE = 100
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]


def reject_rows(
    batch: Batch, rows: Rows, findings: Sequence[Finding], converted: Mapping[int, pa.Array]
) -> pa.RecordBatch:
    """The batch's rows at `rows` (ascending), each with every reason found for it.

    Args:
        converted: columns that came as text, by their position in the batch, as the contract has them. Which columns
            of a file come as text depends on where it was cut into blocks; what is kept of a row must not.
    """
    at = pa.array(rows)
    records = batch.records.take(at)
    return rejected_batch(
        stream=batch.stream,
        source=batch.position.source,
        rows=row_numbers(batch.position, rows),
        reasons=_reasons(rows, findings),
        records=json_rows(records, {position: cells.take(at) for position, cells in converted.items()}),
    )


def reject_malformed(stream: str, malformed: Sequence[Malformed]) -> pa.RecordBatch:
    """Records that were no rows at all."""
    reasons = [[{"column": None, "rule": "malformed", "message": record.reason}] for record in malformed]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([_now()] * len(malformed), REJECTED_SCHEMA.field("rejected_at").type),
            pa.array([stream] * len(malformed), pa.string()),
            pa.array([record.source for record in malformed], pa.string()),
            pa.array([record.row or None for record in malformed], pa.int64()),
            pa.array([record.line or None for record in malformed], pa.int64()),
            pa.array(reasons, REJECTED_SCHEMA.field("reasons").type),
            pa.array([record.raw for record in malformed], pa.string()),
        ],
        schema=REJECTED_SCHEMA,
    )


def rejected_batch(
    *, stream: str, source: str | None, rows: pa.Int64Array, reasons: pa.ListArray, records: Sequence[str]
) -> pa.RecordBatch:
    """Rows of one source in `REJECTED_SCHEMA`."""
    count = len(records)
    constants = [pa.scalar(_now(), REJECTED_SCHEMA.field(0).type), pa.scalar(stream), pa.scalar(source, pa.string())]
    arrays = [*(pa.repeat(constant, count) for constant in constants), rows, pa.nulls(count, pa.int64()), reasons]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(records, pa.string())], schema=REJECTED_SCHEMA)


def row_numbers(position: Position, rows: Rows) -> pa.Int64Array:
    """Record numbers in the source of a batch's rows."""
    return pa.array(rows + position.first_row) if position.rows is None else position.rows.take(pa.array(rows))


def messages(finding: Finding) -> pa.StringArray:
    """What was found and what was expected, for every cell of a finding."""
    expected = f"found %s, expected {finding.expected}"
    before, _, after = expected.partition("%s")
    return pc.binary_join_element_wise(before, shown(finding), after, "")


def shown(finding: Finding) -> pa.StringArray:
    """The cells as a person would write them: text in quotes, long values cut, classified ones masked."""
    cells = finding.cells
    if finding.masked:
        return pc.if_else(cells.is_valid(), "***", "no value")
    if pa.types.is_nested(cells.type) or pa.types.is_binary(cells.type) or pa.types.is_fixed_size_binary(cells.type):
        text = pa.array(json_texts(cells), pa.string())
    else:
        text = cells.cast(pa.string())
    long = pc.greater(pc.utf8_length(text), _LONGEST_VALUE)
    cut = pc.binary_join_element_wise(pc.utf8_slice_codeunits(text, 0, _LONGEST_VALUE), "...", "")
    text = pc.if_else(long, cut, text)
    if pa.types.is_string(cells.type):
        text = pc.binary_join_element_wise("'", text, "'", "")
    return pc.fill_null(text, "no value")


def _reasons(rows: Rows, findings: Sequence[Finding]) -> pa.ListArray:
    """One list of reasons for each row, in the order of the findings."""
    owners = np.concatenate([finding.rows for finding in findings])
    reasons = pa.StructArray.from_arrays(
        [
            pa.concat_arrays([pa.repeat(pa.scalar(finding.column), len(finding.rows)) for finding in findings]),
            pa.concat_arrays([pa.repeat(pa.scalar(finding.rule), len(finding.rows)) for finding in findings]),
            pa.concat_arrays([messages(finding) for finding in findings]),
        ],
        fields=list(REASON),
    )
    order = np.argsort(owners, kind="stable")
    offsets = np.searchsorted(owners[order], np.append(rows, np.iinfo(np.int64).max))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), reasons.take(pa.array(order)), type=REJECTED_SCHEMA.field("reasons").type
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
