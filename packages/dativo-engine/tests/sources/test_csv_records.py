"""How a CSV file falls into records, at any block size, and what becomes of records that are none."""

import csv as python_csv
import io
import os
import tempfile
from typing import Literal, TypeAlias

import pytest
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Malformed
from dativo_engine.sources.csv.records import CsvReader
from dativo_engine.sources.csv.spec import CsvOptions
from dativo_engine.sources.files.file import File
from dativo_engine.sources.files.opened import Opened
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from source_support import Read, contract

Rows: TypeAlias = list[tuple[str | None, ...]]
Records: TypeAlias = tuple[Rows, list[Malformed], list[int]]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufdd0"), max_size=30) | st.text(
    '",;\n\r\\ab', max_size=12
)


def read_text(
    text: bytes, columns: int, block_bytes: int, options: CsvOptions
) -> tuple[Rows, list[Malformed], list[int]]:
    """Rows, malformed records and their numbers of a file that is read in small blocks."""
    names = [f"c{number}" for number in range(columns)]
    schema = SchemaObject("t", "t", tuple(Property(n, n, "string", PhysicalType("string")) for n in names))
    opened = Opened(File("f", "f", len(text), 1), io.FileIO(_temporary(text)), "none")
    with opened:
        reader = CsvReader(opened, stream="t", options=options, schema=schema, block_bytes=block_bytes)
        batches = list(reader.batches())
    rows = [tuple(row.values()) for batch in batches for row in batch.records.to_pylist()]
    numbers = [batch.position.row(i) for batch in batches for i in range(batch.records.num_rows)]
    return rows, [record for batch in batches for record in batch.malformed], numbers


