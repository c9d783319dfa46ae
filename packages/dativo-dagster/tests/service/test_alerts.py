"""Whom a failure of several tenants' tables in one run is told."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dativo_config.models.runner import Runner
from dativo_config.project import open_project
from dativo_dagster.service.alerts import Alarm
from dativo_dagster.service.failures import failures
from dativo_dagster.service.settings import ServiceSettings
from dativo_engine.events import EventLog


@dg.asset(key=["acme", "acme", "orders"])
def good() -> None: ...


@dg.asset(key=["globex", "globex", "orders"])
def bad() -> None:
    raise dg.Failure("the server of globex hung up", allow_retries=False)


def runner(alerts: Mapping[str, object]) -> Runner:
    orchestrator = {"type": "dagster", "schedules": [], "public_url": "https://data.example.com/dativo/"}
    return Runner.model_validate({"mode": "orchestrated", "orchestrator": orchestrator, "alerts": alerts})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that knows when its runs were updated."""
    with dg.instance_for_test() as instance:
        yield instance


def test_a_run_of_many_tenants_failed_for_those_whose_tables_failed(instance: dg.DagsterInstance) -> None:
    done = dg.materialize([good, bad], instance=instance, raise_on_error=False)

    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert failures(instance, run) == {"globex": "the server of globex hung up"}


@contextmanager
def webhook() -> Generator[tuple[str, list[dict[str, Any]]]]:
    """A webhook's URL, and what it was posted."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", posted
        finally:
            server.shutdown()
            thread.join()


def test_it_is_told_to_them_alone_and_links_to_the_ui_that_people_can_reach(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    done = dg.materialize([good, bad], instance=instance, raise_on_error=False)
    settings = ServiceSettings(open_project(tmp_path, environment={}), {})
    settings.home.mkdir(parents=True)
    alarm = Alarm(settings, EventLog(io.StringIO()))
    alarm.cursor_file.write_text((datetime.now(UTC) - timedelta(hours=1)).isoformat())

    with webhook() as (theirs, told_globex), webhook() as (others, told_others):
        alarm.look(instance, runner({"webhook": others, "tenants": {"globex": {"webhook": theirs}}}))

    (alert,) = told_globex
    assert (alert["event"], alert["tenant_id"]) == ("run_failure", "globex")
    assert alert["url"] == f"https://data.example.com/dativo/runs/{done.run_id}"
    assert told_others == []


def test_a_tenant_that_only_chooses_events_is_told_at_everybodys_webhook() -> None:
    alerts = runner({"webhook": "everybody's", "tenants": {"acme": {"events": ["run_failure"]}}}).alerts

    target = alerts.of("acme")

    assert target.webhook is not None
    assert (target.webhook.get_secret_value(), target.events) == ("everybody's", ["run_failure"])
