from __future__ import annotations

from pathlib import Path

import yaml
from dagster_project import Project
from dativo_config.load import load_runner
from dativo_dagster.service.instance import write_instance


def limits(project: Project, home: Path) -> list[dict[str, object]]:
    """How many runs Dagster is told to let go on at once, by tag."""
    runner = load_runner(project.root / "configs" / "runner.yaml")
    write_instance(home, runner, code_socket=home / "socket", postgres=False)
    return yaml.safe_load((home / "dagster.yaml").read_text())["concurrency"]["runs"]["tag_concurrency_limits"]


def test_a_tenant_has_as_many_runs_at_once_as_the_runner_file_says(project: Project, tmp_path: Path):
    project.settings["concurrency_per_tenant"] = 3
    project.write_runner()

    assert limits(project, tmp_path) == [
        {"key": "dativo/tenant", "value": {"applyLimitPerUniqueValue": True}, "limit": 3}
    ]


def test_runs_of_a_schedule_that_queue_up_go_on_as_many_at_once_as_it_says(project: Project, tmp_path: Path):
    project.settings["concurrency_per_tenant"] = 3
    project.schedules[0].update(overlap="queue", max_concurrent_runs=2)
    project.write_runner()

    assert limits(project, tmp_path)[1:] == [{"key": "dativo/schedule", "value": "acme orders", "limit": 2}]
