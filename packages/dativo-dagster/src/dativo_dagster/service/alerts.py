"""Tells a webhook of runs that failed for good and of contracts that were broken."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dativo_config.interpolate import resolve_secret
from dativo_config.models.runner import AlertEvent, Alerts, Runner
from dativo_config.secrets import SecretError, open_secrets
from dativo_engine.events import EventLog

from dativo_dagster.assets import JOB_TAG
from dativo_dagster.names import tenant_of
from dativo_dagster.service.failures import failures
from dativo_dagster.service.settings import ServiceSettings

TRIES = 3
SECONDS_BETWEEN_TRIES = 2.0
SECONDS_TO_ANSWER = 5.0
# Slack cuts longer texts; what a reader needs comes first.
LONGEST_TEXT = 3000
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
WILL_RETRY_TAG = "dagster/will_retry"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody should know."""

    event: AlertEvent
    tenant: str
    job: str
    dagster_run_id: str
    at: datetime
    reason: str
    url: str

    def body(self) -> Mapping[str, str]:
        """What is posted: Slack shows `text`, other receivers find the parts beside it."""
        what = "failed" if self.event == "run_failure" else "broke its contract"
        text = f"{self.tenant}/{self.job} {what}: {self.reason}\n{self.url}"
        return {
            "text": text[:LONGEST_TEXT],
            "event": self.event,
            "tenant_id": self.tenant,
            "job_name": self.job,
            "dagster_run_id": self.dagster_run_id,
            "timestamp": self.at.isoformat(),
            "reason": self.reason[:LONGEST_TEXT],
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class Alarm:
    """Looks for what runs ended with since it last looked, also before a restart, and tells it once."""

    settings: ServiceSettings
    events: EventLog

    @property
    def cursor_file(self) -> Path:
        """Up to which moment it has looked."""
        return self.settings.home / "alerts"

    def look(self, instance: dg.DagsterInstance, runner: Runner) -> None:
        """Post what is new. A webhook that does not take an alert is logged and not asked again for it."""
        ui = (runner.orchestrator.public_url or self.settings.url).rstrip("/")
        since = self._cursor()
        # A run is told by its last change; one that changes while we look is found by the next look.
        records = instance.get_run_records(
            dg.RunsFilter(statuses=FINISHED, updated_after=since), order_by="update_timestamp", ascending=True
        )
        for record in records:
            for alert in self._found(instance, record.dagster_run, at=record.update_timestamp, ui=ui):
                self._tell(alert, runner.alerts)
            self.cursor_file.write_text(record.update_timestamp.isoformat())

    def _cursor(self) -> datetime:
        try:
            return datetime.fromisoformat(self.cursor_file.read_text().strip())
        except (FileNotFoundError, ValueError):
            # What happened before there was anybody to tell is history.
            now = datetime.now(UTC)
            self.cursor_file.write_text(now.isoformat())
            return now

    def _found(self, instance: dg.DagsterInstance, run: dg.DagsterRun, *, at: datetime, ui: str) -> Iterator[Alert]:
        if run.tags.get(WILL_RETRY_TAG) == "true" and run.status is dg.DagsterRunStatus.FAILURE:
            return
        job, url = run.tags.get(JOB_TAG, run.job_name), f"{ui}/runs/{run.run_id}"
        broken, failed = _broken_checks(instance, run.run_id), failures(instance, run)
        for tenant in sorted({*broken, *failed}):
            told = broken.get(tenant, [])
            reason = self.events.redactor(failed.get(tenant) or "; ".join(told))
            yield Alert("contract_failure" if told else "run_failure", tenant, job, run.run_id, at, reason, url)

    def _tell(self, alert: Alert, alerts: Alerts) -> None:
        target = alerts.of(alert.tenant)
        if target.webhook is None or alert.event not in target.events:
            return
        told = {"tenant_id": alert.tenant, "job_name": alert.job, "dagster_run_id": alert.dagster_run_id}
        try:
            owner = self.settings.project.tenant(alert.tenant or "global")
            secrets = open_secrets(owner, manager=self.settings.secret_manager, environment=self.settings.environment)
            url = resolve_secret(target.webhook, secrets).get_secret_value()
            self.events.redactor.add([url])
            _post(url, json.dumps(alert.body()).encode())
        except (SecretError, OSError, ValueError) as error:
            message = f"The alert of {alert.tenant}/{alert.job} reached nobody: {error}"
            self.events.emit("alert_failed", message, level="ERROR", **told)
        else:
            self.events.emit("alert_sent", f"Told of {alert.tenant}/{alert.job}: {alert.event}", **told)


def _post(url: str, body: bytes) -> None:
    if not url.startswith(("https://", "http://")):
        message = "the webhook is no http or https URL"
        raise ValueError(message)
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - checked
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER):  # noqa: S310 - checked above
                return
        except urllib.error.HTTPError as error:
            # It was understood and refused: the same again is refused again.
            if attempt == TRIES or (error.code < 500 and error.code != 429):
                raise
        except OSError:
            if attempt == TRIES:
                raise
        time.sleep(SECONDS_BETWEEN_TRIES)


def _broken_checks(instance: dg.DagsterInstance, run_id: str) -> dict[str, list[str]]:
    """What the checks of each tenant's tables found."""
    found: dict[str, list[str]] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = entry.dagster_event
        if event is not None and not event.asset_check_evaluation_data.passed:
            data = event.asset_check_evaluation_data
            told = f"{data.asset_key.to_user_string()} {data.check_name}: {data.description or 'not passed'}"
            found.setdefault(tenant_of(data.asset_key), []).append(told)
    return found
