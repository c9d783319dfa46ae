"""`dativo run` as its caller sees it: exit codes, events, the result, and what is in the table."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.e2e.project import Project
from tests.readers.view import Reader

GOOD = [(1, "ada", "1.50"), (2, "bo", "2.50"), (3, "cy", "")]
ONE_BAD = [*GOOD, (4, "di", "-1")]


def test_a_run_of_good_rows_ends_with_0_and_one_json_object(
    project: Project, ids_in_table: Callable[[], list[object]]
) -> None:
    project.orders("day1.csv", GOOD)

    done = project.dativo("run", "--config", project.job(), "--json")

    assert done.exit_code == 0, done.stderr
    assert ids_in_table() == [1, 2, 3]
    assert done.result["status"] == "success"
    assert (done.result["rows_read"], done.result["rows_accepted"], done.result["rows_rejected"]) == (3, 3, 0)


def test_a_run_prints_nothing_on_stdout_without_json(project: Project) -> None:
    project.orders("day1.csv", GOOD)

    done = project.dativo("run", "--config", project.job())

    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""


def test_three_readers_see_what_a_run_wrote(project: Project, readers: tuple[Reader, ...]) -> None:
    project.orders("day1.csv", GOOD)
    project.dativo("run", "--config", project.job(extra='target: {partitioning: ["bucket(4, id)"]}\n'))
    location = project.metadata_location()
    assert location is not None

    views = [reader.read(location) for reader in readers]

    assert [row[:2] for row in views[0].rows] == [(1, "ada"), (2, "bo"), (3, "cy")]
    assert views[0].statistics["amount"].nulls == 1
    assert views[1:] == [views[0], views[0]]


def test_a_bad_row_fails_a_strict_run_with_2_and_changes_nothing(
    project: Project, ids_in_table: Callable[[], list[object]]
) -> None:
    project.orders("day1.csv", ONE_BAD)

    done = project.dativo("run", "--config", project.job(), "--json")

    assert done.exit_code == 2
    assert ids_in_table() == []
    assert done.result["status"] == "failed"
    assert done.result["error_code"] == "VALIDATION_FAILED"
    assert done.event_types[-1] == "job_error"


def test_a_bad_row_is_set_aside_in_warn_mode_and_the_run_ends_with_1(
    project: Project, ids_in_table: Callable[[], list[object]], pyiceberg_reader: Reader
) -> None:
    project.orders("day1.csv", ONE_BAD)

    done = project.dativo("run", "--config", project.job(extra="schema_validation_mode: warn\n"), "--json")

    assert done.exit_code == 1
    assert ids_in_table() == [1, 2, 3]
    assert (done.result["rows_accepted"], done.result["rows_rejected"]) == (3, 1)
    quarantine = project.metadata_location("orders__rejected")
    assert quarantine is not None
    assert len(pyiceberg_reader.read(quarantine).rows) == 1


def test_a_second_run_of_an_incremental_job_loads_nothing_twice(
    project: Project, ids_in_table: Callable[[], list[object]]
) -> None:
    project.orders("day1.csv", GOOD)
    job = project.job(append=True)
    project.dativo("run", "--config", job)
    first = project.metadata_location()

    again = project.dativo("run", "--config", job, "--json")

    assert again.exit_code == 0
    assert again.result["rows_read"] == 0
    assert project.metadata_location() == first
    project.orders("day2.csv", [(5, "ed", "5.00")])
    assert project.dativo("run", "--config", job, "--json").result["rows_read"] == 1
    assert ids_in_table() == [1, 2, 3, 5]


def test_events_come_in_their_order_and_end_once(project: Project) -> None:
    project.orders("day1.csv", GOOD)

    done = project.dativo("run", "--config", project.job())

    names = done.event_types
    assert names[:4] == ["job_started", "tenant_inferred", "secrets_loaded", "infra_validated"]
    assert names[-2:] == ["metrics_complete", "job_finished"]
    assert names.count("job_finished") == 1
    assert "job_error" not in names
    for event in done.events:
        assert event.keys() >= {"timestamp", "level", "event_type", "tenant_id", "job_name", "run_id", "message"}
    assert done.events[-2].keys() >= {
        "execution_time_seconds",
        "records_extracted",
        "records_valid",
        "records_invalid",
        "files_written",
        "total_bytes",
        "records_per_second",
        "status",
    }


def test_a_job_file_with_a_problem_is_told_by_line_and_gives_job_error_only(project: Project) -> None:
    job = project.job(extra="retry_confg: {max_retries: 1}\n")

    done = project.dativo("run", "--config", job, "--json")

    assert done.exit_code == 2
    log = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [event["event_type"] for event in log] == ["job_error"]
    assert f"{job}:7:1" in done.stderr + done.stdout
    assert "retry_config" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_file_that_changed_after_it_was_loaded_stops_an_append(
    project: Project, ids_in_table: Callable[[], list[object]]
) -> None:
    project.orders("day1.csv", GOOD)
    job = project.job(append=True)
    project.dativo("run", "--config", job)

    project.orders("day1.csv", [*GOOD, (9, "eve", "9.00")])
    done = project.dativo("run", "--config", job)

    assert done.exit_code == 2
    assert "day1.csv" in str(done.events[-1]["message"])
    assert ids_in_table() == [1, 2, 3]
