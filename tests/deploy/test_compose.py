"""The compose files: valid, in order, and understood by what they start."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.compose import DEVELOPMENT, FILE, REPOSITORY, Try, make_bucket, nessie, s3, services, stripe
from tools.services import nessie as nessie_server
from tools.services import seaweedfs
from tools.services.fixtures import skip_without
from tools.services.postgres import PostgresServer

DATIVO = str(Path(sys.executable).with_name("dativo"))
RUNNER = FILE.with_name("compose") / "runner.yaml"


@pytest.mark.parametrize("file", [FILE, DEVELOPMENT], ids=lambda file: file.name)
def test_it_is_what_the_compose_specification_allows(file: Path) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_service_waits_for_a_sign_that_the_others_give() -> None:
    for name, service in services().items():
        for other, wait in service.get("depends_on", {}).items():
            healthy = wait["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in services()[other]), f"{name} waits for {other}"
            assert healthy or wait["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("file", [FILE, DEVELOPMENT], ids=lambda file: file.name)
def test_every_folder_that_is_mounted_is_in_the_repository(file: Path) -> None:
    volumes = [volume for service in services(file).values() for volume in service.get("volumes", [])]
    mounted = [volume.partition(":")[0] for volume in volumes if volume.startswith(".")]
    assert mounted
    for folder in mounted:
        assert (file.parent / folder).is_dir(), folder


def test_the_history_is_kept_where_the_service_is_told() -> None:
    database = services()["history"]["environment"]
    url = services()["dativo"]["environment"]["DATIVO_DAGSTER_POSTGRES_URL"]
    names = (database[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert url == "postgresql://{}:{}@history:5432/{}".format(*names)


def test_the_code_of_the_working_tree_takes_the_place_of_the_images() -> None:
    development = services(DEVELOPMENT)["dativo"]
    for folder in development["environment"]["PYTHONPATH"].split(":"):
        assert list((REPOSITORY / "packages" / Path(folder).relative_to("/src")).glob("dativo_*/__init__.py"))


def test_what_its_services_are_told_runs_and_loads_both_tables(tmp_path: Path, postgres: PostgresServer) -> None:
    skip_without(seaweedfs.missing() or nessie_server.missing())
    for folder in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    shutil.copytree(RUNNER.parent, tmp_path / "configs")
    at = Try.somewhere()
    data = tmp_path / "data"
    data.mkdir()
    with s3(at, data), stripe(at):
        for _ in ("first", "again, with the volume that is there"):
            made = make_bucket(at)
            assert made.returncode == 0, made.stdout + made.stderr
        with nessie(at, postgres):
            loaded = [rows_loaded(at, job, tmp_path) for job in scheduled()]
    assert loaded == [1461, 250]


def scheduled() -> list[str]:
    """The job files of the runner file, as it names them."""
    return [item["config"] for item in yaml.safe_load(RUNNER.read_text())["runner"]["orchestrator"]["schedules"]]


def rows_loaded(at: Try, job: str, project: Path) -> int:
    """A job run with the variables that the service has."""
    file = project / Path(job).relative_to("/app")
    command = [*at.variables("dativo"), DATIVO, "run", "--config", str(file), "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows_accepted"]
