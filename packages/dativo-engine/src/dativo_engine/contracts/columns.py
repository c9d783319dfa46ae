"""One column of a contract, compiled: cast, then checked, nested fields included."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.arrow import arrow_type
from dativo_engine.contracts.attempt import Convert, attempt
from dativo_engine.contracts.cast import cast, plain
from dativo_engine.contracts.checks import Check, checks_of
from dativo_engine.contracts.datepattern import DatePattern, compile_pattern
from dativo_engine.contracts.jsontext import json_texts

if TYPE_CHECKING:
    from dativo_config.models.contract import Property


@dataclass(frozen=True, slots=True)
class Finding:
    """Cells that break one rule.

    Attributes:
        column: the column, or the path of a nested field: `address.zip`, `tags[]`.
        rows: positions of the rows in the batch, ascending, each once.
        cells: what the source had there, one cell for each of `rows`.
        masked: the values are not for messages.
    """

    rule: str
    column: str
    expected: str
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    cells: pa.Array
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """A column after its cast, and everything wrong with it. Cells that failed are null."""

    values: pa.Array
    findings: tuple[Finding, ...] = ()
    failed: pa.BooleanArray | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One property, ready to be applied to Arrow arrays.

    Attributes:
        path: how messages name it.
        sources: the names it may have in the source, best first.
        shown_type: the type as the contract says it.
        children: fields of an object, the element of a list, or key and value of a map.
    """

    path: str
    sources: tuple[str, ...]
    type: pa.DataType
    shown_type: str
    required: bool
    masked: bool
    timezone: str
    pattern: DatePattern | None
    checks: tuple[Check, ...]
    children: tuple[Column, ...] = ()

    def rules(self) -> Iterator[tuple[str, str, str]]:
        """(rule, column, expected) of everything checked here and below; every column has its type."""
        yield "type", self.path, self.shown_type
        if self.required:
            yield "required", self.path, "a value"
        for check in self.checks:
            yield from ((rule, self.path, expected) for rule, expected in check.rules)
        for child in self.children:
            yield from child.rules()

    def examine(self, source: pa.Array) -> Examined:
        """Cast the cells and find all that break a rule."""
        source = plain(source)
        examined = self._convert(source)
        values, failed = examined.values, examined.failed
        findings = list(examined.findings)
        if failed is not None:
            findings += self._found("type", self.shown_type, failed, source)
        if self.required and values.null_count:
            findings += self._unless_failed("required", "a value", values.is_null(), failed, source)
        for check in self.checks:
            for broken in check.broken(values):
                findings += self._unless_failed(broken.rule, broken.expected, broken.cells, failed, source)
        return Examined(values, tuple(findings), failed)

    def _unless_failed(
        self, rule: str, expected: str, cells: pa.BooleanArray, failed: pa.BooleanArray | None, source: pa.Array
    ) -> list[Finding]:
        """A cell that failed its cast is null, and breaks no other rule for that."""
        return self._found(rule, expected, cells if failed is None else pc.and_not(cells, failed), source)

    def _found(self, rule: str, expected: str, cells: pa.BooleanArray, source: pa.Array) -> list[Finding]:
        rows = np.flatnonzero(cells.to_numpy(zero_copy_only=False))
        if len(rows) == 0:
            return []
        return [Finding(rule, self.path, expected, rows, source.take(pa.array(rows)), self.masked)]

    def _convert(self, source: pa.Array) -> Examined:  # noqa: PLR0911 - one line per type
        kinds = pa.types
        if not kinds.is_nested(self.type):
            return self._convert_scalar(source)
        if kinds.is_null(source.type):
            return Examined(pa.nulls(len(source), self.type))
        if kinds.is_string(source.type) and not kinds.is_map(self.type):
            return self._convert_json(source)
        if kinds.is_struct(self.type) and kinds.is_struct(source.type):
            return self._convert_struct(source)
        if kinds.is_map(self.type) and (kinds.is_map(source.type) or kinds.is_struct(source.type)):
            return self._convert_map(source if kinds.is_map(source.type) else _entries(source))
        if kinds.is_list(self.type) and _is_list(source.type):
            return self._convert_list(source)
        return Examined(pa.nulls(len(source), self.type), (), source.is_valid())

    def _convert_scalar(self, source: pa.Array) -> Examined:
        if pa.types.is_string(self.type) and pa.types.is_nested(source.type):
            return Examined(pa.array(json_texts(source), pa.string()))
        result = cast(source, self.type, timezone=self.timezone, pattern=self.pattern)
        return Examined(result.values, (), result.failed)

    def _convert_json(self, source: pa.StringArray) -> Examined:
        """JSON text, read as an object or a list and then treated like one."""
        written = _as_written(self)
        parsed = attempt(source, written, _json_reader(written))
        return replace(self._convert(parsed.values), failed=parsed.failed)

    def _convert_struct(self, source: pa.StructArray) -> Examined:
        """Field by field; a null object has no fields to check."""
        fields = dict(zip((field.name for field in source.type.fields), source.flatten(), strict=True))
        present = np.flatnonzero(source.is_valid().to_numpy(zero_copy_only=False)) if source.null_count else None
        arrays: list[pa.Array] = []
        findings: list[Finding] = []
        for child in self.children:
            cells = next((fields[name] for name in child.sources if name in fields), None)
            cells = pa.nulls(len(source)) if cells is None else cells
            if present is None:
                examined = child.examine(cells)
                arrays.append(examined.values)
                findings += examined.findings
            else:
                examined = child.examine(cells.take(pa.array(present)))
                arrays.append(_spread(examined.values, present, len(source)))
                findings += [replace(finding, rows=present[finding.rows]) for finding in examined.findings]
        values = pa.StructArray.from_arrays(arrays, fields=self.type.fields, mask=source.is_null())
        return Examined(values, tuple(findings))

    def _convert_list(self, source: pa.ListArray) -> Examined:
        """All items of all lists as one column; a bad item is its row's."""
        parents = pc.list_parent_indices(source).to_numpy(zero_copy_only=False)
        examined = self.children[0].examine(source.flatten())
        values = pa.ListArray.from_arrays(_offsets(source), examined.values, type=self.type, mask=source.is_null())
        return Examined(values, tuple(_per_row(examined.findings, parents)))

    def _convert_map(self, source: pa.MapArray) -> Examined:
        """All keys and all values as two columns."""
        lists = source.cast(pa.list_(pa.struct([source.type.key_field, source.type.item_field])))
        parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
        entries = lists.flatten()
        keys, items = (child.examine(entries.field(at)) for at, child in enumerate(self.children))
        findings = (*_per_row(keys.findings, parents), *_per_row(items.findings, parents))
        # A map refuses null keys even where its row is about to be rejected.
        safe_keys = keys.values if keys.values.null_count == 0 else _fill(keys.values)
        values = pa.MapArray.from_arrays(
            _offsets(lists), safe_keys, items.values, type=self.type, mask=source.is_null()
        )
        return Examined(values, findings)


