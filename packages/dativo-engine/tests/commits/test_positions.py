"""Rows of a data file that may meet a change, found by bisection where the file is in the order of its key."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from dativo_engine.commits.positions import met_by
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.lists(st.one_of(st.integers(-5, 40), st.integers(-(2**63), 2**63 - 1)), max_size=40)


def _met(keys: list[int], stored: list[int | None]) -> list[int]:
    """Positions of the stored keys that are left."""
    rows = pa.record_batch({"key": pa.array(stored, pa.int64()), "position": pa.array(range(len(stored)), pa.int64())})
    found = list(met_by(np.unique(np.array(keys, np.int64)), [rows]))
    return [position for batch in found for position in batch["position"].to_pylist()]


@given(keys=NUMBERS, stored=NUMBERS)
def test_of_rows_in_the_order_of_their_key_exactly_those_that_are_met_are_left(
    keys: list[int], stored: list[int]
) -> None:
    ordered = sorted(set(stored))
    assert _met(keys, list(ordered)) == [place for place, key in enumerate(ordered) if key in keys]


@given(keys=NUMBERS, stored=NUMBERS)
def test_of_rows_in_any_order_none_that_is_met_is_lost(keys: list[int], stored: list[int]) -> None:
    left = set(_met(keys, list(stored)))
    assert {place for place, key in enumerate(stored) if key in keys} <= left


def test_rows_without_a_key_are_left_as_they_are() -> None:
    assert _met([1], [1, None, 3]) == [0, 1, 2]
