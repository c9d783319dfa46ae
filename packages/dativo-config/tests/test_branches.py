"""Branches that a job names, and the names of the branches that its runs make."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from config_project import ProjectFolder, told
from dativo_config.tenancy import Tenant, check_id, parse_run_branch
from hypothesis import given
from hypothesis import strategies as st

ORDERS = "jobs/acme/orders.yaml"
NESSIE = '  connection: {nessie: {uri: "http://nessie:19120"}, s3: {bucket: lake}}\n'
IDS = st.from_regex(r"[a-z0-9]+([_-][a-z0-9]+)*", fullmatch=True).filter(lambda text: check_id(text) is None)
RUNS = st.one_of(st.just("20261123t101500-1c2d3e4f"), st.uuids().map(str))


@given(IDS, IDS, RUNS, st.integers(1, 99), st.integers(1, 9))
def test_the_name_of_a_run_branch_says_whose_it_is(tenant: str, job: str, run_id: str, attempt: int, turn: int) -> None:
    owner = Tenant(tenant, Path("state"), Path("secrets"))
    name = owner.run_branch(job, run_id, attempt, turn)
    found = parse_run_branch(name)
    assert found is not None
    assert (found.tenant_id, found.job, found.run_id, found.attempt) == (tenant, job, run_id, attempt)
    assert name.startswith(owner.run_branches(job))


def test_the_age_of_a_run_is_in_the_id_that_dativo_gave_it() -> None:
    found = parse_run_branch("acme__run__orders__20261123t101500-1c2d3e4f-1")
    assert found is not None
    assert found.begun_at == dt.datetime(2026, 11, 23, 10, 15, tzinfo=dt.UTC)
    given_by_another = parse_run_branch("acme__run__orders__7d3e6a3a-2f7e-4a44-9c54-9a8d1c0a1b2c-1")
    assert given_by_another is not None
    assert given_by_another.begun_at is None


@pytest.mark.parametrize("name", ["acme", "acme__reviewed", "main", "acme__run", "acme__run__orders"])
def test_other_branches_are_no_run_branches(name: str) -> None:
    assert parse_run_branch(name) is None


def test_a_job_on_nessie_may_publish_and_choose_its_audit(project: ProjectFolder) -> None:
    write(project, f"{NESSIE}  publish: {{to: acme__reviewed, when: always}}\n  audit: full\n")
    target = project.examine().jobs[0].target
    assert target.publish is not None
    assert (target.publish.to, target.publish.when, target.audit) == ("acme__reviewed", "always", "full")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("  publish: {to: acme__reviewed}\n", "has a meaning on Nessie only"),
        ("  audit: full\n", "has a meaning on Nessie only"),
        (f"{NESSIE}  publish: {{to: acme}}\n", "is the branch that the job writes to"),
        (f"{NESSIE}  branch: acme__run__orders__x-1\n", "is a name that runs give their own branches"),
        (f"{NESSIE}  publish: {{to: globex}}\n", "does not belong to tenant 'acme'"),
        (f"{NESSIE}  publish: {{to: main}}\n", "does not belong to tenant 'acme'"),
        (f"{NESSIE}  branch: acme__x.\n", "is no branch name"),
    ],
)
def test_what_makes_no_sense_is_told(project: ProjectFolder, target: str, problem: str) -> None:
    write(project, target)
    (found,) = told(project.examine())
    assert problem in found


def write(project: ProjectFolder, target: str) -> None:
    project.change(ORDERS, "  mode: append\n", f"  mode: append\n{target}")
