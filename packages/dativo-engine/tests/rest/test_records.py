"""Whatever JSON an API writes, pretty or not: no record, no text and no digit is lost on the way to Arrow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from dativo_engine.errors import MalformedAnswerError
from dativo_engine.jsonrows.reader import JsonReader
from dativo_engine.rest import Answer, blocks, page_reader
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("DATIVO_EXAMPLES", "40"))
SCHEMA = SchemaObject(
    "rows",
    "rows",
    (
        Property("id", "id", "integer", PhysicalType("long")),
        Property("text", "text", "string", PhysicalType("string")),
        Property("amount", "amount", "number", PhysicalType("decimal", 38, 12)),
    ),
)
NUMBERS = st.decimals(-(10**20), 10**20, places=9, allow_nan=False, allow_infinity=False).map(lambda it: f"{it:f}")
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def records(draw: st.DrawFn) -> Sequence[tuple[Mapping[str, object], str]]:
    """Records, and the number that stands for `<amount>` in the text of each."""
    fields = st.fixed_dictionaries({}, optional={"id": st.integers(-(2**63), 2**63 - 1), "text": ANY, "more": ANY})
    return draw(st.lists(st.tuples(fields, NUMBERS), max_size=300 if draw(st.booleans()) else 8))


def written(value: object, *, indent: int | None) -> str | None:
    """A value in a text column: text as it is, anything else as JSON on one line; null stays null."""
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if indent is not None else text


@settings(deadline=None, max_examples=EXAMPLES)
@given(rows=records(), indent=st.sampled_from([None, 2]), pages=st.integers(1, 3))
def test_every_record_arrives_as_it_is_written(
    rows: Sequence[tuple[Mapping[str, object], str]], indent: int | None, pages: int
) -> None:
    texts = [
        json.dumps({"amount": "<amount>", **fields}, indent=indent, ensure_ascii=False).replace('"<amount>"', number, 1)
        for fields, number in rows
    ]
    size = len(texts) // pages + 1
    read = page_reader("data")
    newline = "" if indent is None else "\n"
    bodies = [
        f'{{"data": [{newline}{",".join(texts[at : at + size])}{newline}]}}'.encode()
        for at in range(0, max(len(texts), 1), size)
    ]
    found = [read(Answer("GET x", 200, {}, body)) for body in bodies]
    batches = list(JsonReader("x", "rows", SCHEMA).batches(blocks(found, block_bytes=1 << 20, block_records=50)))

    assert not [bad for batch in batches for bad in batch.malformed]
    arrived = [row for batch in batches for row in batch.records.to_pylist()]
    assert [row["text"] for row in arrived] == [written(fields.get("text"), indent=indent) for fields, _ in rows]
    assert [row["id"] if row["id"] is None else int(row["id"]) for row in arrived] == [it.get("id") for it, _ in rows]
    assert [Decimal(row["amount"]) for row in arrived] == [Decimal(number) for _, number in rows]
    assert [batch.position.row(at) for batch in batches for at in range(batch.records.num_rows)] == [
        *range(1, len(rows) + 1)
    ]


@pytest.mark.parametrize("body", [b'{"data": {}}', b'{"data": "x"}', b"[]", b'{"data": [1,}'])
def test_what_is_no_list_is_told(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError, match=r"^GET x: "):
        page_reader("data")(Answer("GET x", 200, {}, body))


def test_null_is_a_list_without_records() -> None:
    assert page_reader("data")(Answer("GET x", 200, {}, b'{"data": null}')).records == ()
