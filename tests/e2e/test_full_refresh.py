"""`dativo run --full-refresh`: everything is read again and takes the place of what was there."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.project import Project

Ids = Callable[[], list[object]]


def without_key(project: Project) -> None:
    contract = project.root / "assets" / "orders.yaml"
    contract.write_text(contract.read_text().replace(", primaryKey: true, primaryKeyPosition: 1", ""))


def test_an_append_job_without_a_key_does_not_double(project: Project, ids_in_table: Ids) -> None:
    without_key(project)
    project.orders("day1.csv", [(1, "a", "1.00"), (2, "b", "2.00")])
    job = project.job(append=True)
    first = project.dativo("run", "--config", job, "--json").result

    again = project.dativo("run", "--config", job, "--full-refresh", "--json")

    assert again.exit_code == 0
    assert again.result["rows_read"] == 2
    assert ids_in_table() == [1, 2]
    assert again.result["tables"][0]["stamp"]["run_id"] != first["run_id"]  # pyright: ignore[reportIndexIssue]
    assert project.dativo("run", "--config", job, "--json").result["rows_read"] == 0


def test_it_is_refused_where_another_job_loads_the_table_too(project: Project, ids_in_table: Ids) -> None:
    project.orders("day1.csv", [(1, "a", "1.00")])
    target = "target: {mode: append, append_full: true, table: orders}\n"
    jobs = [project.job(name, extra=target) for name in ("first", "second")]
    assert project.dativo("run", "--config", jobs[0]).exit_code == 0

    answer = project.dativo("run", "--config", jobs[0], "--full-refresh", "--json")

    assert answer.exit_code == 2
    assert "would drop the rows of the other jobs" in str(answer.result["error"])
    assert ids_in_table() == [1]


def test_it_is_refused_where_the_table_has_rows_of_a_job_that_is_no_longer_in_the_project(
    project: Project, ids_in_table: Ids
) -> None:
    project.orders("day1.csv", [(1, "a", "1.00")])
    assert project.dativo("run", "--config", project.job("gone", append=True)).exit_code == 0
    (project.root / "jobs" / "acme" / "gone.yaml").unlink()

    answer = project.dativo("run", "--config", project.job("orders", append=True), "--full-refresh", "--json")

    assert answer.exit_code == 2
    assert "acme/gone" in str(answer.result["error"])
    assert ids_in_table() == [1]


def test_a_secret_that_is_nowhere_is_a_configuration_error(project: Project) -> None:
    job = project.job()
    file = project.root / job
    file.write_text(file.read_text().replace("source:\n", 'source:\n  connection: {endpoint: "${secret:NOWHERE}"}\n'))
    answer = project.dativo("run", "--config", job)
    assert answer.exit_code == 2
    assert answer.events[-1]["event_type"] == "job_error"
    assert answer.events[-1]["code"] == "CONFIGURATION_ERROR", answer.stderr
