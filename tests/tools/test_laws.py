"""A law that ran on fewer examples than asked for fails, and so does a long form that left one out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.laws import LAWS

REPOSITORY = Path(__file__).parent.parent.parent
LAW = """
from hypothesis import given, strategies as st
from tests.laws import law

@law({law!r}, short=9)
@given(st.{strategy}())
def test_law_{number}(value):
    assert value == value
"""


def run(folder: Path, laws: Mapping[str, str], **environment: str) -> tuple[int, str]:
    """The exit code and output of a suite with a test for each of these laws, fed by the strategy beside it."""
    suite = folder / "test_suite.py"
    suite.write_text(
        "".join(LAW.format(law=law, strategy=strategy, number=at) for at, (law, strategy) in enumerate(laws.items()))
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.laws", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", str(suite)],
        cwd=REPOSITORY,
        env={**os.environ, "DATIVO_EXAMPLES": "0", "DATIVO_LAW_REPORTS": "", "PYTHONPATH": ".", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_law_that_ran_on_fewer_examples_than_asked_fails(tmp_path: Path) -> None:
    code, told = run(tmp_path, {LAWS[0]: "integers", LAWS[1]: "booleans"})
    assert code == 1
    assert f"{LAWS[1]}: ran on 2 examples of the 9 asked for" in told
    assert f"{LAWS[0]}: 9 examples" in told
    assert "1 failed, 1 passed" in told


def test_the_long_form_reports_what_ran_and_fails_where_a_law_was_left_out(tmp_path: Path) -> None:
    long = {"DATIVO_EXAMPLES": "20", "DATIVO_LAW_REPORTS": str(tmp_path / "reports")}
    assert run(tmp_path, dict.fromkeys(LAWS, "integers"), **long)[0] == 0
    report = json.loads((tmp_path / "reports" / "laws.json").read_text())
    assert report["examples"] == 20 * len(LAWS)
    assert [(test["law"], test["asked"], test["ran"]) for test in report["tests"]] == [(law, 20, 20) for law in LAWS]
    code, told = run(tmp_path, dict.fromkeys(LAWS[1:], "integers"), **long)
    assert code == 1
    assert f"a law without any: {[LAWS[0]]}" in told
