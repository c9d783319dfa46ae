"""The memory limit is read as people write it, and shared out."""

import pytest
from dativo_engine.errors import FatalError
from dativo_engine.memory import MEBIBYTE, budget, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 * 2**20), ("1GiB", 2**30), ("1g", 2**30), ("800000000", 800_000_000), ("1.5 GB", 1.5 * 2**30)],
)
def test_sizes(text: str, size: float):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1g", "1 x"])
def test_nonsense_is_a_fatal_error_that_names_the_setting(text: str):
    with pytest.raises(FatalError, match="DATIVO_MEMORY_LIMIT"):
        budget({"DATIVO_MEMORY_LIMIT": text or "?"})


def test_a_limit_too_small_to_run_in_is_said_at_once():
    with pytest.raises(FatalError, match="at least"):
        budget({"DATIVO_MEMORY_LIMIT": "100m"})


def test_the_shares_stay_below_the_limit():
    shares = budget({"DATIVO_MEMORY_LIMIT": "512m"})
    assert 0 < shares.source + shares.keys + shares.writers < shares.limit == 512 * MEBIBYTE
