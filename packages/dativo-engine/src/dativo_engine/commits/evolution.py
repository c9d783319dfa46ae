"""How a newer contract changes a table's schema: what may change without a stored row being touched.

A column keeps its field id through a rename, so that files written before still hold it. Renames are recognised by
the property's ODCS id; the ids are kept in the table property `COLUMN_IDS`, since Iceberg has no place for them.
Nor has it one for a primary key with an optional column: that is kept in `PRIMARY_KEY`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
PRIMARY_KEY = "dativo.primary-key"
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
    known: Mapping[str, int],
    key: Collection[str],
    stored_key: Collection[int],
    mode: Mode,
    replaces: bool = False,
) -> Evolution:
    """The schema that takes `current` to what the contract wants.

    Args:
        wanted: the contract's columns; its field ids mean nothing.
        known: the contract's column -> the field id of the present column that has its ODCS id.
        key: the contract's primary key.
        stored_key: the field ids of the key by which stored rows are unique; empty: nobody said.
        mode: `strict` takes nothing but new descriptions.
        replaces: no stored row stays, so that another key may hold for those that come.

    Raises:
        FatalError: a change that stored rows do not allow, or that the mode does not take; names the columns.
    """
    step = _Step(last_column_id, known)
    fields = step.struct(wanted.fields, current.fields, path="")
    step.check_key(key, fields, current, stored_key, replaces=replaces)
    if step.refused or (step.changes and mode == "strict"):
        found = step.refused or step.changes
        remedy = (
            "bring the contract back, or load into a new table (target.table)"
            if step.refused
            else "set schema_evolution: additive, or bring the contract back"
        )
        message = f"the contract no longer fits the table: {'; '.join(found)}; {remedy}"
        raise FatalError(message)
    # Iceberg wants identifier fields to be required. A part of the key would say that rows are unique by that part.
    required = {item.field_id for item in fields if item.required}
    keys = [item.field_id for item in fields if item.name in key] if replaces else current.identifier_field_ids
    identifiers = keys if required.issuperset(keys) else []
    schema = Schema(*fields, schema_id=current.schema_id, identifier_field_ids=identifiers)
    return Evolution(schema, step.last_column_id, (*step.changes, *step.described))


@dataclass(slots=True)
class _Step:
    """Walks two schemas side by side and notes what differs."""

    last_column_id: int
    known: Mapping[str, int]
    changes: list[str] = field(default_factory=list[str])
    described: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])

    def struct(
        self, wanted: tuple[NestedField, ...], current: tuple[NestedField, ...], *, path: str
    ) -> tuple[NestedField, ...]:
        by_id = {item.field_id: item for item in current}
        claimed = set(self.known.values())
        by_name = {item.name: item for item in current if item.field_id not in claimed}
        fields: list[NestedField] = []
        for item in wanted:
            place = f"{path}{item.name}"
            before = by_id.get(self.known.get(place, -1)) or by_name.get(item.name)
            fields.append(self._new(item, place) if before is None else self._kept(item, before, place))
        for before in current:
            twins = [f"{path}{item.name}" for item in fields if item.field_id == before.field_id]
            if len(twins) > 1:
                self.refused.append(f"{_columns(twins)} have one id, that of the table's column {path}{before.name}")
        kept = {item.field_id for item in fields}
        gone = [f"{path}{item.name}" for item in current if item.field_id not in kept]
        if gone:
            self.refused.append(f"the table has {_columns(gone)}, which the contract lacks")
        order = [item.field_id for item in current if item.field_id in kept]
        if [item.field_id for item in fields if item.field_id in set(order)] != order:
            self.changes.append(f"the columns{' of ' + path.rstrip('.') if path else ''} are reordered")
        return tuple(fields)

    def check_key(
        self,
        key: Collection[str],
        fields: Collection[NestedField],
        current: Schema,
        stored: Collection[int],
        *,
        replaces: bool,
    ) -> None:
        """That rows are told apart as those that were there: any other key might hold for many of them."""
        if not stored or {item.field_id for item in fields if item.name in key} == set(stored):
            return
        new = {item.field_id: item.name for item in fields}
        old = {number: current.find_column_name(number) or "a column that is gone" for number in stored}
        was = (
            name if new.get(number, name) == name else f"{new[number]} (so far {name})" for number, name in old.items()
        )
        now = f"is {', '.join(key)} in the contract" if key else "is missing in the contract"
        found = self.changes if replaces else self.refused
        found.append(f"the primary key {now} and {', '.join(was)} in the table")

    def _new(self, item: NestedField, place: str) -> NestedField:
        if item.required:
            self.refused.append(f"column {place} is new and required, but stored rows have no value for it")
        self.changes.append(f"column {place} is new ({item.field_type})")
        number = self._next_id()
        return item.model_copy(update={"field_id": number, "field_type": self._fresh(item.field_type)})

    def _kept(self, item: NestedField, before: NestedField, place: str) -> NestedField:
        if item.name != before.name:
            self.changes.append(f"column {before.name} is renamed to {place}")
        self._compare_required(item.required, before.required, place)
        if (item.doc or "") != (before.doc or ""):
            self.described.append(f"column {place} has a new description")
        return item.model_copy(
            update={
                "field_id": before.field_id,
                "field_type": self._type(item.field_type, before.field_type, place=place),
            }
        )

    def _compare_required(self, wanted: bool, current: bool, place: str) -> None:  # noqa: FBT001 - a pair
        if wanted and not current:
            self.refused.append(f"column {place} becomes required, but stored rows may lack it")
        if current and not wanted:
            self.changes.append(f"column {place} becomes optional")

    def _compare_keys(self, wanted: IcebergType, current: IcebergType, place: str) -> None:
        """Keys of a map stay as they are: Iceberg's other libraries take no change of them, were it a wider type."""
        keys = _Step(self.last_column_id, self.known)
        keys._type(wanted, current, place=f"{place}.key")
        if keys.changes or keys.refused:
            found = "; ".join((*keys.changes, *keys.refused))
            self.refused.append(f"the keys of map {place} can't be changed: {found}")

    def _type(self, wanted: IcebergType, current: IcebergType, *, place: str) -> IcebergType:
        if isinstance(wanted, StructType) and isinstance(current, StructType):
            return StructType(*self.struct(wanted.fields, current.fields, path=f"{place}."))
        if isinstance(wanted, ListType) and isinstance(current, ListType):
            element = self._type(wanted.element_type, current.element_type, place=f"{place}.element")
            self._compare_required(wanted.element_required, current.element_required, f"{place}.element")
            return ListType(current.element_id, element, element_required=wanted.element_required)
        if isinstance(wanted, MapType) and isinstance(current, MapType):
            self._compare_keys(wanted.key_type, current.key_type, place)
            value = self._type(wanted.value_type, current.value_type, place=f"{place}.value")
            self._compare_required(wanted.value_required, current.value_required, f"{place}.value")
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
