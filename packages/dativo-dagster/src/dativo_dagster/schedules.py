"""A schedule of the runner file: as Dagster's schedule, or for an interval that cron can't say, as a sensor."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dativo_config.models.runner import Schedule
from dativo_engine.events import EventLog

from dativo_dagster.names import tag_key

SCHEDULE_TAG = "dativo/schedule"
# A tick that is evaluated this much after its time was missed: the service was down.
LATE = timedelta(seconds=60)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class Timetable:
    """When one job runs, and what a tick that is due does.

    Attributes:
        name, job: in Dagster.
        most_runs: how many runs of the schedule may be unfinished at once.
    """

    name: str
    schedule: Schedule
    job: str
    most_runs: int

    @property
    def tags(self) -> dict[str, str]:
        """What every run of the schedule is labelled with."""
        return {**{tag_key(key): value for key, value in self.schedule.tags.items()}, SCHEDULE_TAG: self.schedule.name}

    def answer(self, due: datetime, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
        """What the tick that was due at a time does: start a run, or say why not, in the log too."""
        reason = self._reason_to_skip(due, instance)
        if reason is None:
            return dg.RunRequest(tags=self.tags)
        # A line of the code server's, which the service passes on.
        EventLog(sys.stderr).emit("schedule_skipped", reason, schedule=self.schedule.name, dagster_job=self.job)
        return dg.SkipReason(reason)

    def _reason_to_skip(self, due: datetime, instance: dg.DagsterInstance) -> str | None:
        schedule, late = self.schedule, datetime.now(UTC) - due
        if late > LATE and (schedule.catch_up == "none" or schedule.max_catchup_runs == 0):
            since = f"{due:%Y-%m-%d %H:%M:%S} UTC"
            return f"{schedule.name}: missed at {since}, and catch_up is none; it runs when next due"
        if schedule.overlap == "skip":
            unfinished = instance.get_runs_count(
                dg.RunsFilter(tags={SCHEDULE_TAG: self.schedule.name}, statuses=UNFINISHED)
            )
            if unfinished >= self.most_runs:
                return f"{schedule.name}: {unfinished} of {self.most_runs} runs are not over, and overlap is skip"
        return None


def build_schedule(timetable: Timetable) -> dg.ScheduleDefinition | dg.SensorDefinition:
    """The schedule in Dagster: by its cron, or by one that says its interval; else a sensor."""
    schedule = timetable.schedule
    if schedule.cron is not None:
        return _cron_schedule(timetable, schedule.cron, schedule.timezone)
    interval = schedule.interval_seconds or 0
    cron = interval_as_cron(interval)
    return _interval_sensor(timetable, interval) if cron is None else _cron_schedule(timetable, cron, "UTC")


def interval_as_cron(seconds: float) -> str | None:
    """The cron expression whose ticks are exactly this far apart, through every hour and day; None: there is none."""
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return None
    if minutes < 60:
        return f"*/{minutes:g} * * * *" if 60 % minutes == 0 else None
    hours, rest = divmod(minutes, 60)
    if rest or 24 % hours:
        return None
    return "0 0 * * *" if hours == 24 else f"0 */{hours:g} * * *"


def _cron_schedule(timetable: Timetable, cron: str, timezone: str) -> dg.ScheduleDefinition:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return timetable.answer(context.scheduled_execution_time, context.instance)

    running = dg.DefaultScheduleStatus.RUNNING if timetable.schedule.enabled else dg.DefaultScheduleStatus.STOPPED
    return dg.ScheduleDefinition(
        name=timetable.name,
        cron_schedule=cron,
        execution_timezone=timezone,
        execution_fn=evaluate,
        job_name=timetable.job,
        description=f"{timetable.schedule.name}: {timetable.schedule.config}",
        default_status=running,
        metadata={"overlap": timetable.schedule.overlap, "catch_up": timetable.schedule.catch_up},
    )


def _interval_sensor(timetable: Timetable, interval: float) -> dg.SensorDefinition:
    """Starts a run at every multiple of the interval since 1970: the cursor is the last one, so that none drifts."""

    def evaluate(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        due = math.floor(datetime.now(UTC).timestamp() / interval) * interval
        seen = float(context.cursor) if context.cursor else None
        if seen is None or due > seen:
            context.update_cursor(str(due))
        if seen is None or due <= seen:
            following = datetime.fromtimestamp(due + interval, UTC)
            return dg.SkipReason(f"{timetable.schedule.name}: next due at {following:%Y-%m-%d %H:%M:%S} UTC")
        return timetable.answer(datetime.fromtimestamp(due, UTC), context.instance)

    running = dg.DefaultSensorStatus.RUNNING if timetable.schedule.enabled else dg.DefaultSensorStatus.STOPPED
    return dg.SensorDefinition(
        name=timetable.name,
        evaluation_fn=evaluate,
        job_name=timetable.job,
        minimum_interval_seconds=max(1, min(30, int(interval / 4))),
        description=f"{timetable.schedule.name}: {timetable.schedule.config}, every {interval:g} s",
        default_status=running,
        metadata={"overlap": timetable.schedule.overlap, "catch_up": timetable.schedule.catch_up},
    )
