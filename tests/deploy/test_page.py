"""The settings of other programs on the page: run or judged by those programs where a machine may have them."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from tests.deploy.page import shown
from tests.docs.documents import REPOSITORY

BESIDE = Path(sys.executable).parent
COMMAND = ["run", "--config", "/app/jobs/acme/stripe_customers_to_iceberg.yaml", "--mode", "self_hosted"]


def judged(*command: str | Path) -> None:
    """A judge has nothing to say against it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = shown("ini", "dativo.service").replace("/opt/dativo/bin/dativo", str(BESIDE / "dativo"))
    file = tmp_path / "dativo.service"
    file.write_text(unit)
    settings = configparser.ConfigParser(interpolation=None)
    settings.optionxform = str  # pyright: ignore[reportAttributeAccessIssue] - as the library's documentation has it
    settings.read_string(unit)
    words = settings["Service"]["ExecStart"].split()
    assert float(words[words.index("--grace") + 1]) < float(settings["Service"]["TimeoutStopSec"])
    made = settings["Service"]["ExecStartPre"].split()
    assert settings["Service"]["ReadWritePaths"].removeprefix("-") == made[-1], "nothing makes the folder"
    assert f"--owner={settings['Service']['User']}" in made
    if shutil.which("systemd-analyze"):
        judged("systemd-analyze", "verify", "--man=no", file)


def test_gitlab_takes_the_pipeline(tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(shown("yaml", "# .gitlab-ci.yml"))
    judged(BESIDE / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", file)


def test_kubernetes_takes_the_cron_job_and_its_container_runs_a_job_of_the_example(tmp_path: Path) -> None:
    file = tmp_path / "cronjob.yaml"
    file.write_text(shown("yaml", "# cronjob.yaml"))
    judged(BESIDE / "kubernetes-validate", "--strict", file)
    pod: dict[str, Any] = yaml.safe_load(file.read_text())["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == COMMAND
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_ecs_takes_the_task() -> None:
    task = json.loads(shown("json", "FARGATE"))
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert ParamValidator().validate(task, shape).generate_report() == ""
    spoilt = ParamValidator().validate({**task, "cpus": "512"}, shape)
    assert "cpus" in spoilt.generate_report(), "unknown names are told"


def test_the_other_schedulers_run_the_same() -> None:
    (on_ecs,) = json.loads(shown("json", "FARGATE"))["containerDefinitions"]
    job = yaml.safe_load(shown("yaml", "# cloudrun-job.yaml"))
    (on_cloud_run,) = job["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    assert [on_ecs["command"], on_cloud_run["args"]] == [COMMAND, COMMAND]
    assert (REPOSITORY / Path(COMMAND[2]).relative_to("/app")).exists()


@pytest.mark.parametrize("word", ["filebeat.inputs", "splunk_token"])
def test_the_shippers_settings_are_yaml(word: str) -> None:
    assert yaml.safe_load(shown("yaml", word))


@pytest.mark.parametrize("word", ["[http://dativo]", "TIME_PREFIX"])
def test_splunks_settings_are_its_kind_of_file(word: str) -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string(shown("ini", word))
    assert settings.sections()
