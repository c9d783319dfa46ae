"""Kills at random moments are counted by where they fell, and too few where it matters are told."""

from __future__ import annotations

import pytest

from tests.chaos.moments import PHASES, shares_missed


@pytest.mark.parametrize(
    ("kills", "missed"),
    [
        ([4, 20, 47, 384, 45], []),
        ([100, 150, 150, 50, 50], []),
        ([101, 150, 149, 50, 50], ["249 of 500 kills fell after the first staged file"]),
        ([100, 150, 151, 49, 50], ["49 of 500 kills fell publishing"]),
        ([500, 0, 0, 0, 0], ["0 of 500 kills fell after", "0 of 500 kills fell publishing"]),
    ],
)
def test_too_few_kills_after_the_first_staged_file_or_within_the_publish_are_told(
    kills: list[int], missed: list[str]
) -> None:
    told = shares_missed(dict(zip(PHASES, kills, strict=True)))
    assert len(told) == len(missed)
    assert all(line.startswith(beginning) for line, beginning in zip(told, missed, strict=True))
