"""No tenant id, path, branch, namespace or variable that a job can write leads out of its tenant's walls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.project import Project

PLANTED = "planted-in-another-tenant"
SECRET = {"DATIVO_SECRET__OTHER__TOKEN": PLANTED, "DATIVO_SECRET__ACME__OWN": "own-secret-1"}

TENANTS = [
    "../other",
    "/etc",
    "acme/../other",
    "..",
    ".",
    "ACME",
    "acme__x",
    "global",
    "all",
    "default",
    "main",
    "other",
    "acme\\u200b",
    "acme\\n",
    "\\u0430cme",
    "a" * 64,
    "-acme",
    "acme-",
    "%2e%2e",
    "${HOME}",
    "$(id)",
    "acme;id",
    "",
]
PATHS = [
    "../elsewhere/orders.csv",
    "/etc/passwd",
    "file:///etc/passwd",
    "secrets/acme/token",
    "secrets/other/token",
    "data/acme/../../secrets/other/token",
    "state/other/jobs/orders.json",
    "jobs/other/orders.csv",
    "jobs/other/*.csv",
    "data/acme/link.csv",
    "data/acme/linked/token",
    "./jobs/acme/../other/orders.csv",
]
TARGETS = [
    "branch: other",
    "branch: main",
    "branch: other__audit",
    "branch: acme_other",
    "branch: acme/../other",
    "namespace: other",
    "namespace: other.sales",
    "namespace: acmeother",
    "namespace: ../other",
    "table: ../other",
    "table: orders__rejected",
    "warehouse: state/other/warehouse",
    "publish: {to: other}",
]
VALUES = [
    "${DATIVO_SECRET__OTHER__TOKEN}",
    "${DATIVO_SECRET__OTHER__TOKEN:-none}",
    "${secret:other/token}",
    "${secret:../other/token}",
    "${secret:OTHER__TOKEN}",
]


@pytest.fixture
def walled(project: Project) -> Project:
    """The tenant acme beside another, whose every file holds a planted text, and links that lead to them."""
    for file in ("secrets/other/token", "state/other/jobs/orders.json", "jobs/other/orders.csv", "secrets/acme/token"):
        (project.root / file).parent.mkdir(parents=True, exist_ok=True)
        (project.root / file).write_text(f"id,customer,amount\n1,{PLANTED},1.00\n")
    elsewhere = project.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "orders.csv").write_text(f"id,customer,amount\n1,{PLANTED},1.00\n")
    project.orders("day1.csv", [(1, "ada", "1.50")])
    (project.root / "data" / "acme" / "link.csv").symlink_to(project.root / "secrets" / "other" / "token")
    (project.root / "data" / "acme" / "linked").symlink_to(project.root / "secrets" / "other")
    return project


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_hostile_tenant_id_is_refused(walled: Project, tenant: str) -> None:
    job = walled.job()
    file = walled.root / job
    file.write_text(file.read_text().replace("tenant_id: acme", f'tenant_id: "{tenant}"'))

    assert_refused(walled, job)


@pytest.mark.parametrize("path", PATHS)
def test_a_source_path_out_of_the_walls_is_refused(walled: Project, path: str) -> None:
    job = walled.job()
    file = walled.root / job
    file.write_text(file.read_text().replace("path: data/acme/orders", f'path: "{path}"'))

    assert_refused(walled, job)


@pytest.mark.parametrize("setting", TARGETS)
def test_a_target_of_another_tenant_is_refused(walled: Project, setting: str) -> None:
    assert_refused(walled, walled.job(extra=f"target: {{{setting}}}\n"))


@pytest.mark.parametrize("value", VALUES)
def test_a_secret_of_another_tenant_is_refused(walled: Project, value: str) -> None:
    job = walled.job(extra=f'target: {{connection: {{sql: {{uri: "{value}"}}}}}}\n')

    assert_refused(walled, job)


def assert_refused(project: Project, job: str) -> None:
    """The run fails with a message, reads nothing of others, and writes nothing outside `state/acme`."""
    before = everything_but_own_state(project)

    done = project.dativo("run", "--config", job, environment=SECRET)

    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    assert PLANTED not in done.stdout + done.stderr
    assert everything_but_own_state(project) == before
    assert project.metadata_location() is None


def everything_but_own_state(project: Project) -> dict[Path, bytes]:
    """All files beside the tenant's own state and the locks of run slots."""
    own = (project.root / "state" / "acme", project.root / "state" / ".leases")
    return {
        file: file.read_bytes()
        for file in project.root.parent.rglob("*")
        if file.is_file() and not file.is_relative_to(own[0]) and not file.is_relative_to(own[1])
    }
