"""Which catalogue and store a job's tables are in, from the job, its target recipe and the environment."""

from __future__ import annotations

import pytest
from config_project import ProjectFolder, told
from dativo_config.models.resolved import ResolvedTarget

ORDERS = "jobs/acme/orders.yaml"
NESSIE = 'connection: {nessie: {uri: "http://nessie:19120"}, s3: {bucket: lake}}'
RECIPE = """\
name: lake
type: iceberg
roles: [target]
catalog: nessie
connection_template:
  nessie: {uri: "http://nessie:19120", token: "${secret:token}"}
  minio: {endpoint: "http://minio:9000", bucket: lake}
"""


def write_target(project: ProjectFolder, *lines: str) -> None:
    project.change(ORDERS, "  mode: append\n", "  mode: append\n" + "".join(f"  {line}\n" for line in lines))


def target_of(project: ProjectFolder) -> ResolvedTarget:
    loaded = project.examine()
    assert told(loaded) == []
    return loaded.jobs[0].target


def the_problem(project: ProjectFolder) -> str:
    (problem,) = told(project.examine())
    return problem


def test_without_a_connection_catalogue_and_tables_are_in_the_state_folder_whatever_the_environment(
    project: ProjectFolder,
) -> None:
    project.variables.update(
        {"NESSIE_URI": "http://nessie:19120", "S3_BUCKET": "lake", "S3_ENDPOINT": "http://s3:8333"}
    )
    target = target_of(project)
    assert (target.catalog, target.connection, target.warehouse) == ("embedded", None, "")


@pytest.mark.parametrize(
    ("connection", "catalog", "warehouse"),
    [
        ('{nessie: {uri: "http://n:19120"}, s3: {bucket: lake, prefix: /a/b/}}', "nessie", "s3://lake/a/b"),
        ('{rest: {uri: "https://catalog/api"}, minio: {bucket: lake}}', "rest", "s3://lake"),
        ('{sql: {uri: "${secret:dsn}"}, s3: {bucket: lake}}', "sql", "s3://lake"),
        ('{sql: {uri: "postgresql://u@h/d"}}', "sql", ""),
        ("{s3: {bucket: lake}}", "embedded", "s3://lake"),
        ("{}", "embedded", ""),
    ],
)
def test_the_connection_decides_the_catalogue_and_where_tables_lie(
    project: ProjectFolder, connection: str, catalog: str, warehouse: str
) -> None:
    write_target(project, f"connection: {connection}")
    target = target_of(project)
    assert (target.catalog, target.warehouse) == (catalog, warehouse)


def test_a_warehouse_names_bucket_and_folder_in_one(project: ProjectFolder) -> None:
    write_target(project, 'warehouse: "s3://lake/a/"', 'connection: {rest: {uri: "http://r"}}')
    assert target_of(project).warehouse == "s3://lake/a"


def test_variables_complete_what_the_job_names(project: ProjectFolder) -> None:
    project.variables.update(
        {
            "NESSIE_URI": "http://nessie:19120",
            "S3_ENDPOINT": "http://s3:8333",
            "S3_BUCKET": "lake",
            "AWS_ACCESS_KEY_ID": "the-id",
            "AWS_SECRET_ACCESS_KEY": "the-secret",
        }
    )
    write_target(project, "catalog: nessie")
    target = target_of(project)
    assert target.connection is not None
    assert target.connection.nessie is not None
    assert target.connection.nessie.uri == "http://nessie:19120"
    assert target.connection.s3 is not None
    assert target.connection.s3.endpoint == "http://s3:8333"
    assert target.connection.s3.secret_access_key is not None
    assert target.connection.s3.secret_access_key.get_secret_value() == "the-secret"
    assert target.warehouse == "s3://lake"


def test_what_the_job_says_wins_over_variables(project: ProjectFolder) -> None:
    project.variables.update(
        {
            "S3_BUCKET": "theirs",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_SESSION_TOKEN": "x",
        }
    )
    write_target(project, "connection: {s3: {bucket: lake, access_key_id: a, secret_access_key: b}}")
    target = target_of(project)
    assert target.warehouse == "s3://lake"
    assert target.connection is not None
    assert target.connection.s3 is not None
    assert target.connection.s3.session_token is None  # it belongs to other keys