def _temporary(text: bytes) -> int:
    """The descriptor of a file that is gone when it is closed."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.seek(0)
        return os.dup(file.fileno())


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=20),
    block_bytes=st.integers(8, 200),
    quoting=st.sampled_from([python_csv.QUOTE_MINIMAL, python_csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    last_line_end=st.booleans(),
)
def test_what_pythons_csv_module_writes_reads_back_equal_at_any_block_size(
    rows: list[tuple[str, str, str]],
    block_bytes: int,
    quoting: Literal[0, 1],
    line_end: str,
    delimiter: str,
    last_line_end: bool,
) -> None:
    if line_end != "\r\n":
        quoting = python_csv.QUOTE_ALL  # the module leaves the other line break unquoted
    written = io.StringIO()
    python_csv.writer(written, quoting=quoting, lineterminator=line_end, delimiter=delimiter).writerows(rows)
    text = written.getvalue()
    if not last_line_end:
        text = text.removesuffix(line_end)
    options = CsvOptions(header=False, null_values=[], delimiter=delimiter)

    read, malformed, numbers = read_text(text.encode(), 3, block_bytes, options)

    assert malformed == []
    assert read == rows
    assert numbers == list(range(1, len(rows) + 1))


@settings(max_examples=100, deadline=None)
@given(
    cells=st.lists(st.tuples(TEXT, TEXT), max_size=15),
    block_bytes=st.integers(8, 100),
)
def test_escaped_text_reads_back_equal_at_any_block_size(cells: list[tuple[str, str]], block_bytes: int) -> None:
    written = io.StringIO()
    python_csv.writer(written, escapechar="\\", doublequote=False, quoting=python_csv.QUOTE_ALL).writerows(cells)
    options = CsvOptions(header=False, null_values=[], escape="\\")
    read, malformed, _ = read_text(written.getvalue().encode(), 2, block_bytes, options)
    assert (read, malformed) == (cells, [])


@settings(max_examples=200, deadline=None)
@given(text=st.text('",\nab5', max_size=120), block_bytes=st.integers(4, 60))
def test_any_text_gives_the_same_records_at_any_block_size(text: str, block_bytes: int) -> None:
    """Stray and unbalanced quotes included."""
    options = CsvOptions(header=False)
    whole = read_text(text.encode(), 2, 1 << 20, options)
    assert read_text(text.encode(), 2, block_bytes, options) == whole


@settings(max_examples=100, deadline=None)
@given(
    records=st.lists(st.lists(st.sampled_from(["a", "b c", "7"]), min_size=1, max_size=4), max_size=30),
    block_bytes=st.integers(8, 80),
)
def test_every_record_is_a_row_or_malformed_and_keeps_its_number(records: list[list[str]], block_bytes: int) -> None:
    text = "".join(",".join(record) + "\n" for record in records)
    rows, malformed, numbers = read_text(text.encode(), 2, block_bytes, CsvOptions(header=False))
    assert sorted([*numbers, *(record.row for record in malformed)]) == list(range(1, len(records) + 1))
    assert [record.line for record in malformed] == [record.row for record in malformed]
    assert [tuple(records[number - 1]) for number in numbers] == rows


def test_a_record_with_too_few_or_too_many_cells_keeps_its_line_and_text(csv: Read) -> None:
    loaded = csv('a,b\n1,2\n3\n"x\ny",5\n6,7,8\n9,10\n', contract(a="string", b="string"))
    assert loaded.column("b") == ["2", "5", "10"]
    assert [(m.line, m.row, m.raw) for m in loaded.malformed] == [(3, 2, "3"), (6, 4, "6,7,8")]
    assert loaded.malformed[0].reason == "1 cells, expected 2"
    assert loaded.numbers() == [1, 3, 5]


def test_short_records_can_be_filled_with_nulls_in_their_places(csv: Read) -> None:
    loaded = csv("a,b,c\n1,2,3\n4\n5,6\n7,8,9,10\n11,12,13", contract(a="long", b="long", c="string"), ragged="fill")
    assert [tuple(row.values()) for row in loaded.rows] == [(1, 2, "3"), (4, None, None), (5, 6, None), (11, 12, "13")]
    assert loaded.numbers() == [1, 2, 3, 5]
    assert [m.row for m in loaded.malformed] == [4]


def test_a_quote_that_is_never_closed_costs_its_line_and_no_other(csv: Read) -> None:
    loaded = csv('a,b\n1,x\n2,"open\n3,y\n4,z\n', contract(a="long", b="string"))
    assert loaded.column("a") == [1, 3, 4]
    assert [(m.line, m.row, m.raw) for m in loaded.malformed] == [(3, 2, '2,"open')]


def test_a_record_larger_than_a_block_is_read(csv: Read) -> None:
    cell = 'x\n"' * 200_000
    text = io.StringIO()
    python_csv.writer(text).writerows([("a", "b"), (1, cell), (2, "y")])
    loaded = csv(text.getvalue(), contract(a="long", b="string"), memory=16 << 20)
    assert loaded.column("b") == [cell, "y"]


def test_a_record_larger_than_memory_allows_is_malformed_and_the_next_is_read(csv: Read) -> None:
    loaded = csv("a,b\n1," + "x" * 3_000_000 + "\n2,y\n", contract(a="long", b="string"), memory=1 << 20)
    assert loaded.rows[-1] == {"a": 2, "b": "y"}
    assert loaded.malformed
    assert all(len(m.raw) <= 64 * 1024 for m in loaded.malformed)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_encodings(csv: Read, encoding: str) -> None:
    loaded = csv("näme,n\nÄrger,1\n".encode(encoding), contract(näme="string", n="long"), encoding=encoding)
    assert loaded.rows == [{"näme": "Ärger", "n": 1}]


def test_a_byte_order_mark_is_no_part_of_the_first_name(csv: Read) -> None:
    assert csv(b"\xef\xbb\xbfa\n1\n", contract(a="long")).rows == [{"a": 1}]


def test_bytes_that_are_no_text_cost_their_row_only(csv: Read) -> None:
    loaded = csv(b"a,b\n1,ok\n2,caf\xe9\n3,fine\n\xff,x\n", contract(a="long", b="string"))
    assert loaded.numbers() == [1, 3]
    assert [(m.row, m.raw) for m in loaded.malformed] == [(2, "2,caf\\xe9"), (4, "\\xff,x")]
    assert "source.options.encoding" in loaded.malformed[0].reason


def test_bytes_that_are_no_text_in_a_record_that_is_none(csv: Read) -> None:
    loaded = csv(b"a,b\n1,ok\n2,caf\xe9,4\n3,fine\n", contract(a="long", b="string"))
    assert loaded.numbers() == [1, 3]
    assert [m.row for m in loaded.malformed] == [2]


def test_skipped_lines_names_and_no_header(csv: Read) -> None:
    schema = contract(a="long", b="string")
    assert csv("made by x\n\na,b\n1,x\n", schema, skip_rows=2).rows == [{"a": 1, "b": "x"}]
    assert csv("A,B\n1,x\n", schema, names=["a", "b"]).rows == [{"a": 1, "b": "x"}]
    assert csv("1,x\n", schema, header=False).rows == [{"a": 1, "b": "x"}]
    assert csv("1,x\n", schema, header=False, names=["p", "q"]).rows == [{"p": "1", "q": "x"}]


def test_other_delimiters_quotes_and_no_quotes(csv: Read) -> None:
    schema = contract(a="string", b="string")
    assert csv("a|b\n'x|y'|z\n", schema, delimiter="|", quote="'").rows == [{"a": "x|y", "b": "z"}]
    assert csv('a,b\n"x,y"\n', schema, quote=None).rows == [{"a": '"x', "b": 'y"'}]
    assert csv('a\tb\n5" pipe\t"q"\n', schema, delimiter="\t").rows == [{"a": '5" pipe', "b": "q"}]


def test_a_header_over_several_lines(csv: Read) -> None:
    assert csv('"first\nname",b\n1,2\n').rows == [{"first\nname": "1", "b": "2"}]


def test_a_column_without_name_gets_a_number(csv: Read) -> None:
    assert csv(",b\n1,2\n").rows == [{"column_1": "1", "b": "2"}]


def test_a_name_that_stands_twice_is_refused(csv: Read) -> None:
    with pytest.raises(FatalError, match=r"data/file.csv: the header names 'a' more than once"):
        csv("a,a\n1,2\n")


def test_empty_files_and_files_with_only_a_header_have_no_rows(csv: Read) -> None:
    assert csv("", contract(a="long")).rows == []
    assert csv("a\n", contract(a="long")).rows == []
    assert csv("\n\n", contract(a="long")).rows == []


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        CsvOptions(delimiter='"')
    with pytest.raises(ValidationError):
        CsvOptions(delimiter="::")


def test_bytes_read_add_up_to_the_file(csv: Read) -> None:
    text = "a\n" + "1\n" * 200_000
    loaded = csv(text, contract(a="long"), memory=1 << 20)
    assert sum(batch.bytes_read for batch in loaded.batches) == len(text)
    assert len(loaded.batches) > 3
