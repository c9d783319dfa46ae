"""The reference page says what the models say."""

from __future__ import annotations

import runpy
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_committed_page_is_current() -> None:
    tool = runpy.run_path(str(PROJECT / "tools" / "config_reference.py"))
    page = (PROJECT / "docs" / "CONFIG_REFERENCE.md").read_text(encoding="utf-8")
    assert page == tool["reference"](), "run tools/config_reference.py"
