"""What a newer contract may change in a table, and what it may not."""

import pytest
from dativo_engine.commits.evolution import Evolution, Mode, evolve
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
    MapType,
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
    known = {name: CURRENT.find_field(before).field_id for name, before in (renamed or {}).items()}
    return evolve(CURRENT, schema, last_column_id=8, known=known, key=("id",), stored_key=(1,), mode=mode)


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


def between(
    current: Schema, wanted: Schema, *, known: dict[str, int] | None = None, key: str = "", stored: int = 0
) -> Evolution:
    """What takes one schema to another, on the way of a contract with this key."""
    keys, stored_keys = [key] if key else [], [stored] if stored else []
    last = current.highest_field_id
    return evolve(
        current, wanted, last_column_id=last, known=known or {}, key=keys, stored_key=stored_keys, mode="additive"
    )


A_AND_B = Schema(column(1, "a", StringType()), column(2, "b", StringType()))


def test_a_name_that_a_renamed_column_left_is_free_for_a_new_one():
    wanted = Schema(column(1, "a", StringType()), column(2, "b", StringType()), column(3, "c", StringType()))
    found = between(A_AND_B, wanted, known={"c": 1, "b": 2})
    assert [(item.name, item.field_id) for item in found.schema.fields] == [("a", 3), ("b", 2), ("c", 1)]
    assert {"column a is renamed to c", "column a is new (string)"} <= set(found.changes)


def test_two_columns_may_swap_their_names():
    wanted = Schema(column(1, "b", StringType()), column(2, "a", StringType()))
    found = between(A_AND_B, wanted, known={"b": 1, "a": 2})
    assert [(item.name, item.field_id) for item in found.schema.fields] == [("b", 1), ("a", 2)]
    assert found.changes == ("column a is renamed to b", "column b is renamed to a")


def test_a_column_may_take_the_name_that_another_leaves():
    wanted = Schema(column(1, "old", StringType()), column(2, "a", StringType()))
    found = between(A_AND_B, wanted, known={"old": 1, "a": 2})
    assert [(item.name, item.field_id) for item in found.schema.fields] == [("old", 1), ("a", 2)]


def test_two_columns_with_one_id_are_refused_by_name():
    wanted = Schema(column(1, "a", StringType()), column(2, "b", StringType()), column(3, "c", StringType()))
    with pytest.raises(FatalError, match="columns a, c have one id, that of the table's column a"):
        between(A_AND_B, wanted, known={"a": 1, "b": 2, "c": 1})


def with_tags(*, required: bool) -> Schema:
    return Schema(column(1, "tags", ListType(2, StringType(), element_required=required)))


def with_scores(key: IcebergType, *, required: bool = False) -> Schema:
    return Schema(column(1, "scores", MapType(2, key, 3, LongType(), value_required=required)))


@pytest.mark.parametrize(
    ("strict", "loose", "place"),
    [
        (with_tags(required=True), with_tags(required=False), "tags.element"),
        (with_scores(StringType(), required=True), with_scores(StringType()), "scores.value"),
    ],
)
def test_elements_and_values_may_become_optional_and_never_required(strict: Schema, loose: Schema, place: str):
    found = between(strict, loose)
    assert found.changes == (f"column {place} becomes optional",)
    assert found.schema == loose
    with pytest.raises(FatalError, match=f"column {place} becomes required"):
        between(loose, strict)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (IntegerType(), LongType()),
        (IntegerType(), StringType()),
        (StructType(column(4, "x", LongType())), StructType(column(4, "x", LongType()), column(5, "y", LongType()))),
    ],
)
def test_the_keys_of_a_map_stay_as_they_are(before: IcebergType, after: IcebergType):
    with pytest.raises(FatalError, match=r"the keys of map scores can't be changed: column scores\.key"):
        between(with_scores(before), with_scores(after))


KEYED = Schema(
    column(1, "id", LongType(), required=True), column(2, "k", LongType(), required=True), identifier_field_ids=[1]
)


@pytest.mark.parametrize(("key", "told"), [("k", "is k in the contract"), ("", "is missing in the contract")])
def test_a_moved_or_missing_key_is_refused_by_the_columns_names(key: str, told: str):
    with pytest.raises(FatalError, match=f"the primary key {told} and id in the table; bring the contract back"):
        between(KEYED, KEYED, key=key, stored=1)


def test_a_key_column_may_be_renamed_under_its_id():
    wanted = Schema(column(1, "number", LongType(), required=True), column(2, "k", LongType(), required=True))
    found = between(KEYED, wanted, known={"number": 1}, key="number", stored=1)
    assert [found.schema.find_column_name(number) for number in found.schema.identifier_field_ids] == ["number"]


def test_a_name_that_moves_to_another_column_does_not_take_the_key_with_it():
    wanted = Schema(column(1, "k", LongType(), required=True), column(2, "id", LongType(), required=True))
    with pytest.raises(FatalError, match=r"the primary key is id in the contract and k \(so far id\) in the table"):
        between(KEYED, wanted, known={"k": 1, "id": 2}, key="id", stored=1)


def test_no_part_of_a_key_stays_when_a_column_of_it_becomes_optional():
    both = Schema(*KEYED.fields, identifier_field_ids=[1, 2])
    wanted = Schema(column(1, "id", LongType(), required=True), column(2, "k", LongType()))
    found = evolve(both, wanted, last_column_id=2, known={}, key=["k", "id"], stored_key=[1, 2], mode="additive")
    assert found.schema.identifier_field_ids == []


def test_strict_takes_no_new_column():
    with pytest.raises(FatalError, match="schema_evolution: additive"):
        grow(wanted(day=column(9, "day", DateType())), mode="strict")
