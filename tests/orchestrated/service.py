"""A service as a user starts it: `dativo start orchestrated` in a process of its own, its log, and its UI's GraphQL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.orchestrated.tenants import DATIVO, Event, Tenants
from tools.services.ports import free_ports

# Several services, servers and test processes may share two cores.
PATIENCE_SECONDS = 400.0

OVER = ("SUCCESS", "FAILURE", "CANCELED")

_LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }
"""
_LOG = """
query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } } }
"""
_EVALUATE = """
mutation($selector: ScheduleSelector!, $timestamp: Float) { scheduleDryRun(
    selectorData: $selector, timestamp: $timestamp
) { __typename ... on DryRunInstigationTick { evaluationResult { skipReason } } ... on PythonError { message } } }
"""
_RUNS = "query { runsOrError { ... on Runs { results { runId status jobName tags { key value } } } } }"
_CANCEL = "mutation($ids: [String!]!) { terminateRuns(runIds: $ids) { __typename } }"
_ASSETS = """
query { repositoryOrError(
    repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "dativo"}
) { ... on Repository { assetNodes { assetKey { path } isExecutable } } } }
"""


@dataclass
class Service:
    """One service of a project.

    Attributes:
        path: where a proxy would serve the UI.
        lines: the log so far, as it was written.
    """

    tenants: Tenants
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    path: str = ""
    lines: list[str] = field(default_factory=list[str])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(timeout=20)
        assert self.process.stderr is not None
        self.process.stderr.close()
        if kind is not None:
            print("".join(self.lines[-150:]))

    def start(self) -> None:
        """Start it; `wait_for("orchestrator_ready")` waits until it answers."""
        port, health = free_ports(2)
        self.url, self.health_url = f"http://localhost:{port}{self.path}", f"http://localhost:{health}/health"
        place = ("--host", "127.0.0.1", "--port", str(port), "--health-port", str(health), "--path-prefix", self.path)
        self.process = subprocess.Popen(
            [DATIVO, "start", "orchestrated", *place, *self.arguments],
            cwd=self.tenants.root,
            env=self.tenants.environment(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ended(self, *, within: float) -> int:
        """The exit code, once it has ended and its log is whole."""
        code = self.process.wait(timeout=within)
        self._reader.join(timeout=20)
        return code

    @property
    def events(self) -> list[Event]:
        """The log so far; each line must be JSON."""
        return [json.loads(line) for line in list(self.lines)]

    def told(self, event_type: str, **fields: object) -> list[Event]:
        """The events of a kind, with these fields."""
        return [
            event
            for event in self.events
            if event["event_type"] == event_type and all(event.get(name) == value for name, value in fields.items())
        ]

    def wait_for(self, event_type: str, *, count: int = 1, **fields: object) -> list[Event]:
        """The events of a kind, once there are so many."""
        self.until(lambda: len(self.told(event_type, **fields)) >= count, f"{count} {event_type} {fields}")
        return self.told(event_type, **fields)

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert time.monotonic() < give_up, f"not in {PATIENCE_SECONDS:g} s: {what}"
            assert self.process.poll() is None, f"the service ended before: {what}"
            time.sleep(0.2)

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of a GraphQL answer, as the UI gets it."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def launch(self, job: str, assets: Sequence[Sequence[str]] = ()) -> str:
        """Launch a run as the UI's button does; its id."""
        selector: dict[str, object] = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "dativo",
            "pipelineName": job,
        }
        if assets:
            selector["assetSelection"] = [{"path": path} for path in assets]
        params = {"selector": selector, "runConfigData": {}, "mode": "default"}
        answer = self.graphql(_LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def evaluate(self, schedule: str, due: datetime) -> dict[str, Any]:
        """Press "Test schedule" with a time."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "dativo",
            "scheduleName": schedule,
        }
        answer = self.graphql(_EVALUATE, selector=selector, timestamp=due.timestamp())["scheduleDryRun"]
        assert answer["__typename"] == "DryRunInstigationTick", answer
        return answer["evaluationResult"]

    def cancel(self, *run_ids: str) -> None:
        """Press "Terminate" for these runs. For one whose code server was replaced the answer is an error page."""
        with suppress(urllib.error.HTTPError):
            self.graphql(_CANCEL, ids=run_ids)

    def materialize_all(self) -> str:
        """Press "Materialize all" in the asset graph."""
        return self.launch("__ASSET_JOB", self.executable_assets())

    def executable_assets(self) -> list[list[str]]:
        """The keys of the assets that can be materialised, as the asset graph has them."""
        nodes = self.graphql(_ASSETS)["repositoryOrError"]["assetNodes"]
        return [node["assetKey"]["path"] for node in nodes if node["isExecutable"]]

    def runs(self) -> dict[str, dict[str, str]]:
        """Every run: id to job, status and tags."""
        return {
            run["runId"]: {
                "job": run["jobName"],
                "status": run["status"],
                **{tag["key"]: tag["value"] for tag in run["tags"]},
            }
            for run in self.graphql(_RUNS)["runsOrError"]["results"]
        }

    def health(self) -> dict[str, Any]:
        """What the health endpoint answers."""
        try:
            with urllib.request.urlopen(self.health_url, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def is_healthy(self) -> bool:
        """Whether it says that all is well."""
        return self.health()["healthy"]

    def answers(self) -> bool:
        """Whether its UI does."""
        try:
            self.runs()
        except OSError:
            return False
        return True

    def status(self, run_id: str) -> str:
        """How a run stands."""
        return self.runs()[run_id]["status"]

    def is_retried(self, run_id: str) -> bool:
        """Whether a run was tried again in another one, and nothing is in progress any more."""
        runs = self.runs().values()
        retried = any(run.get("dagster/root_run_id") == run_id for run in runs)
        return retried and all(run["status"] in OVER for run in runs)

    def process_of(self, run_id: str) -> int:
        """The process that runs a run."""
        entries = self.graphql(_LOG, id=run_id)["logsForRun"]["events"]
        (pid,) = [int(found[1]) for entry in entries if (found := re.search(r"for run \(pid: (\d+)", entry["message"]))]
        return pid

    def processes(self) -> dict[int, str]:
        """Every process below the service, with its command line."""
        parents: dict[int, int] = {}
        lines: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                line = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(folder.name)], lines[int(folder.name)] = int(fields[1]), line
        found = {self.process.pid}
        while fresh := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= fresh
        return {pid: lines[pid] for pid in found if pid in lines}

    def kill(self, part: str) -> int:
        """`kill -9` the process whose command line has `part`; its id."""
        (pid,) = [
            pid for pid, line in self.processes().items() if part in line and "dativo_engine.attached" not in line
        ]
        os.kill(pid, signal.SIGKILL)
        return pid

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