def compile_column(column: Property, path: str = "") -> Column:
    """Make a property ready to be applied.

    Raises:
        FatalError: an option that its type cannot have.
    """
    path = path or column.column
    cells = arrow_type(column)
    children: tuple[Column, ...] = ()
    if pa.types.is_struct(cells):
        children = tuple(compile_column(child, f"{path}.{child.column}") for child in column.properties)
    elif pa.types.is_list(cells):
        children = (_item(column.items, f"{path}[]"),)
    elif pa.types.is_map(cells):
        children = (replace(_item(column.key, f"{path}.key"), required=True), _item(column.items, f"{path}.value"))
    temporal = pa.types.is_temporal(cells) and column.limits.format
    compiled = Column(
        path=path,
        sources=tuple(dict.fromkeys((column.name, column.column))),
        type=cells,
        shown_type=str(column.physical_type),
        required=column.required,
        masked=bool(column.classification),
        timezone=column.limits.default_timezone,
        pattern=compile_pattern(column.limits.format, path) if temporal and column.limits.format else None,
        checks=checks_of(column, cells),
        children=children,
    )
    return _masked(compiled) if compiled.masked else compiled


_TEXT = Column("", (), pa.string(), "string", required=False, masked=False, timezone="UTC", pattern=None, checks=())


def _item(item: Property | None, path: str) -> Column:
    """The element of a list, or the key or value of a map; text where the contract does not say."""
    return replace(_TEXT, path=path) if item is None else compile_column(item, path)


