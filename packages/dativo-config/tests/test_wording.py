"""How messages count, and say how long something takes."""

import pytest
from dativo_config.wording import counted, lasting


@pytest.mark.parametrize(("number", "told"), [(0, "0 rows"), (1, "1 row"), (2000, "2,000 rows")])
def test_a_number_comes_with_its_noun(number: int, told: str) -> None:
    assert counted(number, "row") == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.5, "0.5 s"), (59, "59 s"), (60, "1 min"), (90, "90 s"), (21600, "6 h"), (5400, "1 h 30 min"), (86400, "24 h")],
)
def test_a_time_is_told_in_units_that_it_is_a_whole_number_of(seconds: float, told: str) -> None:
    assert lasting(seconds) == told
