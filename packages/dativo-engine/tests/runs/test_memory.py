"""The memory limit is read as people write it, and shared out."""

from pathlib import Path

import pytest
from dativo_engine.errors import FatalError
from dativo_engine.memory import MEBIBYTE, SMALLEST_LIMIT, budget, container_share, parse_size


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


V2 = ("memory.max", "memory.stat", "anon {used}\nfile 900000000\nshmem 0\nslab_unreclaimable 0\n")
V1 = ("memory/memory.limit_in_bytes", "memory/memory.stat", "cache 900000000\ntotal_rss {used}\n")


def container(root: Path, files: tuple[str, str, str], *, limit: str, used: int) -> Path:
    """What a container's cgroup tells."""
    for name, text in ((files[0], limit), (files[1], files[2].format(used=used))):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize("files", [V2, V1], ids=["v2", "v1"])
@pytest.mark.parametrize(
    ("limit", "others", "share"),
    [
        (1000, 0, 700),  # alone: seven tenths, as ever
        (2000, 656, 1344),  # beside the service: what it leaves
        (4000, 656, 2800),
        (1000, 656, SMALLEST_LIMIT // MEBIBYTE),  # never less than anything can run in
    ],
)
def test_a_run_takes_what_a_container_has_left(
    tmp_path: Path, files: tuple[str, str, str], limit: int, others: int, share: int
):
    own = 150 * MEBIBYTE
    cgroup = container(tmp_path, files, limit=str(limit * MEBIBYTE), used=others * MEBIBYTE + own)
    assert container_share(cgroup, own=own) == share * MEBIBYTE


def test_without_a_limit_there_is_nothing_to_share(tmp_path: Path):
    assert container_share(tmp_path, own=0) is None
    assert container_share(container(tmp_path, V2, limit="max", used=0), own=0) is None
