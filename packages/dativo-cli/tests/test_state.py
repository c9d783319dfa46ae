"""`dativo state` as a user calls it: move a cursor, take over an earlier name, or where the older format stood."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import JOB, ORDERS, Project


def rows_read(project: Project) -> object:
    answer = project.dativo("run", "--config", JOB, "--json")
    assert answer.code == 0, answer.err
    assert isinstance(answer.json, dict)
    return answer.json["rows_read"]


def cursor(project: Project) -> dict[str, object]:
    (found,) = project.dativo("state", "show", "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert found["mirror"] == "same"
    return found["stamp"]["cursors"]["orders"]


def test_set_takes_a_cursor_as_show_prints_it_as_text_or_in_a_file(project: Project) -> None:
    assert rows_read(project) == 6
    loaded = cursor(project)
    assert project.dativo("state", "set", '{"files": {}}', "--config", JOB).code == 0
    assert cursor(project) == {"files": {}}
    Path("cursor.json").write_text(json.dumps(loaded))
    assert project.dativo("state", "set", "cursor.json", "--config", JOB).code == 0
    assert rows_read(project) == 0


def test_set_refuses_what_is_no_cursor(project: Project) -> None:
    for text in ("no-such-file", "[1]", "{"):
        answer = project.dativo("state", "set", text, "--config", JOB)
        assert (answer.code, "Traceback" in answer.err) == (2, False)


def test_a_renamed_job_loads_nothing_twice_after_an_import(project: Project) -> None:
    assert rows_read(project) == 6
    Path(JOB).rename("jobs/demo/renamed.yaml")
    answer = project.dativo(
        "state", "import", "--from", "orders_to_iceberg", "--config", "jobs/demo/renamed.yaml", "--yes"
    )
    assert answer.code == 0, answer.err
    run = project.dativo("run", "--config", "jobs/demo/renamed.yaml", "--json")
    assert run.json["rows_read"] == 0  # pyright: ignore[reportIndexIssue]


def test_files_that_the_older_formats_state_names_and_that_did_not_change_count_as_loaded(project: Project) -> None:
    other = Path(ORDERS).with_name("orders_2.csv")
    other.write_text(
        Path(ORDERS).read_text().splitlines()[0] + "\n2001,ada,a@example.com,paid,1.00,2025-03-01T00:00:00Z\n"
    )
    Path("old.json").write_text(json.dumps({"file_orders.csv": {"last_modified": "2999-01-01T00:00:00Z"}}))
    assert project.dativo("state", "import", "--file", "old.json", "--config", JOB, "--yes").code == 0
    assert rows_read(project) == 1
    assert rows_read(project) == 0
