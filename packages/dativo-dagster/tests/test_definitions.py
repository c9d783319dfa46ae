from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_project import CONTRACT, Project

DAGSTER = str(Path(sys.executable).with_name("dagster"))


def test_a_table_is_an_asset_with_what_its_contract_says(project: Project):
    (spec,) = project.specs().values()

    assert spec.key == dg.AssetKey(["acme", "acme", "orders"])
    assert spec.group_name == "acme"
    assert spec.kinds == {"csv", "iceberg"}
    assert spec.owners == ["team:Orders team"]
    assert spec.description == "Every order of the shop."
    assert spec.tags["dativo/tenant"] == "acme"
    assert spec.tags["dativo/domain"] == "shop"
    assert spec.tags["gold"] == ""
    assert spec.metadata["contract"] == "assets/orders.yaml, version 1.2.0"
    assert spec.metadata["inputs"] == "data/acme/orders"
    columns = spec.metadata["dagster/column_schema"]
    assert isinstance(columns, dg.TableSchema)
    assert [(column.name, column.type) for column in columns.columns] == [
        ("id", "long"),
        ("customer", "string"),
        ("amount", "decimal(12, 2)"),
    ]
    assert columns.columns[0].constraints == dg.TableColumnConstraints(nullable=False, other=["primary key"])
    assert columns.columns[1].tags == {"classification": "pii"}
    assert columns.columns[1].description == "Who bought."
    assert columns.columns[2].constraints.other == ["at least 0"]


def test_an_owner_with_an_address_is_a_person(project: Project):
    project.contract(CONTRACT.replace("Orders team", "orders@example.com"))

    assert project.specs()["acme/acme/orders"].owners == ["orders@example.com"]


def test_rules_are_checks(project: Project):
    (assets,) = [each for each in project.definitions().assets or () if isinstance(each, dg.AssetsDefinition)]
    checks = {check.name: check for check in assets.check_specs}

    assert set(checks) == {"rows_keep_the_contract", "enough_orders"}
    assert checks["enough_orders"].metadata["rule"] == "enough orders"


def test_a_job_has_an_asset_job_in_its_tenants_pool(project: Project):
    project.job("acme", "more-orders", target={"table": "more"}, timeout_seconds=60, environment="prod")
    definitions = project.definitions()

    job = definitions.resolve_job_def("ACME__MORE_ORDERS")
    assert job.tags["dativo/tenant"] == "acme"
    assert (job.tags["dativo/environment"], job.tags["dativo/domain"]) == ("prod", "shop")
    # Four attempts of a minute, and 1 + 2 + 4 seconds between them, jittered.
    assert job.tags["dagster/max_runtime"] == "248"
    (assets,) = [
        each
        for each in definitions.assets or ()
        if isinstance(each, dg.AssetsDefinition) and each.op.name == "load__ACME__ORDERS"
    ]
    assert assets.op.pool == "dativo/tenant/acme"


def test_a_table_that_several_jobs_write_is_downstream_of_a_part_of_each(project: Project):
    for name in ("orders", "returns"):
        project.job(
            "acme",
            name,
            schedule={"cron": "0 1 * * *", "name": f"{name} daily"},
            source={
                "files": [{"path": f"data/acme/{name}", "object": "orders"}],
                "incremental": {"strategy": "file_modified_time"},
            },
            target={"table": "orders", "mode": "append"},
        )
    project.schedules.pop(0)

    specs = project.specs()

    assert set(specs) == {"acme/acme/orders", "acme/acme/orders/orders", "acme/acme/orders/returns"}
    table = specs["acme/acme/orders"]
    assert {dep.asset_key.to_user_string() for dep in table.deps} == {
        "acme/acme/orders/orders",
        "acme/acme/orders/returns",
    }
    assert "dativo/job" not in table.tags


def test_a_broken_job_is_shown_and_does_not_stop_the_others(project: Project, caplog: pytest.LogCaptureFixture):
    project.job("acme", "broken", source={"files": []}, target={"table": "x", "mod": "append"})
    project.job("acme", "gone")
    (project.root / "jobs/acme/gone.yaml").unlink()

    definitions = project.definitions()

    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {"acme/acme/orders", "acme/broken.yaml", "acme/gone.yaml"}
    assert "did you mean 'mode'?" in (specs["acme/broken.yaml"].description or "")
    assert specs["acme/broken.yaml"].kinds == {"broken"}
    assert [schedule.name for schedule in definitions.schedules or ()] == ["acme_orders"]
    assert "jobs/acme/broken.yaml:" in caplog.text


def test_names_that_dagster_refuses_are_made_fit(project: Project):
    contract = CONTRACT.replace("enough orders", "rows_keep_the_contract").replace(
        "tags: [gold]", "tags: ['a b/ü', dagster/x]"
    )
    project.contract(contract.replace("Orders team", "Team: Ö / <script>"))
    project.schedules.clear()
    for name in ("x-y", "x_y"):
        project.job(
            "acme",
            name,
            schedule={"cron": "* * * * *", "name": "int" if name == "x-y" else "Täglich! 1"},
            target={"table": name},
        )
    project.schedules.append(
        {**project.schedules[0], "name": "täglich? 1", "tags": {"dagster/backfill": "1", "ß": "ö"}}
    )
    project.job("acme", "z", target={"table": "z"})

    definitions = project.definitions()

    dg.Definitions.validate_loadable(definitions)
    assert [schedule.name for schedule in definitions.schedules or ()] == ["int_", "T_glich__1", "t_glich__1", "acme_z"]
    names = {job.name for job in definitions.jobs or ()}
    assert names == {"ACME__X_Y", "ACME__X_Y_2", "ACME__Z"}


def test_three_hundred_jobs_of_a_hundred_tenants_load(project: Project):
    project.schedules.clear()
    for number in range(300):
        tenant = f"tenant{number % 100}"
        project.add_job(tenant, f"orders_{number}", target={"table": f"orders_{number}"})
    project.write_runner()
    load = (
        "from dativo_dagster.code_location import defs; "
        "repository = defs().get_repository_def(); repository.load_all_definitions(); "
        "jobs = [name for name in repository.job_names if not name.startswith('__')]; "
        "print(len(jobs))"
    )

    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=True)

    assert done.stdout == "300\n"


def test_the_code_location_loads_as_dagster_loads_it(project: Project):
    """As a child: what a user runs, with none of the engine's heavy imports."""
    watch = (
        "import sys; from dativo_dagster.code_location import defs; defs().get_repository_def(); "
        "print([m for m in ('pyarrow', 'pyiceberg', 'duckdb', 'httpx') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"

    command = [DAGSTER, "definitions", "validate", "-m", "dativo_dagster.code_location"]
    validated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert validated.returncode == 0, validated.stderr
