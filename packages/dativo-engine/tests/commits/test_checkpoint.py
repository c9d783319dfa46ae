"""A checkpoint comes back as it was saved, or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from dativo_config.models.resolved import TableName
from dativo_engine.commits.checkpoint import FILE, Checkpoint, Checkpoints, LaneState
from dativo_engine.interfaces import Cursor, StagedFile
from dativo_engine.results import Tally

STAGED = StagedFile(TableName(("acme",), "orders"), "file:///orders/a.parquet", 5, 10, 0, lower_bounds={1: b"abc"})
LANE = LaneState((STAGED,), (), {"sums": [1, 2, 3]}, 0, Cursor({"at": 1}))
CHECKPOINT = Checkpoint("key", "r1", {"orders": LANE}, {"split": "identity"}, None, Tally(rows_read=5))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Checkpoints(tmp_path).save(CHECKPOINT)
    return tmp_path / FILE


def test_it_comes_back_as_it_was_saved(saved: Path):
    assert Checkpoints(saved.parent).load() == CHECKPOINT


def test_it_does_not_come_back_if_a_byte_was_changed(saved: Path):
    content = saved.read_bytes()
    for place in range(len(content)):
        for flipped in (0x01, 0x80, 0xFF):
            saved.write_bytes(content[:place] + bytes([content[place] ^ flipped]) + content[place + 1 :])
            assert Checkpoints(saved.parent).load() is None, (place, flipped)


def test_it_does_not_come_back_if_a_part_is_missing(saved: Path):
    content = saved.read_bytes()
    for size in range(len(content)):
        saved.write_bytes(content[:size])
        assert Checkpoints(saved.parent).load() is None, size


def test_one_without_a_checksum_is_of_another_version(saved: Path):
    saved.write_bytes(pickle.dumps(CHECKPOINT))
    assert Checkpoints(saved.parent).load() is None
