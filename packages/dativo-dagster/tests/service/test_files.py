"""The files of the instance, what is kept between starts, and what is watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dativo_config.models.runner import Runner
from dativo_config.project import open_project
from dativo_dagster.service.changes import Changes
from dativo_dagster.service.housekeeping import Diary
from dativo_dagster.service.instance import POSTGRES_URL, postgres_url, write_instance
from dativo_dagster.service.leash import hold_leash, is_held
from dativo_engine.errors import FatalError

RUNNER = Runner.model_validate(
    {"mode": "orchestrated", "orchestrator": {"type": "dagster", "schedules": [], "concurrency_per_tenant": 2}}
)


def test_dagster_takes_the_instance_as_it_is_written(tmp_path: Path) -> None:
    assert write_instance(tmp_path, RUNNER, code_socket=tmp_path / "s", postgres=False)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert (limits.max_concurrent_runs, limits.tag_concurrency_limits[0]["limit"]) == (10, 2)
        assert not instance.telemetry_enabled
    assert not write_instance(tmp_path, RUNNER, code_socket=tmp_path / "other", postgres=False), "nothing changed"


def test_somebody_elses_instance_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}\n")

    with pytest.raises(FatalError, match="DAGSTER_HOME"):
        write_instance(tmp_path, RUNNER, code_socket=tmp_path / "s", postgres=False)


def test_the_address_of_postgres_is_in_no_file_and_names_its_driver(tmp_path: Path) -> None:
    write_instance(tmp_path, RUNNER, code_socket=tmp_path / "s", postgres=True)

    assert yaml.safe_load((tmp_path / "dagster.yaml").read_text())["storage"] == {
        "postgres": {"postgres_url": {"env": POSTGRES_URL}}
    }
    assert postgres_url({POSTGRES_URL: "postgres://u:p@h/d"}) == "postgresql+psycopg2://u:p@h/d"
    assert postgres_url({POSTGRES_URL: ""}) is None


def test_one_service_holds_a_folder(tmp_path: Path) -> None:
    with hold_leash(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(FatalError, match="process"), hold_leash(tmp_path):
            pass
    assert not is_held(tmp_path)


def test_the_daily_work_is_due_a_day_after_it_was_last_done(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "housekeeping")
    assert not diary.is_due(), "the first day begins"
    diary.file.write_text((datetime.now(UTC) - timedelta(hours=25)).isoformat())

    assert diary.is_due()
    assert not diary.is_due()


def test_changes_are_told_once_and_not_before_they_have_settled(tmp_path: Path) -> None:
    job = tmp_path / "jobs" / "acme" / "orders.yaml"
    job.parent.mkdir(parents=True)
    job.write_text("tenant_id: acme\n")
    changes = Changes(open_project(tmp_path, environment={}))
    assert not changes.settled()

    job.write_text("tenant_id: acme\nname: orders\n")
    assert [changes.settled() for _ in range(3)] == [False, True, False]

    job.unlink()
    assert [changes.settled() for _ in range(3)] == [False, True, False]
