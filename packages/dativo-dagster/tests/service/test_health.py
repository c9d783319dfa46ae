"""The health endpoint answers whatever happens, and the report says what is wrong."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest
from dativo_dagster.service.health import Health, HealthServer, look
from dativo_engine.events import EventLog

NOW = datetime.now(UTC)
WELL = Health(problems=(), warnings=(), url="", since="", daemons={}, runs_in_progress=0, runs_queued=0, schedules=())


@contextmanager
def serving(report: Callable[[], Health], *, host: str = "127.0.0.1") -> Generator[tuple[HealthServer, io.StringIO]]:
    """A health endpoint, and its log."""
    log = io.StringIO()
    server = HealthServer((host, 0), report, EventLog(log))
    try:
        yield server, log
    finally:
        server.close()


def ask(server: HealthServer, *, host: str = "127.0.0.1") -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{host}:{server.port}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def webserver(location: Mapping[str, object]) -> Generator[str]:
    """A web UI that says this of its code location."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"data": {"workspaceLocationEntryOrError": location}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_report_that_fails_is_an_answer_that_says_why() -> None:
    def fails() -> Health:
        raise OSError(28, "No space left on device")

    with serving(fails) as (server, _):
        code, health = ask(server)

    assert (code, health["healthy"]) == (503, False)
    assert "No space left on device" in health["problems"][0]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_the_endpoint_listens_on_an_address_of_ipv6() -> None:
    with serving(lambda: WELL, host="::1") as (server, _):
        assert ask(server, host="[::1]") == (200, {"healthy": True, **json.loads(json.dumps(WELL.to_json()))})


def test_a_probe_that_hangs_up_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    asked, gone = threading.Event(), threading.Event()

    def slow() -> Health:
        asked.set()
        gone.wait(10)
        return WELL

    with serving(slow) as (server, log):
        with socket.create_connection(("127.0.0.1", server.port)) as probe:
            # Closed with bytes unread and a linger of 0 it is reset.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            probe.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert asked.wait(10)
        gone.set()
        time.sleep(0.2)
        assert ask(server)[0] == 200

    assert log.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_a_location_that_failed_and_daemons_without_a_sign_of_life_are_problems(
    stored_instance: dg.DagsterInstance,
) -> None:
    from dagster._daemon.types import DaemonHeartbeat  # Dagster's own daemons report with it

    late, *others = sorted(stored_instance.get_required_daemon_types())
    for name in (late, *others):
        at = time.time() - (500 if name == late else 0)
        stored_instance.add_daemon_heartbeat(DaemonHeartbeat(at, name, "id", []))
    failed = {"locationOrLoadError": {"__typename": "PythonError", "message": "no such module"}}

    with webserver(failed) as url:
        found = look(stored_instance, url, since=NOW, problems=["mine"], warnings=[])

    assert found.problems == (
        "mine",
        "the definitions are not loaded: no such module",
        f"no heartbeat for 100 s of {late}",
    )


def test_a_webserver_that_is_gone_is_a_problem(stored_instance: dg.DagsterInstance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    found = look(stored_instance, url, since=NOW, problems=[], warnings=[])

    assert found.problems[0].startswith("the webserver does not answer")
