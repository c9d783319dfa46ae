"""Which column of a data file is which of the table's: by field id, at every depth, however the file came to be.

Where a file has no field id, Iceberg's rules decide: https://iceberg.apache.org/spec/#column-projection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from pyiceberg.table.name_mapping import MappedField
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from dativo_engine.errors import FatalError
from dativo_engine.writers.fields import FIELD_ID, type_of_values

Fit: TypeAlias = Callable[[pa.Array], pa.Array]
Names: TypeAlias = Sequence[MappedField]

_NARROW = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, or a member of a struct, in one data file.

    Attributes:
        name: what the file calls it; None: it has none.
        kind: its type in the table.
        fit: makes the table's values of the file's.
        fill: its value in every row, where the file has none.
    """

    name: str | None
    kind: pa.DataType
    fit: Fit
    fill: object = None

    def of(self, columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
        """The values, of the file's columns for as many rows."""
        if self.name is not None:
            return self.fit(columns[self.name])
        return pa.nulls(rows, self.kind) if self.fill is None else pa.repeat(pa.scalar(self.fill, self.kind), rows)


@dataclass(frozen=True, slots=True)
class Projection:
    """How the columns of one data file become those of the table's present schema.

    Attributes:
        path: the file, for messages.
        names: which names columns have in files without field ids; None: the table does not say.
        constants: field id -> the value that it has in all rows of the file (identity partitions).
    """

    path: str
    names: Names | None
    constants: Mapping[int, object]

    def columns(self, file: pa.Schema, wanted: Sequence[NestedField], kinds: pa.Schema) -> list[Column]:
        """The wanted columns, in their order; `kinds` are their types.

        Texts keep the width of their offsets, and their dictionary where they come with one.

        Raises:
            FatalError: nothing says which columns the file has, or it lacks a required one.
        """
        if self.names is None and not any(_own_id(field) is not None for field in file):
            message = (
                f"{self.path}: its columns have no field ids, and the table does not say which they are; set its "
                "property schema.name-mapping.default (https://iceberg.apache.org/spec/#name-mapping-serialization), "
                "or load into a new table (target.table)"
            )
            raise FatalError(message)
        return self._members(file, wanted, kinds, self.names or (), path="", keep=_NARROW)

    def _members(
        self,
        stored: Iterable[pa.Field],
        wanted: Sequence[NestedField],
        kinds: Iterable[pa.Field],
        names: Names,
        *,
        path: str,
        keep: Mapping[pa.DataType, pa.DataType],
    ) -> list[Column]:
        found = _identified(stored, names)
        columns: list[Column] = []
        for item, field in zip(wanted, kinds, strict=True):
            place, kind = f"{path}{item.name}", field.type
            if item.field_id in found:
                source, inner = found[item.field_id]
                fit = self._fit(source.type, item.field_type, kind, inner, place=place)
                columns.append(Column(source.name, kind, partial(_unless, kind=keep.get(kind), fit=fit)))
            else:
                columns.append(Column(None, kind, _same, self._fill(item, place)))
        return columns

    def _fill(self, item: NestedField, place: str) -> object:
        """What a column that the file lacks has in its rows."""
        fill = self.constants.get(item.field_id, item.initial_default)
        if fill is None and item.required:
            message = (
                f"{self.path}: has no column {place}, which the table requires; make the column optional in the "
                "contract, or load into a new table (target.table)"
            )
            raise FatalError(message)
        return fill

    def _fit(self, source: pa.DataType, wanted: IcebergType, kind: pa.DataType, names: Names, *, place: str) -> Fit:
        if isinstance(wanted, StructType) and isinstance(source, pa.StructType) and isinstance(kind, pa.StructType):
            members = self._members(source, wanted.fields, kind, names, path=f"{place}.", keep={})
            return partial(_fit_struct, kind=kind, members=members)
        if isinstance(wanted, ListType) and isinstance(source, _LISTS) and isinstance(kind, pa.LargeListType):
            inner, inside = _inside(names, "element"), f"{place}.element"
            element = self._fit(source.value_type, wanted.element_type, kind.value_type, inner, place=inside)
            return partial(_fit_list, kind=kind, element=element)
        if isinstance(wanted, MapType) and isinstance(source, pa.MapType) and isinstance(kind, pa.MapType):
            inner = _inside(names, "key")
            key = self._fit(source.key_type, wanted.key_type, kind.key_type, inner, place=f"{place}.key")
            inner = _inside(names, "value")
            value = self._fit(source.item_type, wanted.value_type, kind.item_type, inner, place=f"{place}.value")
            return partial(_fit_map, kind=kind, key=key, value=value)
        return partial(self._cast, kind=kind, place=place)

    def _cast(self, array: pa.Array, *, kind: pa.DataType, place: str) -> pa.Array:
        if array.type.equals(kind):
            return array
        try:
            return array.cast(kind)
        except pa.ArrowException as error:
            message = f"{self.path}: column {place} is {array.type}, and can't be read as {kind}: {error}"
            raise FatalError(message) from error


_LISTS = (pa.ListType, pa.LargeListType)


def _own_id(field: pa.Field) -> int | None:
    number = (field.metadata or {}).get(FIELD_ID.encode())
    return None if number is None else int(number)


def _identified(stored: Iterable[pa.Field], names: Names) -> dict[int, tuple[pa.Field, Names]]:
    """Field id -> the file's column, and the names inside of it. An id in the file goes before the column's name."""
    mapped = {name: item for item in names for name in item.names}
    found: dict[int, tuple[pa.Field, Names]] = {}
    for field in stored:
        own, item = _own_id(field), mapped.get(field.name)
        inner: Names = () if item is None else item.fields
        if own is not None:
            found[own] = field, inner
        elif item is not None and item.field_id is not None:
            found.setdefault(item.field_id, (field, inner))
    return found


def _inside(names: Names, part: str) -> Names:
    return next((item.fields for item in names if part in item.names), ())


def _same(array: pa.Array) -> pa.Array:
    return array


def _unless(array: pa.Array, *, kind: pa.DataType | None, fit: Fit) -> pa.Array:
    """The array as it is, if it is of this kind, or a dictionary of it."""
    return array if kind is not None and type_of_values(array.type).equals(kind) else fit(array)


def _fit_struct(array: pa.StructArray, *, kind: pa.StructType, members: Sequence[Column]) -> pa.Array:
    stored = {field.name: array.field(number) for number, field in enumerate(array.type)}
    arrays = [member.of(stored, len(array)) for member in members]
    return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=array.is_null())


def _fit_list(array: pa.ListArray | pa.LargeListArray, *, kind: pa.LargeListType, element: Fit) -> pa.Array:
    offsets, start, length = _offsets(array)
    values = element(array.values.slice(start, length))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, type=kind, mask=array.is_null())


def _fit_map(array: pa.MapArray, *, kind: pa.MapType, key: Fit, value: Fit) -> pa.Array:
    offsets, start, length = _offsets(array)
    keys, items = key(array.keys.slice(start, length)), value(array.items.slice(start, length))
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items, type=kind, mask=array.is_null())


def _offsets(array: pa.ListArray | pa.LargeListArray | pa.MapArray) -> tuple[np.ndarray, int, int]:
    """Where the lists of an array begin and end, from 0, and which part of all values that is: first, and how many."""
    offsets = array.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    return offsets - first, first, last - first
