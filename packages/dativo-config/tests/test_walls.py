"""What a tenant's job may read of this machine: hostile paths, as files of a job would write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_project import ProjectFolder, told
from dativo_config.project import Project, find_root, open_project
from dativo_config.walls import Walls

ORDERS = "jobs/acme/orders.yaml"


@pytest.fixture
def walls(project: ProjectFolder, tmp_path: Path) -> Walls:
    for folder in ("jobs/globex", "data/globex", "data/acme", "secrets/acme", "state/acme", "shared"):
        (project.root / folder).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    links = {
        "jobs/acme/data/out": tmp_path / "outside",
        "jobs/acme/data/them": project.root / "data/globex",
        "jobs/acme/data/keys": project.root / "secrets",
        "jobs/acme/data/etc.csv": Path("/etc/passwd"),
    }
    for name, target in links.items():
        (project.root / name).symlink_to(target)
    return Walls(open_project(project.root, environment={}), "acme", (tmp_path / "opened" / "acme",))


@pytest.mark.parametrize(
    "text",
    [
        "jobs/acme/data/orders.csv",
        "jobs/acme/data/not_there_yet.csv",
        "jobs/acme/data/*.csv",
        "jobs/acme/**/*.csv",
        "data/acme",
        "data/acme/2024-*/part-?.csv",
        "shared",
        "shared/**",
        "assets/globex/reference.csv",
        "/app/jobs/acme/data/orders.csv",
        "{root}/jobs/acme/data/orders.csv",
        "{tmp}/opened/acme/x.csv",
        "s3://bucket/globex/../x.csv",
        "https://example.org/x.csv",
    ],
)
def test_a_job_reads_inside_its_walls(walls: Walls, tmp_path: Path, text: str):
    assert walls.refusal(text.format(root=walls.project.root, tmp=tmp_path)) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("../x.csv", "`..`"),
        ("jobs/acme/../globex/x.csv", "`..`"),
        ("/app/../etc/passwd", "`..`"),
        ("/etc/passwd", "out of the project"),
        ("/proc/self/environ", "out of the project"),
        ("file:///etc/passwd", "out of the project"),
        ("file:///%65tc/passwd", "out of the project"),
        ("/", "secrets folder"),
        ("/*/passwd", "out of the project"),
        ("{tmp}/opened/globex/x.csv", "out of the project"),
        ("{tmp}/opened/acme2/x.csv", "out of the project"),
        ("~/x.csv", ""),
        (".", "secrets folder"),
        ("", "secrets folder"),
        ("{root}", "secrets folder"),
        ("**/*.csv", "secrets folder"),
        ("*/acme/*", "secrets folder"),
        ("s*/**", "secrets folder"),
        ("[s]ecrets/globex/x", "secrets folder"),
        ("secrets", "secrets folder"),
        ("secrets/acme/key", "secrets folder"),
        ("secrets/globex/key", "secrets folder"),
        ("./secrets/globex/key", "secrets folder"),
        ("state/acme/catalog.db", "state folder"),
        ("state/globex/warehouse/**/*.parquet", "state folder"),
        ("configs/runner.yaml", "configs folder"),
        (".env", "hidden"),
        ("jobs/acme/.env", "hidden"),
        ("jobs/globex/x.csv", "another tenant"),
        ("jobs/*/x.csv", "another tenant"),
        ("jobs/g*/x.csv", "another tenant"),
        ("jobs", "another tenant"),
        ("jobs/**", "another tenant"),
        ("data/globex/x.csv", "another tenant"),
        ("data", "another tenant"),
        ("data/*", "another tenant"),
        ("data/?lobex/x.csv", "another tenant"),
        ("data/[!a]*/x.csv", "another tenant"),
        ("jobs/acme/data/out/x.csv", "out of the project"),
        ("jobs/acme/data/etc.csv", "out of the project"),
        ("jobs/acme/data/them/x.csv", "another tenant"),
        ("jobs/acme/data/keys/acme/key", "secrets folder"),
        ("jobs/acme/data/\0.csv", "NUL"),
    ],
)
def test_a_job_reads_nothing_outside_its_walls(walls: Walls, tmp_path: Path, text: str, says: str):
    refusal = walls.refusal(text.format(root=walls.project.root, tmp=tmp_path))

    if text == "~/x.csv":  # a folder named `~` in the project: nothing is expanded
        assert refusal == ""
    else:
        assert says in refusal
        assert refusal


def test_secrets_and_state_are_walled_wherever_they_lie(project: ProjectFolder):
    root = project.root
    project.write("vault/acme/key", "x")
    moved = Project(root, root / "lake", root / "vault")

    assert "secrets" in Walls(moved, "acme").refusal("vault/acme/key")
    assert "state" in Walls(moved, "acme").refusal("lake/globex/catalog.db")


def test_a_refused_path_is_a_problem_at_its_place(project: ProjectFolder):
    project.change(ORDERS, "path: jobs/acme/data/orders.csv", "path: /etc/passwd")

    (problem,) = told(project.examine())

    assert problem.startswith("orders.yaml:5: the path leads out of the project; copy the data into the project")
    assert "runner.shared.folders" in problem


def test_the_operator_opens_a_folder_for_each_tenant(project: ProjectFolder, tmp_path: Path):
    (tmp_path / "lake" / "acme").mkdir(parents=True)
    project.change(ORDERS, "path: jobs/acme/data/orders.csv", f"path: {tmp_path}/lake/acme/*.csv")
    folders = f'  timeout_seconds: 3600\n  shared: {{folders: ["{tmp_path}/lake/{{tenant}}"]}}'
    project.change("configs/runner.yaml", "  timeout_seconds: 3600", folders)

    (job,) = project.examine().jobs

    assert job.streams[0].inputs == (f"{tmp_path}/lake/acme/*.csv",)
    assert job.walls.refusal(f"{tmp_path}/lake/acme/a.csv") == ""
    assert job.walls.refusal(f"{tmp_path}/lake/globex/a.csv") != ""


@pytest.mark.parametrize("path", ["../orders.yaml", "/etc/passwd", "secrets/x.yaml", "jobs/globex/x.yaml", "s3://b/x"])
def test_a_contract_lies_inside_the_walls_too(project: ProjectFolder, path: str):
    (project.root / "jobs/globex").mkdir()
    project.change(ORDERS, "asset_path: assets/shop/orders.yaml", f"asset_path: {path}")

    (problem,) = told(project.examine())

    assert problem.startswith("orders.yaml:12: the path ")


def test_the_project_is_given_or_named_or_the_nearest_folder_with_jobs(project: ProjectFolder, tmp_path: Path):
    job = project.root / ORDERS

    assert find_root(job, given=None, environment={}) == project.root
    assert find_root(job, given=None, environment={"DATIVO_HOME": "/srv"}) == Path("/srv")
    assert find_root(job, given=tmp_path, environment={"DATIVO_HOME": "/srv"}) == tmp_path
    assert find_root(tmp_path / "alone.yaml", given=None, environment={}) == tmp_path


def test_files_written_for_the_image_work_on_a_laptop(project: ProjectFolder):
    project.change(ORDERS, "asset_path: assets", "asset_path: /app/assets")
    project.change(ORDERS, "path: jobs", "path: /app/jobs")

    (job,) = project.examine().jobs

    assert job.streams[0].inputs == (str(project.root / "jobs/acme/data/orders.csv"),)


def test_the_state_folder_can_lie_elsewhere(project: ProjectFolder, tmp_path: Path):
    project.variables["STATE_DIR"] = str(tmp_path / "elsewhere")

    tenant = project.examine().jobs[0].tenant

    assert tenant.catalog_file == tmp_path / "elsewhere" / "acme" / "catalog.db"
    assert tenant.secrets_folder == project.root / "secrets" / "acme"
