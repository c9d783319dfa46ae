"""What a newer contract may change in a table, and what it may not."""

import pytest
from dativo_engine.commits.evolution import Mode, evolve
from dativo_engine.errors import FatalError
from pyiceberg.schema import Schema
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
)


def column(number: int, name: str, kind: IcebergType, *, required: bool = False, doc: str | None = None) -> NestedField:
    return NestedField(number, name, kind, required=required, doc=doc)


CURRENT = Schema(
    column(1, "id", LongType(), required=True),
    column(2, "amount", DecimalType(10, 2)),
    column(3, "note", StringType(), required=True),
    column(4, "address", StructType(column(5, "city", StringType()), column(6, "zip", IntegerType()))),
    column(7, "tags", ListType(8, StringType(), element_required=False)),
    identifier_field_ids=[1],
    schema_id=3,
)


def wanted(**changed: NestedField | None) -> Schema:
    """The current columns with fresh ids, some replaced or left out, the rest of `changed` appended."""
    fields = [changed.pop(item.name, item) for item in CURRENT.fields]
    return Schema(*[item for item in [*fields, *changed.values()] if item is not None])


def grow(schema: Schema, *, mode: Mode = "additive", renamed: dict[str, str] | None = None):
    return evolve(CURRENT, schema, last_column_id=8, renamed=renamed or {}, mode=mode)


def test_an_unchanged_contract_changes_nothing():
    found = grow(wanted())
    assert found.changes == ()
    assert found.schema == CURRENT


def test_a_new_column_gets_an_id_that_was_never_given():
    found = grow(wanted(day=column(99, "day", DateType())))
    assert found.schema.find_field("day").field_id == 9
    assert found.changes == ("column day is new (date)",)
    assert found.last_column_id == 9


def test_new_nested_columns_get_ids_of_their_own():
    inner = StructType(column(1, "x", LongType()), column(2, "ys", ListType(3, DoubleType(), element_required=False)))
    found = grow(wanted(deep=column(99, "deep", inner)))
    numbers = [found.schema.find_field(name).field_id for name in ("deep", "deep.x", "deep.ys", "deep.ys.element")]
    assert sorted(numbers) == [9, 10, 11, 12]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amount", DecimalType(18, 2)),
        ("address", StructType(column(1, "city", StringType()), column(2, "zip", LongType()))),
    ],
)
def test_a_wider_type_keeps_the_id(name: str, kind: IcebergType):
    found = grow(wanted(**{name: column(99, name, kind)}))
    assert found.schema.find_field(name).field_id == CURRENT.find_field(name).field_id
    assert "widened" in found.changes[0]


def test_a_rename_by_property_id_keeps_the_field_id():
    renamed = Schema(
        *[item.model_copy(update={"name": "remark"}) if item.name == "note" else item for item in CURRENT.fields]
    )
    found = grow(renamed, renamed={"remark": "note"})
    assert found.schema.find_field("remark").field_id == 3
    assert found.changes == ("column note is renamed to remark",)


def test_a_column_may_become_optional_and_leaves_the_identifier():
    found = grow(wanted(id=column(99, "id", LongType())))
    assert found.changes == ("column id becomes optional",)
    assert found.schema.identifier_field_ids == []


def test_columns_may_be_reordered():
    found = grow(Schema(*reversed(CURRENT.fields)))
    assert found.changes == ("the columns are reordered",)
    assert [item.field_id for item in found.schema.fields] == [7, 4, 3, 2, 1]


def test_a_new_description_is_taken_in_strict_mode_too():
    found = grow(wanted(amount=column(99, "amount", DecimalType(10, 2), doc="in euros")), mode="strict")
    assert found.schema.find_field("amount").doc == "in euros"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"amount": None}, "column amount, which the contract lacks"),
        ({"amount": column(9, "amount", DoubleType())}, "column amount is decimal"),
        ({"amount": column(9, "amount", DecimalType(8, 2))}, "column amount is decimal"),
        ({"amount": column(9, "amount", DecimalType(18, 4))}, "column amount is decimal"),
        ({"amount": column(9, "amount", DecimalType(10, 2), required=True)}, "column amount becomes required"),
        ({"day": column(9, "day", DateType(), required=True)}, "column day is new and required"),
        ({"id": column(9, "id", IntegerType(), required=True)}, "column id is long"),
        (
            {"tags": column(9, "tags", ListType(1, FloatType(), element_required=False))},
            "column tags.element is string",
        ),
        ({"address": column(9, "address", StructType(column(1, "city", StringType())))}, "column address.zip"),
    ],
)
def test_what_stored_rows_do_not_allow_is_refused_by_name(changed: dict[str, NestedField | None], named: str):
    with pytest.raises(FatalError, match=named):
        grow(wanted(**changed))


def test_strict_takes_no_new_column():
    with pytest.raises(FatalError, match="schema_evolution: additive"):
        grow(wanted(day=column(9, "day", DateType())), mode="strict")
