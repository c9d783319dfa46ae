"""What docs/deploy.md shows of other ways to run the image: a CI pipeline, a project baked in, an upgrade."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
import yaml

from tests.deploy.compose import DEVELOPMENT, services
from tests.deploy.page import shown
from tests.image.container import EXAMPLE, Project
from tools.image.engine import Engine

HERE = "/builds/example"
REPOSITORIES = """
from dagster._grpc.client import DagsterGrpcClient
print(DagsterGrpcClient(host="127.0.0.1", port=4000).list_repositories())
"""


def test_a_pipeline_validates_and_loads_with_these_lines(project: Project) -> None:
    (project.root / "jobs" / "demo" / "github_issues_to_iceberg.yaml").unlink()
    project.engine.must(["chown", "-R", "10001:0", str(project.root)])
    pipeline: dict[str, Any] = yaml.safe_load(shown("yaml", "# .gitlab-ci.yml"))
    for job in ("validate", "load"):
        settings = {"CI_PROJECT_DIR": HERE, **pipeline[job].get("variables", {})}
        variables = [f"--env={name}={value.replace('$CI_PROJECT_DIR', HERE)}" for name, value in settings.items()]
        script = " && ".join(pipeline[job]["script"]).replace("jobs/acme", "jobs/demo")
        place = [f"--volume={project.root}:{HERE}", f"--workdir={HERE}", "--entrypoint=sh"]
        container = ["podman", "run", "--rm", "--no-healthcheck", *place, *variables, project.image]
        done = project.engine.run([*container, "-c", script])
        assert done.exit_code == 0, done.stdout + done.stderr
    assert json.loads((project.root / "result.json").read_text())["exit_code"] == 0
    assert (project.root / "state" / "demo").is_dir()


@pytest.fixture
def baked(engine: Engine, project: Project) -> Generator[str]:
    """The image with the example project in it."""
    name = "localhost/dativo-test-baked"
    file = project.root / "Dockerfile"
    file.write_text(shown("dockerfile", "FROM").replace("registry.example.com/dativo:1.1.0", project.image))
    engine.must(["buildah", "bud", "--format=docker", f"--file={file}", f"--tag={name}", str(project.root)])
    yield name
    engine.must(["podman", "rmi", "--force", name])


def test_a_project_that_is_baked_in_runs_without_volumes(engine: Engine, baked: str) -> None:
    command = ["podman", "run", "--rm", "--no-healthcheck", "--network=none", baked]
    done = engine.run([*command, "run", "--config", "/app/jobs/demo/weather_to_iceberg.yaml"])
    assert done.exit_code == 0, done.stderr


def test_a_new_image_judges_the_files_before_it_runs(project: Project) -> None:
    line = shown("console", "dativo:1.1.0 validate").removeprefix("$ docker")
    done = project.engine.run(["sh", "-c", f"podman {line}"], folder=project.root)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert all(f"/app/{folder}:ro" in line for folder in EXAMPLE)


def test_the_history_is_migrated_with_this_line(project: Project) -> None:
    (project.root / "state" / ".dagster").mkdir()
    project.make_example_secrets()
    line = shown("console", "instance migrate").removeprefix("$ docker")
    done = project.engine.run(["sh", "-c", f"podman {line}"], folder=project.root)
    assert done.exit_code == 0, done.stdout + done.stderr


def test_the_development_file_puts_the_working_trees_code_in_place_of_the_images(project: Project) -> None:
    development = services(DEVELOPMENT)["dativo"]
    path = f"--env=PYTHONPATH={development['environment']['PYTHONPATH']}"
    (volume,) = development["volumes"]
    source, place, mode = volume.split(":")
    mounted = f"--volume={(DEVELOPMENT.parent / source).resolve()}:{place}:{mode}"
    program = "import dativo_cli, dativo_config, dativo_dagster, dativo_engine as e; print(e.__file__)"
    done = project.run("-c", program, options=(path, mounted, "--entrypoint=python"))
    assert done.stdout.strip() == "/src/dativo-engine/src/dativo_engine/__init__.py"
    assert project.run("--version", options=(path, mounted)).exit_code == 0


def test_a_dagster_elsewhere_gets_the_definitions_from_the_image(project: Project) -> None:
    (line,) = [text for text in shown("console", "code-server").splitlines() if "code-server" in text]
    (_, command) = line.split("--entrypoint dagster dativo:1.1.0 ")
    server = project.start(*command.split(), options=("--entrypoint=dagster",))
    ask = ["podman", "exec", server, "python", "-c", REPOSITORIES]
    while (answer := project.engine.run(ask)).exit_code:
        assert "Traceback" not in (log := project.logs(server)), log
    assert "dativo_dagster.code_location" in answer.stdout
    assert "__repository__" in answer.stdout
