"""What the cells of a CSV file become: the contract's types, or text for the enforcer."""

import datetime as dt
from decimal import Decimal

import pytest
from dativo_config.models.contract import Limits, PhysicalType, Property
from source_support import Read, contract


def test_cells_get_the_types_of_the_contract(csv: Read) -> None:
    schema = contract(
        id="long",
        n="int",
        price="decimal(10, 2)",
        rate="double",
        paid="boolean",
        day="date",
        at="timestamp",
        z="timestamptz",
    )
    text = (
        "id,n,price,rate,paid,day,at,z\n1,2,3.50,0.25,true,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00+02:00\n"
    )

    (row,) = csv(text, schema).rows

    assert row == {
        "id": 1,
        "n": 2,
        "price": Decimal("3.50"),
        "rate": 0.25,
        "paid": True,
        "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 10),  # noqa: DTZ001 the column has no zone
        "z": dt.datetime(2024, 2, 29, 8, tzinfo=dt.UTC),
    }


def test_columns_keep_the_names_of_the_file_and_columns_that_the_contract_lacks_are_text(csv: Read) -> None:
    loaded = csv("b,extra,a\n1,007,2\n", contract(a="long", b="long"))
    assert loaded.rows == [{"b": 1, "extra": "007", "a": 2}]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", "5", "3000000000"),
        ("long", "5", "5x"),
        ("decimal(6, 2)", "5.25", "5.255"),
        ("decimal(6, 2)", "5.25", "123456.00"),
        ("double", "5.5", "1e400"),
        ("boolean", "true", "maybe"),
        ("date", "2024-02-29", "2024-02-30"),
        ("timestamp", "2024-02-29 10:00:00", "yesterday"),
        ("timestamptz", "2024-02-29 10:00:00Z", "yesterday"),
        ("time", "10:00:00", "25:00:00"),
    ],
)
def test_a_cell_that_does_not_convert_makes_text_of_its_column_only(csv: Read, kind: str, good: str, bad: str) -> None:
    loaded = csv(f"id,v\n1,{good}\n2,{bad}\n3,{good}\n", contract(id="long", v=kind))
    assert loaded.rows == [{"id": 1, "v": good}, {"id": 2, "v": bad}, {"id": 3, "v": good}]
    assert not loaded.malformed


def test_after_a_bad_cell_later_blocks_are_typed_again(csv: Read) -> None:
    lines = ["id,v", *(f"{n},{'oops' if n == 3 else n}" for n in range(60_000))]
    loaded = csv("\n".join(lines), contract(id="long", v="long"), memory=1 << 20)
    assert loaded.types("v")[0] == "string"
    assert loaded.types("v")[-1] == "int64"
    assert loaded.column("id") == list(range(60_000))
    assert [str(value) for value in loaded.column("v")][:5] == ["0", "1", "2", "oops", "4"]


def test_times_without_zone_in_a_zoned_column_are_left_to_the_contracts_time_zone(csv: Read) -> None:
    loaded = csv("z\n2024-02-29 10:00:00\n", contract(z="timestamptz"))
    assert loaded.types("z") == ["timestamp[us]"]


def test_a_column_with_a_pattern_in_the_contract_is_text(csv: Read) -> None:
    day = Property("day", "day", "date", PhysicalType("date"), limits=Limits(format="dd/MM/yyyy"))
    assert csv("day\n29/02/2024\n", contract(day=day)).rows == [{"day": "29/02/2024"}]


def test_an_empty_cell_is_null_and_a_quoted_one_is_empty_text(csv: Read) -> None:
    loaded = csv('a,b,n\n,"",\nx,y,""\n', contract(a="string", b="string", n="long"))
    assert loaded.rows[0] == {"a": None, "b": "", "n": None}
    assert loaded.rows[1] == {"a": "x", "b": "y", "n": None}


def test_null_spellings_are_null_where_they_are_not_quoted(csv: Read) -> None:
    loaded = csv('a,n\nNA,NA\n"NA",3\n', contract(a="string", n="long"), null_values=["NA"])
    assert loaded.rows == [{"a": None, "n": None}, {"a": "NA", "n": 3}]


def test_quoted_null_spellings_can_be_null_too(csv: Read) -> None:
    loaded = csv('a,n\n"NA",3\n', contract(a="string", n="long"), null_values=["NA"], quoted_nulls=True)
    assert loaded.column("a") == [None]


def test_a_decimal_comma(csv: Read) -> None:
    loaded = csv('a;b\n1,5;"2,25"\n', contract(a="double", b="decimal(5, 2)"), delimiter=";", decimal_point=",")
    assert loaded.rows == [{"a": 1.5, "b": Decimal("2.25")}]


def test_where_the_comma_is_the_decimal_point_a_point_is_no_number(csv: Read) -> None:
    loaded = csv("a\n1,5\n1.500\n", contract(a="decimal(9, 3)"), delimiter=";", decimal_point=",")
    assert loaded.column("a") == ["1.5", "'1.500'"]


def test_custom_date_formats_are_read_and_what_fits_none_stays_as_it_is(csv: Read) -> None:
    schema = contract(day="date", at="timestamp")
    formats = {"date_formats": ["%d.%m.%Y"], "timestamp_formats": ["%d.%m.%Y %H:%M"]}
    all_fit = csv("day,at\n29.02.2024,29.02.2024 10:30\n", schema, **formats)
    some_fit = csv("day,at\n29.02.2024,29.02.2024 10:30\n2024-03-01,soon\n", schema, **formats)
    assert all_fit.rows == [{"day": dt.date(2024, 2, 29), "at": dt.datetime(2024, 2, 29, 10, 30)}]  # noqa: DTZ001
    assert some_fit.column("day") == ["2024-02-29", "2024-03-01"]
    assert str(some_fit.column("at")[0]).startswith("2024-02-29 10:30:00")
    assert some_fit.column("at")[1] == "soon"


def test_custom_spellings_of_true_and_false(csv: Read) -> None:
    spellings = {"true_values": ["ja"], "false_values": ["nein"]}
    assert csv("a\nja\nnein\n", contract(a="boolean"), **spellings).column("a") == [True, False]
    assert csv("a\nja\nnein\nx\n", contract(a="boolean"), **spellings).column("a") == ["true", "false", "x"]


def test_trim_drops_blanks_around_text_and_names(csv: Read) -> None:
    loaded = csv(" a , n \n x , 1 \n   , 2\n", contract(a="string", n="long"), trim=True)
    assert loaded.rows == [{"a": "x", "n": 1}, {"a": None, "n": 2}]


def test_without_trim_blanks_belong_to_text(csv: Read) -> None:
    assert csv("a,n\n x , 1 \n", contract(a="string", n="long")).rows == [{"a": " x ", "n": 1}]


@pytest.mark.parametrize("cell", ["0x1F", "007", " 7 "])
def test_a_number_is_read_the_same_beside_a_bad_one(csv: Read, cell: str) -> None:
    alone = csv(f"a\n{cell}\n", contract(a="long")).column("a")
    beside = csv(f"a\n{cell}\nx\n", contract(a="long")).column("a")
    assert int(str(beside[0])) == alone[0]


def test_zero_bytes_stay_in_text(csv: Read) -> None:
    assert csv(b"a,n\nx\x00y,1\n", contract(a="string", n="long")).rows == [{"a": "x\x00y", "n": 1}]


def test_text_that_is_no_number_of_the_same_file_may_be_infinite_by_name(csv: Read) -> None:
    assert csv("a\ninf\n1.5\n", contract(a="double")).column("a") == ["inf", "1.5"]
