"""A secret never leaves the process, however it is written."""

import base64
import itertools
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from dativo_engine.redaction import MASK, Redactor
from hypothesis import given
from hypothesis import strategies as st

SECRETS = st.text(min_size=4, max_size=40).filter(lambda text: len(text.strip()) >= 4)
ANYTHING = st.text(max_size=20)


@given(secret=SECRETS, before=ANYTHING, after=ANYTHING)
def test_a_secret_never_appears_whatever_stands_around_it(secret: str, before: str, after: str):
    redactor = Redactor(patterns=False)
    redactor.add([secret])
    if secret.strip() in before or secret.strip() in after:
        return
    assert secret.strip() not in redactor(before + secret + after)


@pytest.mark.parametrize("secret", ['p@ss w/rd+"x', "hunter2hunter2", "ünï-cödé", "back\\slash", "a'b\"c"])
@pytest.mark.parametrize(
    "encode",
    [
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: json.dumps(text)[1:-1],
        lambda text: repr(text)[1:-1],
    ],
)
def test_a_secret_is_masked_in_every_spelling(secret: str, encode: Callable[[str], str]):
    redactor = Redactor(patterns=False)
    redactor.add([secret])
    assert redactor(f"before {encode(secret)} after") == f"before {MASK} after"


@given(
    secret=st.binary(min_size=8, max_size=40).map(lambda data: data.hex()),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_base64_around_a_secret_gives_nothing_but_its_edges_away(secret: str, before: bytes, after: bytes):
    redactor = Redactor(patterns=False)
    redactor.add([secret])
    masked = redactor(base64.b64encode(before + secret.encode() + after).decode())
    assert MASK in masked
    left = masked.split(MASK)[0]
    whole = base64.b64encode(before + secret.encode() + after).decode()
    # At most the one character that holds bits of both is left over.
    assert len(left) <= -(-8 * len(before) // 6)
    assert whole.startswith(left)


@given(
    secret=st.binary(min_size=5, max_size=40).map(lambda data: data.hex()),
    cuts=st.lists(st.integers(1, 79), max_size=4),
    line_end=st.sampled_from(["\n", "\r\n", "\\n", "\\r\\n", "\r"]),
    before=ANYTHING,
    after=ANYTHING,
)
def test_a_secret_cut_by_line_ends_anywhere_is_masked(
    secret: str, cuts: list[int], line_end: str, before: str, after: str
):
    redactor = Redactor(patterns=False)
    redactor.add([secret])
    places = [0, *sorted({cut % len(secret) for cut in cuts} - {0}), len(secret)]
    written = line_end.join(secret[begin:end] for begin, end in itertools.pairwise(places))
    assert redactor(f"{before} {written} {after}") == f"{redactor(before)} {MASK} {redactor(after)}"


def test_a_secret_cut_by_a_line_end_is_masked():
    redactor = Redactor(patterns=False)
    redactor.add(["correct-horse-battery"])
    assert redactor("x correct-horse\n-battery y") == f"x {MASK} y"
    assert redactor("x correct-ho\\nrse-battery y") == f"x {MASK} y"


def test_each_line_of_a_key_file_is_masked_alone():
    redactor = Redactor(patterns=False)
    redactor.add(["-----BEGIN-----\nMIIEvgIBADANBg\nkqhkiG9w0BAQEF\n-----END-----"])
    assert redactor("bad line: kqhkiG9w0BAQEF") == f"bad line: {MASK}"


OUR_WORDS = (
    "the token bucket is empty",
    "source.credentials.api_key: the variable KEY is not set",
    "source.credentials.token: is needed and missing",
    "write ${VAR} or ${secret:NAME}",
)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://user:s3cr3t@host/db", f"postgres://user:{MASK}@host/db"),
        ("Authorization: Bearer abcdefgh12345678", f"Authorization: Bearer {MASK}"),
        ("password=hunter2 user=me", f"password={MASK} user=me"),
        ("key sk_live_abcdefgh12345 was refused", f"key {MASK} was refused"),
        ("AKIAABCDEFGHIJKLMNOP", MASK),
        ("source.credentials.api_key: hunter2 was refused", f"source.credentials.api_key: {MASK} was refused"),
        *((text, text) for text in OUR_WORDS),
    ],
)
def test_what_looks_like_a_secret_is_masked_unless_redaction_is_off(text: str, masked: str):
    assert Redactor()(text) == masked
    assert Redactor(patterns=False)(text) == text


def test_trees_are_masked_in_keys_and_values():
    redactor = Redactor()
    redactor.add(["hunter2"])
    tree = {"hunter2": ["a hunter2", 3, None, ValueError("hunter2")]}
    assert redactor.tree(tree) == {MASK: [f"a {MASK}", 3, None, MASK]}


def test_numbers_that_json_lacks_become_text():
    assert Redactor().tree([1.5, float("nan"), float("-inf")]) == [1.5, "nan", "-inf"]


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("postgresql://loader:Xy9/kQz7pw@db.example:5432/lake?sslmode=require", "Xy9/kQz7pw"),
        ("postgresql://loader:Xy9%2FkQz7pw@db.example/lake", "Xy9/kQz7pw"),
        ("postgresql+psycopg://loader:Xy9@kQz7pw@db.example/lake", "Xy9@kQz7pw"),
        ("https://user:pa?ss@host/x@y", "pa?ss"),
    ],
)
def test_the_password_in_an_address_is_a_secret_of_its_own(address: str, password: str):
    redactor = Redactor(patterns=False)
    redactor.add([address])
    assert redactor(f'password "{password}" is wrong') == f'password "{MASK}" is wrong'
