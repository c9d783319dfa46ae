"""However the same rows come in files, a checkpoint after each: the table and the quarantine are the same."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from checkpoint_project import data_file, load_job, make_project
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.quarantine import quarantines
from dativo_engine.events import EventLog
from dativo_engine.runs import run_job
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import law

Row = tuple[str, str]
rows_strategy = st.lists(
    st.tuples(st.sampled_from(["", "x", *map(str, range(8))]), st.sampled_from(["a", "b", ""])), min_size=1, max_size=20
)


def run(files: Sequence[Sequence[Row]], *, mode: str) -> tuple[list[Row], Counter[str]]:
    """The rows in the table, and the records in quarantine with the rules that they broke."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        job = make_project(root, mode=mode)
        for number, rows in enumerate(files):
            lines = [f'{key},"{note}"\n' for key, note in rows]
            data_file(root, f"{number:02}").write_text("id,note\n" + "".join(lines))
        result = run_job(load_job(root), EventLog(io.StringIO()))
        assert result.status in {"success", "partial"}, result.error
        assert result.rows_accepted + result.rows_rejected == result.rows_read == sum(map(len, files))
        stored = open_catalog(job).load_table(("acme", "orders")).scan().to_arrow().to_pylist()
        rejected = [row for batch in quarantines(job)[0].rows() for row in batch.to_pylist()]
        reasons = [sorted((reason["column"], reason["rule"]) for reason in row["reasons"]) for row in rejected]
        told = [f"{json.loads(row['record'])} {why}" for row, why in zip(rejected, reasons, strict=True)]
        assert len(told) == result.rows_rejected
        return sorted((row["id"], row["note"]) for row in stored), Counter(told)


# Two whole runs for each example, so fewer of them than of what stays in memory.
@law("any cut into batches gives the same table", short=6, share=0.1)
@given(rows=rows_strategy, cuts=st.lists(st.integers(0, 20), max_size=4), mode=st.sampled_from(["append", "merge"]))
def test_any_cut_of_the_rows_into_files_gives_the_same_table(rows: list[Row], cuts: list[int], mode: str):
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    files = [rows[begin:end] for begin, end in itertools.pairwise(edges)]
    assert run(files, mode=mode) == run([rows], mode=mode)
