"""How a newer contract changes a table's schema: what may change without a stored row being touched.

A column keeps its field id through a rename, so that files written before still hold it. Renames are recognised by
the property's ODCS id; the ids are kept in the table property `COLUMN_IDS`, since Iceberg has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pyiceberg.schema import Schema
from pyiceberg.types import (
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StructType,
)

from dativo_engine.errors import FatalError

COLUMN_IDS = "dativo.column-ids"
Mode = Literal["additive", "strict"]


@dataclass(frozen=True, slots=True)
class Evolution:
    """A table's next schema.

    Attributes:
        schema: with the ids of the present schema where columns stayed, and fresh ones where they are new.
        last_column_id: the highest id ever given in this table.
        changes: what changed, a sentence each; empty: nothing did.
    """

    schema: Schema
    last_column_id: int
    changes: tuple[str, ...]


def evolve(
    current: Schema,
    wanted: Schema,
    *,
    last_column_id: int,
    renamed: Mapping[str, str],
    mode: Mode,
) -> Evolution:
    """The schema that takes `current` to what the contract wants.

    Args:
        wanted: the contract's columns; its field ids mean nothing.
        renamed: the contract's column -> the present column it was renamed from.
        mode: `strict` takes nothing but new descriptions.

    Raises:
        FatalError: a change that stored rows do not allow, or that the mode does not take; names the columns.
    """
    step = _Step(last_column_id, renamed)
    fields = step.struct(wanted.fields, current.fields, path="")
    if step.refused or (step.changes and mode == "strict"):
        found = step.refused or step.changes
        remedy = (
            "bring the contract back, or load into a new table (target.table)"
            if step.refused
            else "set schema_evolution: additive, or bring the contract back"
        )
        message = f"the contract no longer fits the table: {'; '.join(found)}; {remedy}"
        raise FatalError(message)
    # The key may lose a column that becomes optional: Iceberg wants identifier fields to be required.
    required = {item.field_id for item in fields if item.required}
    identifiers = [number for number in current.identifier_field_ids if number in required]
    schema = Schema(*fields, schema_id=current.schema_id, identifier_field_ids=identifiers)
    return Evolution(schema, step.last_column_id, (*step.changes, *step.described))


@dataclass(slots=True)
class _Step:
    """Walks two schemas side by side and notes what differs."""

    last_column_id: int
    renamed: Mapping[str, str]
    changes: list[str] = field(default_factory=list[str])
    described: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])

    def struct(
        self, wanted: tuple[NestedField, ...], current: tuple[NestedField, ...], *, path: str
    ) -> tuple[NestedField, ...]:
        by_name = {item.name: item for item in current}
        fields: list[NestedField] = []
        for item in wanted:
            place = f"{path}{item.name}"
            before = by_name.get(item.name) or by_name.get(self.renamed.get(place, ""))
            fields.append(self._new(item, place) if before is None else self._kept(item, before, place))
        kept = {item.field_id for item in fields}
        gone = [f"{path}{item.name}" for item in current if item.field_id not in kept]
        if gone:
            self.refused.append(f"the table has {_columns(gone)}, which the contract lacks")
        order = [item.field_id for item in current if item.field_id in kept]
        if [item.field_id for item in fields if item.field_id in set(order)] != order:
            self.changes.append(f"the columns{' of ' + path.rstrip('.') if path else ''} are reordered")
        return tuple(fields)

    def _new(self, item: NestedField, place: str) -> NestedField:
        if item.required:
            self.refused.append(f"column {place} is new and required, but stored rows have no value for it")
        self.changes.append(f"column {place} is new ({item.field_type})")
        number = self._next_id()
        return item.model_copy(update={"field_id": number, "field_type": self._fresh(item.field_type)})

    def _kept(self, item: NestedField, before: NestedField, place: str) -> NestedField:
        if item.name != before.name:
            self.changes.append(f"column {before.name} is renamed to {place}")
        if item.required and not before.required:
            self.refused.append(f"column {place} becomes required, but stored rows may lack it")
        if before.required and not item.required:
            self.changes.append(f"column {place} becomes optional")
        if (item.doc or "") != (before.doc or ""):
            self.described.append(f"column {place} has a new description")
        return item.model_copy(
            update={
                "field_id": before.field_id,
                "field_type": self._type(item.field_type, before.field_type, place=place),
            }
        )

    def _type(self, wanted: IcebergType, current: IcebergType, *, place: str) -> IcebergType:
        if isinstance(wanted, StructType) and isinstance(current, StructType):
            return StructType(*self.struct(wanted.fields, current.fields, path=f"{place}."))
        if isinstance(wanted, ListType) and isinstance(current, ListType):
            element = self._type(wanted.element_type, current.element_type, place=f"{place}.element")
            return ListType(current.element_id, element, element_required=wanted.element_required)
        if isinstance(wanted, MapType) and isinstance(current, MapType):
            self._type(wanted.key_type, current.key_type, place=f"{place}.key")
            value = self._type(wanted.value_type, current.value_type, place=f"{place}.value")
            return MapType(
                current.key_id, current.key_type, current.value_id, value, value_required=wanted.value_required
            )
        if wanted == current:
            return wanted
        if _widens(current, wanted):
            self.changes.append(f"column {place} is widened from {current} to {wanted}")
        else:
            self.refused.append(f"column {place} is {current} in the table and {wanted} in the contract")
        return wanted

    def _fresh(self, new: IcebergType) -> IcebergType:
        if isinstance(new, StructType):
            fields = [
                item.model_copy(update={"field_id": self._next_id(), "field_type": self._fresh(item.field_type)})
                for item in new.fields
            ]
            return StructType(*fields)
        if isinstance(new, ListType):
            number = self._next_id()
            return ListType(number, self._fresh(new.element_type), element_required=new.element_required)
        if isinstance(new, MapType):
            key, value = self._next_id(), self._next_id()
            return MapType(
                key, self._fresh(new.key_type), value, self._fresh(new.value_type), value_required=new.value_required
            )
        return new

    def _next_id(self) -> int:
        self.last_column_id += 1
        return self.last_column_id


def _widens(current: IcebergType, wanted: IcebergType) -> bool:
    """Iceberg's promotions: no stored value changes. https://iceberg.apache.org/spec/#schema-evolution."""
    if isinstance(current, IntegerType):
        return isinstance(wanted, LongType)
    if isinstance(current, FloatType):
        return isinstance(wanted, DoubleType)
    if isinstance(current, DecimalType) and isinstance(wanted, DecimalType):
        return current.scale == wanted.scale and wanted.precision > current.precision
    return False


def _columns(names: list[str]) -> str:
    return f"column {names[0]}" if len(names) == 1 else f"columns {', '.join(names)}"
