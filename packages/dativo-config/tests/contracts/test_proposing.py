"""Proposed contracts: what is proposed is what is read."""

from __future__ import annotations

from contract_texts import document, read_clean
from dativo_config.contracts import ProposedColumn, ProposedObject, propose
from dativo_config.contracts.standard import standard_complaints
from dativo_config.contracts.yaml_text import dump
from dativo_config.models.contract import JsonValue, PhysicalType, Property
from hypothesis import given, settings
from hypothesis import strategies as st

PLAIN = [
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "string",
    "uuid",
    "binary",
]

names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
decimals = st.integers(1, 38).flatmap(
    lambda digits: st.integers(0, digits).map(lambda scale: PhysicalType("decimal", precision=digits, scale=scale))
)
plain_types = st.one_of(
    st.sampled_from(PLAIN).map(PhysicalType),
    decimals,
    st.integers(1, 99).map(lambda n: PhysicalType("fixed", length=n)),
)
plain_columns = st.builds(ProposedColumn, names, plain_types, required=st.booleans())


def nested(inner: st.SearchStrategy[ProposedColumn]) -> st.SearchStrategy[ProposedColumn]:
    fields = st.lists(inner, min_size=1, max_size=3, unique_by=lambda column: column.name.lower()).map(tuple)
    return st.one_of(
        st.builds(ProposedColumn, names, st.just(PhysicalType("struct")), parts=fields),
        st.builds(ProposedColumn, names, st.just(PhysicalType("list")), parts=st.tuples(inner)),
        st.builds(ProposedColumn, names, st.just(PhysicalType("map")), parts=st.tuples(plain_columns, inner)),
    )


columns = st.recursive(plain_columns, nested, max_leaves=4)


def same(proposed: ProposedColumn, found: Property | None) -> bool:
    if found is None or found.physical_type != proposed.type:
        return False
    match proposed.type.name:
        case "struct":
            return all(same(*pair) for pair in zip(proposed.parts, found.properties, strict=True))
        case "list":
            return same(proposed.parts[0], found.items)
        case "map":
            return same(proposed.parts[0], found.key) and same(proposed.parts[1], found.items)
        case _:
            return True


@settings(max_examples=150, deadline=None)
@given(st.lists(columns, min_size=1, max_size=5, unique_by=lambda column: column.name.lower()))
def test_every_proposed_column_is_read_back_with_its_type(proposed: list[ProposedColumn]) -> None:
    text = propose("things", [ProposedObject("things", tuple(proposed))], owner="team")
    assert standard_complaints(document(text).value) == []
    found = read_clean(text).objects[0].properties
    assert [column.name for column in found] == [column.name for column in proposed]
    assert [column.required for column in found] == [column.required for column in proposed]
    assert all(same(*pair) for pair in zip(proposed, found, strict=True))


def test_keys_tables_and_formats_are_proposed() -> None:
    columns = (
        ProposedColumn("b", PhysicalType("string"), primary_key=True),
        ProposedColumn("a", PhysicalType("long"), primary_key=True),
        ProposedColumn("day", PhysicalType("date"), date_format="dd.MM.yyyy", description="The day"),
    )
    text = propose(
        "x", [ProposedObject("x", columns, table="x_table", description="Some")], comment="Made from x.csv\nCheck it"
    )
    assert text.startswith("# Made from x.csv\n# Check it\napiVersion: ")
    (found,) = read_clean(text).objects
    assert (found.table, found.primary_key, found.description) == ("x_table", ("b", "a"), "Some")
    assert found.properties[2].limits.format == "dd.MM.yyyy"


values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
TRICKY = [
    "1e5",
    "0o10",
    "010",
    "no",
    "null",
    "~",
    "12:30",
    "2024-01-01",
    "0x1F",
    ".inf",
    "- a",
    "a: b",
    "#",
    "",
    " ",
    "1_0",
    "<<",
]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(names, values | st.sampled_from(TRICKY), min_size=1, max_size=4))
def test_what_is_written_as_yaml_is_read_as_the_same_values(value: dict[str, JsonValue]) -> None:
    assert document(dump(value)).value == value
