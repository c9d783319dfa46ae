"""Once a day: old runs leave Dagster's history, and every table is maintained (`maintenance.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

DAY = timedelta(days=1)
BATCH = 200
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True, slots=True)
class Diary:
    """When the daily work was last begun, kept in a file: a service that is restarted daily does it all the same."""

    file: Path

    def is_due(self) -> bool:
        """Whether a day has gone by since, and if so the next day begins; the first begins with the first question."""
        now = datetime.now(UTC)
        try:
            last = datetime.fromisoformat(self.file.read_text().strip())
        except (FileNotFoundError, ValueError):
            last = now
        due = now - last >= DAY
        if due or last == now:
            self.file.write_text(now.isoformat())
        return due


def delete_old_runs(instance: dg.DagsterInstance, days: int, *, unless: Callable[[], bool] = lambda: False) -> int:
    """Delete finished runs that were made so many days ago, with their events, until `unless`; how many."""
    old = dg.RunsFilter(statuses=FINISHED, created_before=datetime.now(UTC) - timedelta(days=days))
    deleted = 0
    while records := instance.get_run_records(old, limit=BATCH):
        for record in records:
            if unless():
                return deleted
            instance.delete_run(record.dagster_run.run_id)
            deleted += 1
    return deleted
