"""The log of a run, shipped by syslog-ng with the page's settings to a receiver of Splunk's protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.page import shown
from tests.docs.documents import REPOSITORY
from tools.services import syslog_ng
from tools.services.fixtures import skip_without

DATIVO = str(Path(sys.executable).with_name("dativo"))
TOKEN = "00000000-0000-0000-0000-000000000000"


class Collector(ThreadingHTTPServer):
    """The HTTP Event Collector: JSON objects one after the other, for who knows the token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector  # pyright: ignore[reportIncompatibleVariableOverride] - the only one that makes handlers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode().strip()
        known = self.headers["authorization"] == f"Splunk {TOKEN}" and self.path == "/services/collector/event"
        while known and body:
            event, end = json.JSONDecoder().raw_decode(body)
            self.server.events.append(event)
            body = body[end:].lstrip()
        answer = json.dumps({"text": "Success", "code": 0} if known else {"text": "Invalid token", "code": 4}).encode()
        self.send_response(200 if known else 403)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the test looks at what came."""


@contextmanager
def collecting() -> Generator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()
        thread.join()


def test_every_line_of_a_run_arrives_as_it_was_written_and_at_its_time(tmp_path: Path) -> None:
    skip_without(syslog_ng.missing())
    written = log_of_a_run(tmp_path)
    settings = shown("text", "@version").replace("/var/log/dativo/dativo.log", str(tmp_path / "dativo.log"))
    settings = settings.replace('dir("/var/lib/syslog-ng")', f'dir("{tmp_path}")').replace("1073741824", "16777216")
    with collecting() as splunk:
        settings = settings.replace("https://splunk.example.com:8088", f"http://127.0.0.1:{splunk.server_port}")
        with syslog_ng.syslog_ng(settings, tmp_path, lambda: len(splunk.events) >= len(written)):
            pass
    assert [item["event"] for item in splunk.events] == written
    assert {item["sourcetype"] for item in splunk.events} == {"dativo"}
    for item in splunk.events:
        said = datetime.fromisoformat(item["event"]["timestamp"])
        assert item["time"] == pytest.approx(said.timestamp(), abs=1e-3)


def log_of_a_run(folder: Path) -> list[dict[str, Any]]:
    """Run the example job, its log in dativo.log as the systemd unit has it; answers the lines."""
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, folder / part)
    job = folder / "jobs" / "demo" / "weather_to_iceberg.yaml"
    with (folder / "dativo.log").open("w") as log:
        subprocess.run([DATIVO, "run", "--config", job], cwd=folder, stderr=log, check=True)
    return [json.loads(line) for line in (folder / "dativo.log").read_text().splitlines()]
