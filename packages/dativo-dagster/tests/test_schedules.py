from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from cronsim import CronSim
from dagster_project import Project
from dativo_dagster.schedules import interval_as_cron
from hypothesis import given
from hypothesis import strategies as st

JUST_NOW = timedelta(seconds=1)
AN_HOUR_AGO = timedelta(hours=1)


@pytest.fixture(scope="module")
def files() -> Iterator[dg.DagsterInstance]:
    """One instance for all tests here: schedules take none in memory, and one in files takes a while to make."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def instance(files: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance without runs."""
    yield files
    for run in files.get_runs():
        files.delete_run(run.run_id)


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick did."""

    runs: list[dg.RunRequest]
    skipped: str
    cursor: str = ""


def due(project: Project, instance: dg.DagsterInstance, *, ago: timedelta = JUST_NOW) -> Tick:
    """What the project's last schedule does with a tick that was due some time ago."""
    schedule = list(project.definitions().schedules or ())[-1]
    assert isinstance(schedule, dg.ScheduleDefinition)
    time = datetime.now(UTC) - ago
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=time) as context:
        tick = schedule.evaluate_tick(context)
    return Tick(list(tick.run_requests or ()), tick.skip_message or "")


def start_run(instance: dg.DagsterInstance, schedule: str, status: dg.DagsterRunStatus) -> None:
    """A run of the schedule as the daemon leaves it in the instance."""
    instance.create_run_for_job(nothing, tags={"dativo/schedule": schedule}, status=status)


@dg.job
def nothing() -> None: ...


def test_a_schedule_has_its_cron_zone_and_switch(project: Project):
    project.job(
        "acme",
        "nightly",
        schedule={"cron": "15 2 * * *", "timezone": "Europe/Berlin", "enabled": False},
        target={"table": "x"},
    )

    hourly, nightly = list(project.definitions().schedules or ())

    assert isinstance(hourly, dg.ScheduleDefinition)
    assert isinstance(nightly, dg.ScheduleDefinition)
    assert (hourly.cron_schedule, hourly.execution_timezone, hourly.job_name) == ("0 * * * *", "UTC", "ACME__ORDERS")
    assert hourly.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("15 2 * * *", "Europe/Berlin")
    assert nightly.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_tick_starts_a_run_with_the_schedules_tags(project: Project, instance: dg.DagsterInstance):
    project.schedules[0]["tags"] = {"team": "orders", "dagster/priority": "3", "dagster/backfill": "x"}
    project.write_runner()

    (request,) = due(project, instance).runs

    kept = {"team": "orders", "dagster/priority": "3", "dagster_backfill": "x", "dativo/schedule": "acme orders"}
    assert kept.items() <= request.tags.items()


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_schedule_whose_run_is_not_over_skips_its_tick(
    project: Project, instance: dg.DagsterInstance, status: dg.DagsterRunStatus, capsys: pytest.CaptureFixture[str]
):
    start_run(instance, "acme orders", status)

    tick = due(project, instance)

    assert not tick.runs
    assert tick.skipped == "acme orders: 1 of 1 runs are not over, and overlap is skip"
    told = json.loads(capsys.readouterr().err)
    assert (told["event_type"], told["message"], told["schedule"]) == ("schedule_skipped", tick.skipped, "acme orders")


def test_runs_that_are_over_and_runs_of_others_do_not_count(project: Project, instance: dg.DagsterInstance):
    start_run(instance, "acme orders", dg.DagsterRunStatus.FAILURE)
    start_run(instance, "acme other", dg.DagsterRunStatus.STARTED)

    assert due(project, instance).runs


def test_a_schedule_may_queue_behind_its_own_run(project: Project, instance: dg.DagsterInstance):
    project.schedules[0]["overlap"] = "queue"
    project.write_runner()
    start_run(instance, "acme orders", dg.DagsterRunStatus.STARTED)

    assert due(project, instance).runs


def test_a_schedule_may_have_as_many_runs_as_it_says_and_its_tenant_allows(
    project: Project, instance: dg.DagsterInstance
):
    project.schedules[0]["max_concurrent_runs"] = 5
    project.settings["concurrency_per_tenant"] = 2
    project.write_runner()

    start_run(instance, "acme orders", dg.DagsterRunStatus.STARTED)
    assert due(project, instance).runs
    start_run(instance, "acme orders", dg.DagsterRunStatus.STARTED)
    assert not due(project, instance).runs


def test_a_tick_missed_while_the_service_was_down_is_made_up_for(project: Project, instance: dg.DagsterInstance):
    assert due(project, instance, ago=AN_HOUR_AGO).runs


@pytest.mark.parametrize("setting", [{"catch_up": "none"}, {"max_catchup_runs": 0}])
def test_a_missed_tick_is_skipped_where_it_is_not_to_be_made_up_for(
    project: Project,
    instance: dg.DagsterInstance,
    setting: dict[str, object],
    capsys: pytest.CaptureFixture[str],
):
    project.schedules[0].update(setting)
    project.write_runner()

    tick = due(project, instance, ago=AN_HOUR_AGO)

    assert not tick.runs
    assert "missed at" in tick.skipped
    assert json.loads(capsys.readouterr().err)["message"] == tick.skipped
    assert due(project, instance).runs
    assert capsys.readouterr().err == "", "a run is no news"


def test_an_interval_that_cron_can_say_is_a_schedule(project: Project):
    project.job("acme", "often", schedule={"interval_seconds": 300}, target={"table": "x"})

    often = list(project.definitions().schedules or ())[-1]
    assert isinstance(often, dg.ScheduleDefinition)
    assert (often.name, often.cron_schedule, often.execution_timezone) == ("acme_often", "*/5 * * * *", "UTC")


@given(st.sampled_from([60 * count for count in range(1, 1441) if interval_as_cron(60 * count)]))
def test_an_intervals_cron_ticks_exactly_that_far_apart(seconds: int):
    cron = interval_as_cron(seconds)

    assert cron is not None
    ticks = CronSim(cron, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    first = [next(ticks) for _ in range(100)]
    assert {(later - sooner).total_seconds() for sooner, later in pairwise(first)} == {seconds}
    assert first[0].timestamp() % seconds == 0


@given(st.one_of(st.floats(0.1, 59), st.integers(61, 119), st.sampled_from([90 * 60, 7 * 3600, 48 * 3600])))
def test_other_intervals_have_no_cron(seconds: float):
    assert interval_as_cron(seconds) is None


def evaluate(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None) -> Tick:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        tick = sensor.evaluate_tick(context)
    return Tick(list(tick.run_requests or ()), tick.skip_message or "", tick.cursor or "")


def test_an_interval_that_cron_can_not_say_is_a_sensor_that_does_not_drift(
    project: Project, instance: dg.DagsterInstance
):
    project.job("acme", "odd", schedule={"interval_seconds": 25 * 3600.0}, target={"table": "x"})
    (sensor,) = list(project.definitions().sensors or ())
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == "ACME__ODD"

    first = evaluate(sensor, instance, None)
    assert not first.runs
    assert "next due at" in first.skipped
    assert float(first.cursor) % (25 * 3600) == 0
    assert not evaluate(sensor, instance, first.cursor).runs

    one_earlier = str(float(first.cursor) - 25 * 3600)
    again = evaluate(sensor, instance, one_earlier)
    assert again.runs
    assert again.cursor == first.cursor