def test_keys_in_variables_belong_to_no_one_where_there_are_several_tenants(project: ProjectFolder) -> None:
    project.variables.update({"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "S3_BUCKET": "lake"})
    project.write("jobs/globex/README.md", "")
    write_target(project, "connection: {s3: {}}")
    target = target_of(project)
    assert target.connection is not None
    assert target.connection.s3 is not None
    assert (target.connection.s3.bucket, target.connection.s3.access_key_id) == ("lake", None)


def test_where_a_server_is_may_stand_in_a_variable_however_many_tenants_there_are(project: ProjectFolder) -> None:
    project.variables.update({"S3_ENDPOINT": "http://s3:8333", "AWS_REGION": "eu-central-1"})
    project.write("jobs/globex/README.md", "")
    write_target(project, 'connection: {s3: {endpoint: "${S3_ENDPOINT}", region: "${AWS_REGION}", bucket: lake}}')
    assert target_of(project).warehouse == "s3://lake"


def test_a_target_recipe_gives_what_the_job_leaves_out(project: ProjectFolder) -> None:
    project.write("connectors/lake.yaml", RECIPE)
    project.change(ORDERS, "target_connector: iceberg", "target_connector_path: connectors/lake.yaml")
    write_target(project, "connection: {minio: {prefix: acme}}")
    target = target_of(project)
    assert (target.catalog, target.warehouse) == ("nessie", "s3://lake/acme")
    assert target.connection is not None
    assert target.connection.nessie is not None
    assert target.connection.nessie.token is not None


def test_a_job_may_name_another_catalogue_and_store_than_its_recipe(project: ProjectFolder) -> None:
    project.write("connectors/lake.yaml", RECIPE.replace("catalog: nessie\n", ""))
    project.change(ORDERS, "target_connector: iceberg", "target_connector_path: connectors/lake.yaml")
    write_target(project, 'connection: {rest: {uri: "http://r"}, s3: {bucket: other}}')
    target = target_of(project)
    assert (target.catalog, target.warehouse) == ("rest", "s3://other")
    assert target.connection is not None
    assert (target.connection.nessie, target.connection.minio) == (None, None)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ['connection: {nessie: {uri: "http://n"}, rest: {uri: "http://r"}, s3: {bucket: b}}'],
            "two catalogues at once",
        ),
        (["connection: {s3: {bucket: a}, minio: {bucket: b}}"], "two stores at once"),
        (["catalog: rest", NESSIE], "is rest, and the connection is to nessie"),
        (["catalog: embedded", NESSIE], "is embedded, and the connection is to nessie"),
        (["catalog: rest"], "is rest, and nothing says where it is; write target.connection.rest.uri"),
        (["catalog: nesie", NESSIE], "found 'nesie'; did you mean 'nessie'"),
        (["catalog: glue", "connection: {s3: {bucket: b}}"], "'glue' is not available in this version"),
        (["warehouse: gs://lake/x"], "not available in this version; write s3://bucket/folder"),
        (
            ["connection: {nessie: {}, s3: {bucket: b}}"],
            "is required and missing; write the address of the",
        ),
        (["connection: {nessie: {uri: nessie}, s3: {bucket: b}}"], "expected http://"),
        (["connection: {sql: {}}"], "is required and missing; write postgresql://"),
        (['connection: {sql: {uri: "mysql://h/d"}}'], "expected the address of a PostgreSQL database"),
        (['connection: {rest: {uri: "http://r"}}'], "where the tables' files lie is not said"),
        (["connection: {s3: {}}"], "is required and missing; write it, or target.warehouse"),
        (["connection: {s3: {bucket: b, access_key_id: x}}"], "go together; one of them is missing"),
        (["connection: {s3: {bucket: b, endpoint: minio}}"], "expected http://host:port"),
        (["warehouse: s3://lake"], "is in S3, and nothing says how to open it"),
        (["warehouse: s3://lake", "connection: {s3: {bucket: other}}"], "says otherwise than the connection"),
        (["warehouse: s3://lake", "connection: {s3: {prefix: a}}"], "says otherwise than the connection"),
        (["warehouse: file:///data", "connection: {s3: {bucket: b}}"], "expected s3://bucket/folder"),
        (["warehouse: /data"], "tables on this machine's disk lie under the tenant's state folder only"),
        (["warehouse: /data", 'connection: {sql: {uri: "postgresql://u@h/d"}}'], "the tenant's state folder only"),
        (["warehouse: s3:///x", "connection: {s3: {}}"], "names no bucket"),
    ],
)
def test_a_wrong_setting_is_one_problem_that_says_what_to_write(
    project: ProjectFolder, lines: list[str], problem: str
) -> None:
    write_target(project, *lines)
    assert problem in the_problem(project)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("globex", "leads into a folder of another tenant"),
        ("a/globex__eu/b", "leads into a folder of another tenant"),
        ("_dativo/globex", "leads into a folder of another tenant or of dativo itself"),
        ("../globex", "holds an empty folder, `.` or `..`"),
        ("a//b", "holds an empty folder"),
    ],
)
def test_a_folder_of_a_bucket_does_not_lead_into_another_tenants(
    project: ProjectFolder, path: str, problem: str
) -> None:
    project.write("jobs/globex/README.md", "")
    write_target(project, f"connection: {{s3: {{bucket: lake, prefix: {path}}}}}")
    assert problem in the_problem(project)


def test_no_problem_shows_an_address_which_may_hold_a_password(project: ProjectFolder) -> None:
    write_target(project, 'connection: {sql: {uri: "mysql://u:hunter22@h/d"}, s3: {bucket: b, endpoint: "hunter22"}}')
    assert len(told(project.examine())) == 2
    assert "hunter22" not in str(told(project.examine()))
