"""Whether the service does its work: what `dativo status` and the health endpoint answer."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
from dativo_engine.events import Events

from dativo_dagster.service.edge import one_line
from dativo_dagster.service.ports import family_of
from dativo_dagster.service.settings import CODE_LOCATION
from dativo_dagster.service.webserver import WebserverError, location_problem, query

# Daemons beat every 30 s.
FRESH_SECONDS = 100.0
# Probes come every few seconds; a look asks a database.
SECONDS_KEPT = 3.0

_SCHEDULES = """
query { repositoryOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "%s"}) {
  ... on Repository {
    schedules { name pipelineName scheduleState { status } futureTicks(limit: 1) { results { timestamp } } }
    sensors { name targets { pipelineName } sensorState { status nextTick { timestamp } } }
  }
} }
"""


@dataclass(frozen=True, slots=True)
class ScheduleHealth:
    """One schedule.

    Attributes:
        job: Dagster's name of the job.
        next_tick: when it is due; None: it is off.
        last_run: how the job's last run ended, or stands; empty: it never ran.
    """

    name: str
    job: str
    on: bool
    next_tick: str | None
    last_run: str
    last_run_at: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """The service at one moment. It is healthy when it has no problems.

    Attributes:
        warnings: what a person should mend though the service works: files that are not served as they are.
        daemons: seconds since each one's last sign of life.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    url: str
    since: str
    daemons: Mapping[str, float | None]
    runs_in_progress: int
    runs_queued: int
    schedules: tuple[ScheduleHealth, ...]

    def to_json(self) -> dict[str, Any]:
        """The health endpoint's answer: documented, stable names."""
        return {"healthy": not self.problems, **asdict(self)}


def look(
    instance: dg.DagsterInstance, url: str, *, since: datetime, problems: Iterable[str], warnings: Iterable[str]
) -> Health:
    """Ask the webserver and the instance, beside the problems and warnings that the service knows of itself."""
    found = list(problems)
    schedules: list[ScheduleHealth] = []
    try:
        if (problem := location_problem(url)) is not None:
            found.append(f"the definitions are not loaded: {problem}")
        else:
            schedules = _schedules(instance, query(url, _SCHEDULES % CODE_LOCATION)["repositoryOrError"])
    except WebserverError as error:
        found.append(f"the webserver does not answer: {error}")
    beats = _heartbeats(instance)
    late = [name for name, age in beats.items() if age is None or age > FRESH_SECONDS]
    if late:
        found.append(f"no heartbeat for {FRESH_SECONDS:g} s of {', '.join(sorted(late))}")
    return Health(
        problems=tuple(found),
        warnings=tuple(warnings),
        url=url,
        since=since.isoformat(),
        daemons=beats,
        runs_in_progress=_count(instance, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING),
        runs_queued=_count(instance, dg.DagsterRunStatus.QUEUED),
        schedules=tuple(schedules),
    )


class HealthServer:
    """Answers `GET /health` with 200 or 503 and the whole report, on a port of its own."""

    def __init__(self, address: tuple[str, int], report: Callable[[], Health], events: Events) -> None:
        kept = _Kept(report)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.rstrip("/") != "/health":
                    self.send_error(404, "ask for /health")
                    return
                health = _answer(kept)
                body = json.dumps(health).encode()
                self.send_response(200 if health["healthy"] else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Probes are no news."""

        class Server(ThreadingHTTPServer):
            address_family = family_of(address[0])
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's
                error = sys.exception()
                if not isinstance(error, ConnectionError):  # a probe that hangs up is no news
                    message = f"the health endpoint could not answer: {error!r}"
                    events.emit("chore_failed", message, level="ERROR")

        self._server = Server(address, Handler)
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_address[1]

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _answer(kept: _Kept) -> Mapping[str, Any]:
    try:
        return kept.report().to_json()
    except Exception as error:  # noqa: BLE001 - the edge of a probe: that nobody knows is an answer
        return {"healthy": False, "problems": [f"nobody can tell: {one_line(error)}"]}


class _Kept:
    """One report for all who ask within a moment."""

    def __init__(self, report: Callable[[], Health]) -> None:
        self._make = report
        self._lock = threading.Lock()
        self._made = 0.0
        self._last: Health | None = None

    def report(self) -> Health:
        with self._lock:
            if self._last is None or time.monotonic() - self._made > SECONDS_KEPT:
                self._last = self._make()
                self._made = time.monotonic()
            return self._last


def fresh_heartbeats(instance: dg.DagsterInstance) -> bool:
    """Whether every daemon that must run gave a sign of life."""
    return all(age is not None and age < FRESH_SECONDS for age in _heartbeats(instance).values())


def _heartbeats(instance: dg.DagsterInstance) -> dict[str, float | None]:
    """How many seconds ago each daemon that must run gave its last sign of life."""
    beats = instance.get_daemon_heartbeats()
    now = time.time()
    return {
        name: round(now - beats[name].timestamp, 1) if name in beats else None
        for name in sorted(instance.get_required_daemon_types())
    }


def _schedules(instance: dg.DagsterInstance, repository: Mapping[str, Any]) -> list[ScheduleHealth]:
    found: list[ScheduleHealth] = []
    for schedule in repository.get("schedules", ()):
        ticks = schedule["futureTicks"]["results"]
        due = ticks[0]["timestamp"] if ticks else None
        found.append(_schedule(instance, schedule["name"], schedule["pipelineName"], schedule["scheduleState"], due))
    for sensor in repository.get("sensors", ()):
        job = sensor["targets"][0]["pipelineName"] if sensor["targets"] else ""
        due = (sensor["sensorState"]["nextTick"] or {}).get("timestamp")
        found.append(_schedule(instance, sensor["name"], job, sensor["sensorState"], due))
    return found


def _schedule(
    instance: dg.DagsterInstance, name: str, job: str, state: Mapping[str, Any], due: float | None
) -> ScheduleHealth:
    on = state["status"] == "RUNNING"
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    last = records[0] if records else None
    return ScheduleHealth(
        name=name,
        job=job,
        on=on,
        next_tick=_time(due) if on else None,
        last_run=last.dagster_run.status.value.lower() if last else "",
        last_run_at=_time(last.start_time or last.create_timestamp.timestamp()) if last else None,
    )


def _count(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> int:
    return instance.get_runs_count(dg.RunsFilter(statuses=list(statuses)))


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
