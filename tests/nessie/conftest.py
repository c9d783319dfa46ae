"""Makes `lake` importable, gives each test tenants of its own, and reports what was done to their runs."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lake import Lake

from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server


@pytest.fixture
def lake(tmp_path: Path, nessie: NessieServer, s3: S3Server) -> Lake:
    """A project whose jobs write to Nessie and S3."""
    return Lake(tmp_path / "project", nessie.uri, nessie.bucket, s3)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests noted with `record_property`: faults and how many runs they failed, kills, and counts."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "fault":
                fault, server, failed = str(value).split("|")
                counts[f"fault `{fault}` at requests to {server}"] += 1
                counts[f"fault `{fault}` at requests to {server}, of which failed a run"] += int(failed)
            elif name == "kill":
                whose, _, moment = str(value).partition("|")
                counts[f"kills of {whose} {moment}"] += 1
            elif name == "counted":
                what, _, count = str(value).partition("|")
                counts[what] += int(count)
    if not counts:
        return
    lines = [f"- {what}: {count}" for what, count in sorted(counts.items())]
    terminalreporter.section("what was shown on Nessie")
    terminalreporter.write_line("\n".join(lines))
    if folder := os.environ.get("DATIVO_CHAOS_REPORTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "nessie.md").write_text("\n".join(lines) + "\n")