def _masked(column: Column) -> Column:
    """Everything inside a classified column is classified."""
    return replace(column, masked=True, children=tuple(_masked(child) for child in column.children))


def _is_list(cells: pa.DataType) -> bool:
    return pa.types.is_list(cells) or pa.types.is_large_list(cells) or pa.types.is_fixed_size_list(cells)


def _offsets(lists: pa.ListArray) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())


def _per_row(findings: tuple[Finding, ...], parents: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[Finding]:
    """Findings on items as findings on their rows, each row with its first bad item."""
    for finding in findings:
        rows, first = np.unique(parents[finding.rows], return_index=True)
        yield replace(finding, rows=rows, cells=finding.cells.take(pa.array(first)))


def _spread(values: pa.Array, positions: np.ndarray[tuple[int], np.dtype[np.int64]], length: int) -> pa.Array:
    """The values at their positions among `length` cells; null elsewhere."""
    index = np.full(length, -1)
    index[positions] = np.arange(len(positions))
    return values.take(pa.array(index, mask=index < 0))


def _entries(objects: pa.StructArray) -> pa.MapArray:
    """Objects as maps from field name to value; a null field is no entry."""
    names, columns = [field.name for field in objects.type.fields], objects.flatten()
    if not columns:
        offsets = pa.array([0] * (len(objects) + 1), pa.int32())
        return pa.MapArray.from_arrays(offsets, pa.array([], pa.string()), pa.nulls(0), mask=objects.is_null())
    count, width = len(objects), len(names)
    by_row = pa.array(np.arange(count * width).reshape(width, count).T.ravel())
    items = pa.concat_arrays(_one_type(columns)).take(by_row)
    keys = pa.array(names).take(pa.array(np.tile(np.arange(width), count)))
    kept = items.is_valid()
    lengths = kept.to_numpy(zero_copy_only=False).reshape(count, width).sum(axis=1)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    return pa.MapArray.from_arrays(offsets, keys.filter(kept), items.filter(kept), mask=objects.is_null())


def _one_type(columns: list[pa.Array]) -> list[pa.Array]:
    """The columns in one type: their own where they agree, else as text."""
    types = {column.type for column in columns if not pa.types.is_null(column.type)}
    target = types.pop() if len(types) == 1 else pa.string()
    return [
        pa.array(json_texts(column), target)
        if pa.types.is_nested(column.type) and column.type != target
        else column.cast(target)
        for column in columns
    ]


def _fill(keys: pa.Array) -> pa.Array:
    """The keys with some valid value in place of null."""
    valid = keys.drop_null()
    filler = valid[0] if len(valid) else pa.scalar(b"\0" * 16 if pa.types.is_fixed_size_binary(keys.type) else 0)
    return pc.fill_null(keys, filler.cast(keys.type))


def _json_reader(target: pa.DataType) -> Convert:
    """Reads JSON text, one value a cell, as `target`."""

    def convert(cells: pa.Array) -> pa.Array:
        import msgspec  # only contracts that have text for objects pay for these
        from pyarrow import json

        texts = pc.replace_substring_regex(pc.fill_null(cells, "null"), r"[\r\n]", " ")
        lines = "".join(f'{{"cell":{text}}}\n' for text in texts.to_pylist())
        try:
            # pyarrow's reader follows brackets until its stack is full, which ends the process.
            msgspec.json.Decoder(msgspec.Raw).decode_lines(lines)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise pa.ArrowInvalid("no JSON, or nested too deep") from error
        options = json.ParseOptions(explicit_schema=pa.schema([("cell", target)]), unexpected_field_behavior="ignore")
        table = json.read_json(io.BytesIO(lines.encode()), parse_options=options)
        if table.num_rows != len(cells):
            raise pa.ArrowInvalid("not one value")
        return table["cell"].combine_chunks()

    return convert


def _as_written(column: Column) -> pa.DataType:
    """The column's type as JSON holds it: the source's names, any field may be null, bytes are text, maps unknown."""
    if pa.types.is_struct(column.type):
        return pa.struct([(child.sources[0], _as_written(child)) for child in column.children])
    if pa.types.is_list(column.type):
        return pa.list_(_as_written(column.children[0]))
    is_bytes = pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type)
    return pa.string() if is_bytes else column.type
