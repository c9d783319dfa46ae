"""The reference page says what the models say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_committed_page_is_current() -> None:
    tool = runpy.run_path(str(PROJECT / "tools" / "config_reference.py"))
    page = (PROJECT / "docs" / "CONFIG_REFERENCE.md").read_text(encoding="utf-8")
    assert page == tool["reference"](), "run python -m tools.config_reference"


# Set by dativo for its own processes, by Python, or for tests only.
NOT_FOR_PEOPLE = {"DATIVO_HELD_FILES", "DATIVO_SERVICE_LOCK", "DATIVO_TEST_KILL_AT", "PYTHONDONTWRITEBYTECODE"}
READ = re.compile(r"""(?:environ(?:ment)?(?:\.get\(|\[)|envvar=)"([A-Z][A-Z_]+)"|"(DATIVO_[A-Z_]+[A-Z])\"""")


def test_every_variable_that_is_read_is_on_the_page() -> None:
    page = (PROJECT / "docs" / "CONFIG_REFERENCE.md").read_text(encoding="utf-8")
    sources = (file.read_text() for file in PROJECT.glob("packages/*/src/**/*.py"))
    read = {name for text in sources for pair in READ.findall(text) for name in pair if name}
    assert read >= {"STATE_DIR", "DATIVO_MEMORY_LIMIT", "DATIVO_SECRET_MANAGER"}
    assert {name for name in read - NOT_FOR_PEOPLE if f"`{name}`" not in page} == set()
    assert {"`STRIPE_API_KEY`", "`HUBSPOT_API_KEY`", "`NESSIE_URI`", "`MINIO_ACCESS_KEY`"} <= set(
        re.findall("`[A-Z_0-9]+`", page)
    )
