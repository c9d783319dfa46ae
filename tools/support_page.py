"""Writes docs/support.md from a run of the conformance kit over everything that this repository ships."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from dativo_engine.testing import (
    CommitConformance,
    SourceConformance,
    StateConformance,
    WriterConformance,
    checks,
)
from dativo_engine.testing.capabilities import NOT_DECLARED
from dativo_engine.testing.type_cases import TYPE_CASES

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "support.md"
SUITE = REPOSITORY / "packages" / "dativo-engine" / "tests" / "conformance"
# In memory: commits wait for the disk more than for anything else.
QUICK_FOLDER = Path("/dev/shm")
# The classes of the suite, as the page calls them.
SUBJECTS: Mapping[str, Mapping[type, Mapping[str, str]]] = {
    "Sources": {
        SourceConformance: {
            "TestCsv": "csv",
            "TestHubSpot": "hubspot",
            "TestJsonl": "jsonl",
            "TestParquet": "parquet",
            "TestRest": "rest",
            "TestStripe": "stripe",
        }
    },
    "Writers": {WriterConformance: {"TestParquetWriter": "Parquet"}},
    "Catalogues": {
        CommitConformance: {
            "TestEmbeddedCatalogue": "embedded (SQLite)",
            "TestEmbeddedCatalogueWithTablesInS3": "embedded, tables in S3",
            "TestRestCatalogue": "Iceberg REST (SeaweedFS)",
            "TestSqlCatalogue": "PostgreSQL",
            "TestNessie": "Nessie",
        },
        StateConformance: {"TestMirror": "embedded (SQLite)"},
    },
}
# Ordered: of the cases of a check the last of these counts. What did not run is never shown as passed.
MARKS = {"passed": "✓", "undeclared": "-", "not run": "?", "failed": "✗"}

HEAD = """# What is supported

This page is made from a run of the [conformance kit](connector-spec.md): `tools/support_page.py` writes it.
✓ the check passed; - the connector does not declare the capability that the check is for.
"""

Outcome: TypeAlias = Literal["passed", "undeclared", "not run", "failed"]
Outcomes: TypeAlias = Mapping[tuple[str, str], Outcome]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: a check, and what came of it for each subject."""

    number: str
    says: str
    marks: Sequence[str]

    def __str__(self) -> str:
        return f"| {self.number} | {self.says} | {' | '.join(self.marks)} |"


def run_kit(*paths: Path, selected: str = "") -> dict[tuple[str, str], Outcome]:
    """What came of every check, by class and method; of one with several cases the worst."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            "-k",
            selected,
        ]
        done = subprocess.run([*command, *map(str, paths)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if not report.exists():
            raise RuntimeError(done.stdout + done.stderr)
        return collect(ET.parse(report).iter("testcase"))


def collect(cases: Iterable[ET.Element]) -> dict[tuple[str, str], Outcome]:
    """The outcomes in a JUnit report."""
    found: dict[tuple[str, str], Outcome] = {}
    for case in cases:
        key = case.get("classname", "").rpartition(".")[2], case.get("name", "").partition("[")[0]
        outcome: Outcome = "passed"
        if case.find("failure") is not None or case.find("error") is not None:
            outcome = "failed"
        elif (skipped := case.find("skipped")) is not None:
            # Any other reason is one of the machine, such as a server that it can't run.
            outcome = "undeclared" if skipped.get("message", "").endswith(NOT_DECLARED) else "not run"
        found[key] = max(outcome, found.get(key, outcome), key=list(MARKS).index)
    return found


def unproven(outcomes: Outcomes) -> list[str]:
    """The checks of the page that a run shows nothing good of, and whatever else failed in it."""
    wanted = [
        (name, check.name) for kits in SUBJECTS.values() for kit in kits for name in kits[kit] for check in checks(kit)
    ]
    failed = [key for key, outcome in outcomes.items() if outcome == "failed" and key not in wanted]
    return ["::".join(key) for key in (*wanted, *failed) if outcomes.get(key) not in ("passed", "undeclared")]


def page(outcomes: Outcomes) -> str:
    """The text of the page."""
    parts = [HEAD]
    for title, kits in SUBJECTS.items():
        names = list(dict.fromkeys(name for subjects in kits.values() for name in subjects.values()))
        parts.append(f"## {title}\n\n| | | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
        for kit, subjects in kits.items():
            classes = {name: found for found, name in subjects.items()}
            parts += [str(line) for line in lines(kit, [classes.get(name) for name in names], outcomes)]
        parts.append("")
    parts.append("## Types\n\nWhat the writer keeps, beside nulls, as W-01 to W-03 show.\n")
    parts.append("| Iceberg | from Arrow |\n|---|---|")
    parts += [f"| {case.name.partition(' from ')[0]} | `{case.arrow}` |" for case in TYPE_CASES]
    return "\n".join(parts) + "\n"


def lines(kit: type, classes: Sequence[str | None], outcomes: Outcomes) -> Iterator[Line]:
    """The rows of a kit's table; None: the kit is not for the subject in that column."""
    for check in checks(kit):
        says = check.name.removeprefix("test_").replace("_", " ")
        yield Line(check.must.number, says, [MARKS[outcomes[name, check.name]] if name else "" for name in classes])


def main() -> None:
    """Write the page, unless a check failed or could not run."""
    outcomes = run_kit(*(SUITE / f"test_{part}.py" for part in ("sources", "writer", "commits", "nessie_commits")))
    if unshown := unproven(outcomes):
        sys.exit("nothing is written, these failed or did not run:\n" + "\n".join(unshown))
    PAGE.write_text(page(outcomes), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
