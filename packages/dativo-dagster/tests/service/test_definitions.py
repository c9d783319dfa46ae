"""What the service serves while files are edited: each job as it last was right."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster_project import CONTRACT, Project
from dativo_config.load import LoadSettings, examine_runner
from dativo_config.models.resolved import ResolvedJob
from dativo_config.problems import ConfigError
from dativo_config.project import open_project
from dativo_dagster import build_definitions
from dativo_dagster.service.changes import Changes
from dativo_dagster.service.definitions import Definitions
from dativo_dagster.service.service import serve
from dativo_dagster.service.settings import ServiceSettings
from dativo_engine.connectors import specs
from dativo_engine.events import EventLog

JOB = "jobs/acme/orders.yaml"


class Served:
    """The definitions of a project, and what was told of them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.log = io.StringIO()
        opened = open_project(project.root, environment={})
        self.settings = ServiceSettings(opened, {})
        self.settings.home.mkdir(parents=True)
        loaded = examine_runner(opened.runner_file, specs(), settings=LoadSettings(project=project.root))
        self.definitions = Definitions(self.settings, loaded, EventLog(self.log))

    def read_again(self) -> dict[str, Any]:
        """Read the files; the last event."""
        assert self.definitions.read_again()
        self.definitions.tell_reloaded(None)
        return json.loads(self.log.getvalue().splitlines()[-1])

    def job(self, name: str = "orders") -> ResolvedJob:
        """A job as a process of the service has it."""
        settings = LoadSettings(project=self.project.root, held=self.settings.held_folder)
        loaded = examine_runner(self.settings.served_file, specs(), settings=settings)
        (found,) = [job for job in loaded.jobs if job.name == name]
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.project.root / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def served(project: Project) -> Served:
    return Served(project)


def test_a_job_that_is_edited_into_something_invalid_is_served_as_it_was(served: Served) -> None:
    served.edit(JOB, "source_connector: csv", "source_connector: cvs")

    told = served.read_again()

    assert served.job().spec.name == "csv"
    assert (told["event_type"], told["level"]) == ("definitions_reloaded", "WARNING")
    assert f"{JOB}:" in told["message"]
    assert "did you mean 'csv'?" in told["message"]
    assert [Path(path).name for path in told["held_jobs"]] == ["orders.yaml"]
    assert [Path(path).name for path in told["broken_jobs"]] == ["orders.yaml"]


def test_the_asset_graph_shows_what_is_wrong_with_a_job_that_is_served_as_it_was(served: Served) -> None:
    served.edit(JOB, "source_connector: csv", "source_connector: cvs")
    served.read_again()

    settings = LoadSettings(project=served.project.root, held=served.settings.held_folder)
    definitions = build_definitions(served.settings.served_file, settings=settings)

    (spec,) = definitions.resolve_all_asset_specs()
    assert "did you mean 'csv'?" in str(spec.metadata["problems"])
    assert str(spec.description).startswith("This job's files hold problems; until they are mended it runs as it did")
    assert [schedule.name for schedule in definitions.schedules or ()] == ["acme_orders"]


def test_an_edit_that_mends_it_is_served_again_and_leaves_no_copy(served: Served) -> None:
    served.edit(JOB, "source_connector: csv", "source_connector: cvs")
    served.read_again()
    served.read_again()
    assert served.job().spec.name == "csv", "a second look keeps it"

    served.edit(JOB, "source_connector: cvs", "source_connector: csv\nname: mended")
    told = served.read_again()

    assert (told["level"], told["held_jobs"]) == ("INFO", [])
    assert served.job("mended")
    assert not served.settings.held_folder.exists()


def test_a_contract_that_is_edited_into_something_invalid_stays_as_it_was(served: Served) -> None:
    served.project.contract(CONTRACT.replace("physicalType: long", "physicalType: lang"))

    assert served.read_again()["level"] == "WARNING"

    assert {str(column.physical_type) for column in served.job().streams[0].schema.properties} >= {"long"}


def test_a_new_job_with_problems_is_broken_and_keeps_no_other_from_being_served(served: Served) -> None:
    served.project.job("acme", "wrong", source_connector="cvs")

    told = served.read_again()

    assert ([Path(path).name for path in told["broken_jobs"]], told["held_jobs"]) == (["wrong.yaml"], [])
    assert [job.name for job in served.definitions.served.jobs] == ["orders"]


def test_what_is_served_is_what_was_read_even_if_the_file_was_edited_since(project: Project) -> None:
    good = (project.root / "configs/runner.yaml").read_text()
    opened = open_project(project.root, environment={})
    loaded = examine_runner(opened.runner_file, specs(), settings=LoadSettings(project=project.root))
    opened.runner_file.write_text("runner: {mode: nonsense}\n")
    settings = ServiceSettings(opened, {})

    Definitions(settings, loaded, EventLog(io.StringIO()))

    assert settings.served_file.read_text() == good


def test_every_file_that_was_read_or_looked_for_is_watched(project: Project) -> None:
    project.write("contracts/mine.yaml", CONTRACT)
    project.add_job("globex", "orders", asset_path="contracts/mine.yaml")
    project.add_job("globex", "later", asset_path="contracts/later.yaml")
    project.write_runner()
    served = Served(project)
    changes = Changes(served.definitions.loaded.looked_at)
    assert not changes.settled()

    for file in ("jobs/globex/orders.yaml", "contracts/mine.yaml", "contracts/later.yaml", "configs/runner.yaml"):
        path = project.root / file
        project.write(file, (path.read_text() if path.exists() else CONTRACT) + "\n")
        assert [changes.settled() for _ in range(3)] == [False, True, False], file


@pytest.mark.parametrize("strict", [True, False])
def test_a_service_does_not_begin_when_it_is_strict_or_no_job_can_run(project: Project, *, strict: bool) -> None:
    if strict:
        project.job("acme", "wrong", source_connector="cvs")
    else:
        project.job("acme", "orders", source_connector="cvs")
        project.schedules.pop()
        project.write_runner()
    opened = open_project(project.root, environment={})
    loaded = examine_runner(opened.runner_file, specs(), settings=LoadSettings(project=project.root))
    settings = replace(ServiceSettings(opened, {}), strict=strict)

    with pytest.raises(ConfigError, match="did you mean 'csv'"):
        serve(settings, loaded, EventLog(io.StringIO()))
