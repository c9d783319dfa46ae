"""The page on what happens in a run names every event that a run may tell, in the order in which they come."""

from __future__ import annotations

import re

from tests.docs.documents import REPOSITORY

PAGE = REPOSITORY / "docs" / "INGESTION_EXECUTION.md"
TOLD = re.compile(r"""emit\(\s*"([a-z_]+)\"""")
# What a run with a rejected row tells; packages/dativo-engine/tests/runs/test_run_events.py runs one.
ALWAYS = [
    "job_started",
    "tenant_inferred",
    "secrets_loaded",
    "infra_validated",
    "extractor_initialized",
    "validator_initialized",
    "writer_initialized",
    "committer_initialized",
    "batch_written",
    "validation_errors",
    "table_ensured",
    "commit_success",
    "metrics_complete",
    "job_finished",
    "job_error",
]


def test_every_event_of_the_engine_is_on_the_page() -> None:
    engine = REPOSITORY / "packages" / "dativo-engine" / "src"
    told = {name for file in engine.rglob("*.py") for name in TOLD.findall(file.read_text())}
    assert told >= set(ALWAYS)
    assert {name for name in told if f"`{name}`" not in PAGE.read_text()} == set()


def test_the_page_has_the_events_of_a_run_in_their_order() -> None:
    table = PAGE.read_text().partition("| event | when | its own fields |")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert re.findall(r"`([a-z_]+)`", " ".join(first)) == ALWAYS
