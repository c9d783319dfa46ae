"""The benchmark's input is what its report says it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from pyarrow import csv

from tools.bench import csv_load, generate, merge
from tools.bench.baseline import TYPES
from tools.bench.limits import Answer, Limit, exit_code
from tools.bench.measure import Measurement, RunFailedError, measure


def test_the_contract_numbers_exactly_twenty_checks() -> None:
    numbers = [
        int(number)
        for line in csv_load.CONTRACT.read_text().splitlines()
        if (comment := re.search(r"[^#]# (\d+(?:, \d+)*)$", line))
        for number in comment[1].split(", ")
    ]

    assert numbers == list(range(1, 21))


def test_the_same_rows_come_out_every_time_and_fit_the_types(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        generate.write(tmp_path / name, rows=3000, bad_per_mille=0)

    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
    table = csv.read_csv(tmp_path / "first.csv", convert_options=csv.ConvertOptions(column_types=TYPES))
    assert table.num_rows == 3000
    assert table["id"].to_pylist() == list(range(1, 3001))


def test_one_row_in_a_thousand_is_bad_where_that_is_asked(tmp_path: Path) -> None:
    generate.write(tmp_path / "bad.csv", rows=9000, bad_per_mille=1)

    assert len(re.findall(r"n/a|nobody|lost", (tmp_path / "bad.csv").read_text())) == 9


def test_a_measurement_counts_the_memory_of_children(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"x\" * 200_000_000; print(len(x))'])"
    )

    taken = measure(["python3", "-c", program], folder=tmp_path)

    assert taken.stdout == "200000000\n"
    assert taken.rss > 200_000_000


def test_a_program_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="ended with 1:\nno such thing"):
        measure(["python3", "-c", "raise SystemExit('no such thing')"], folder=tmp_path)


@pytest.mark.parametrize(
    ("word", "kept", "missed"), [("at most", 0.3, 0.301), ("under", 0.299, 0.3), ("at least", 0.3, 0.299)]
)
def test_a_figure_beyond_its_limit_fails_the_benchmark(
    word: Literal["at most", "under", "at least"], kept: float, missed: float, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = (Answer("ours / theirs", figure, Limit(word, 0.3)) for figure in (kept, missed))

    assert exit_code([good, Answer("for people only", 99)]) == 0
    assert capsys.readouterr().err == ""
    assert exit_code([good, bad]) == 1
    assert f"ours / theirs: {missed:g}, wanted {word} 0.3" in capsys.readouterr().err


def test_the_report_of_the_merge_is_written_also_where_it_fails(tmp_path: Path) -> None:
    taken = {"dativo, spread": 4.0, "spark, spread": 30.0, "pyiceberg, spread": 40.0}
    runs = {name: [Measurement(1.0, cpu, 100 << 20, 0, "")] for name, cpu in taken.items()}

    answers = merge.report(tmp_path / "report.md", runs, ["a note"], rows=10, changes=1)

    assert [answer.is_missed for answer in answers] == [True, False, False]
    assert "| dativo / Spark copy-on-write, spread, CPU | 0.13 | at most 0.12 |" in (tmp_path / "report.md").read_text()
    assert exit_code(answers) == 1
