"""The files of the instance, what is kept between starts, and what is watched."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dativo_config.models.runner import Runner
from dativo_config.stamps import stamp
from dativo_dagster.service.changes import Changes
from dativo_dagster.service.housekeeping import Diary
from dativo_dagster.service.instance import POSTGRES_URL, postgres_url, write_instance
from dativo_dagster.service.leash import hold_leash, is_held, lock_file
from dativo_dagster.service.ports import refuse_taken
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
    job = tmp_path / "orders.yaml"
    job.write_text("tenant_id: acme\n")
    changes = Changes({job: stamp(job)})
    assert not changes.settled()

    job.write_text("tenant_id: acme\nname: orders\n")
    assert [changes.settled() for _ in range(3)] == [False, True, False]

    job.unlink()
    assert [changes.settled() for _ in range(3)] == [False, True, False]


def test_an_edit_between_reading_and_watching_is_told(tmp_path: Path) -> None:
    job, contract = tmp_path / "orders.yaml", tmp_path / "contract.yaml"
    job.write_text("tenant_id: acme\n")
    changes = Changes({job: stamp(job), contract: None})
    job.write_text("tenant_id: acme\nname: orders\n")
    assert [changes.settled() for _ in range(3)] == [False, True, False]

    contract.write_text("it was looked for, and is there now\n")
    assert [changes.settled() for _ in range(3)] == [False, True, False]


def test_a_service_waits_for_what_a_dead_one_left_behind(tmp_path: Path) -> None:
    with hold_leash(tmp_path):
        pass
    waits = (
        "import fcntl, os, sys, time; descriptor = os.open(sys.argv[1], os.O_RDONLY); "
        "fcntl.flock(descriptor, fcntl.LOCK_SH); print(flush=True); time.sleep(1)"
    )
    command = [sys.executable, "-c", waits, str(lock_file(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as left_behind:
        assert left_behind.stdout is not None
        left_behind.stdout.readline()
        with hold_leash(tmp_path):
            assert is_held(tmp_path)
            assert left_behind.wait(timeout=1) == 0


def test_a_port_beyond_the_last_is_a_problem_that_says_so() -> None:
    with pytest.raises(FatalError, match=r"port 65536 .* --health-port"):
        refuse_taken("127.0.0.1", 65536, option="--health-port")
