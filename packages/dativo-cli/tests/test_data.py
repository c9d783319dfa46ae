"""The commands that reach data: check, discover, preview, state, quarantine, table."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pytest

from .conftest import JOB, ORDERS, Project

# The extensions as wheels bring them, since DuckDB's server may be out of reach where tests run.
LOCAL = "; ".join(
    f"duckdb.load_extension('{Path(str(wheel.__file__)).parent}/extensions/v{duckdb.__version__}/{name}.duckdb_extension')"
    for name, wheel in (("avro", duckdb_extension_avro), ("iceberg", duckdb_extension_iceberg))
)


@pytest.fixture
def loaded(project: Project) -> Project:
    """A project whose job ran."""
    assert project.dativo("run", "--config", JOB).code == 0
    return project


def test_check_names_what_was_reached(project: Project) -> None:
    found = project.dativo("check", "--config", JOB, "--json").json
    assert isinstance(found, dict)
    assert found["reached"] is True
    assert [answer["part"] for answer in found["answers"]] == ["secrets", "catalog", "warehouse", "source"]


def test_check_says_what_is_missing_and_exits_with_2(project: Project) -> None:
    (project.root / ORDERS).unlink()
    answer = project.dativo("check", "--config", JOB)
    assert answer.code == 2
    assert "NOT REACHED" in answer.out
    assert "orders*.csv" in answer.err.splitlines()[-1]


def test_check_names_a_missing_secret_and_stops_there(project: Project) -> None:
    project.edit(
        JOB,
        "source:\n",
        'source:\n  credentials: {access_key_id: "${secret:s3_key}", secret_access_key: "${secret:s3_key}"}\n',
    )
    answer = project.dativo("check", "--config", JOB)
    assert answer.code == 2
    assert "s3_key" in answer.err


def test_check_leaves_nothing_behind(project: Project) -> None:
    assert project.dativo("check", "--config", JOB).code == 0
    assert list((project.root / "state").rglob("probe-*")) == []


@pytest.mark.parametrize("command", ["check", "preview", "discover", "run"])
@pytest.mark.parametrize("more", [(), ("--debug",)], ids=["plain", "debug"])
def test_a_secret_in_a_failing_address_is_never_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch, command: str, more: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATIVO_SECRET__DEMO__TOKEN", "planted-s3cret")
    project.edit(JOB, "data/demo/orders*.csv", "http://127.0.0.1:1/${secret:TOKEN}/orders.csv")
    answer = project.dativo(command, "--config", JOB, *more)
    assert answer.code == 2
    assert "127.0.0.1:1" in answer.err
    assert "planted-s3cret" not in answer.out + answer.err


def test_discover_lists_columns_and_types(project: Project) -> None:
    (found,) = project.dativo("discover", "--config", JOB, "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert [column["name"] for column in found["columns"]] == [
        "id",
        "customer",
        "email",
        "status",
        "amount",
        "ordered_at",
    ]


def test_discover_proposes_a_contract_and_keeps_one_that_exists(project: Project) -> None:
    arguments = ("discover", "--connector", "csv", ORDERS, "--write-contract", "assets/new.yaml")
    assert project.dativo(*arguments).code == 0
    assert "kind: DataContract" in (project.root / "assets/new.yaml").read_text()
    again = project.dativo(*arguments)
    assert again.code == 2
    assert "File exists" in again.err


def test_discover_takes_options_of_the_connector(project: Project) -> None:
    (project.root / "semi.csv").write_text("a;b\n1;2\n")
    answer = project.dativo("discover", "--connector", "csv", "semi.csv", "--option", "delimiter=;", "--json")
    (found,) = answer.json  # pyright: ignore[reportGeneralTypeIssues]
    assert [column["name"] for column in found["columns"]] == ["a", "b"]
    wrong = project.dativo("discover", "--connector", "csv", "semi.csv", "--option", "delimitr=;")
    assert wrong.code == 2
    assert "did you mean 'delimiter'?" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stripe", "customers"), "set STRIPE_API_KEY in a project of one tenant, or ask through a job"),
        (("stripe",), "say which objects"),
        (("rest", "items"), "endpoints is needed; write a recipe"),
        (("csv",), "say which files"),
    ],
)
def test_discover_says_what_a_connector_wants_that_no_job_opens(
    project: Project, arguments: tuple[str, ...], words: str
) -> None:
    answer = project.dativo("discover", "--connector", *arguments)
    assert answer.code == 2
    assert words in answer.err


def test_preview_shows_rows_and_what_would_be_rejected_and_writes_nothing(project: Project) -> None:
    project.add_bad_order()

    (found,) = project.dativo("preview", "--config", JOB, "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    shown = project.dativo("preview", "--config", JOB).out

    assert found["read"] == 7
    assert [row["id"] for row in found["rows"]] == [1001, 1002, 1003, 1004, 1005, 1006]
    assert found["rejected"][0]["row"] == 7
    assert "1 of them would be rejected" in shown
    assert not (project.root / "state").exists()


def test_preview_stops_at_the_rows_asked_for(project: Project) -> None:
    (found,) = project.dativo("preview", "--config", JOB, "--rows", "2", "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert len(found["rows"]) == 2


def test_times_that_python_has_no_value_for_are_shown(project: Project) -> None:
    project.edit(ORDERS, "2025-", "0000-")
    assert project.dativo("run", "--config", JOB).code == 0
    for command in (["preview"], ["preview", "--json"], ["table", "show"]):
        answer = project.dativo(*command, "--config", JOB)
        assert answer.code == 0
        assert "0000-" in answer.out


def test_a_column_in_another_case_is_named_with_the_contracts(project: Project) -> None:
    project.edit(ORDERS, "id,customer,email", "id,customer,Email")
    run = project.dativo("run", "--config", JOB, "--log-format", "text")
    assert "left out: Email (the contract has email)" in run.err


def test_data_cannot_send_control_characters_to_a_terminal(project: Project) -> None:
    (project.root / ORDERS).write_text(
        "id,customer,email,status,amount,ordered_at,\x1b[2Jnew\n1,\x1b[31m\x07,,paid,1,2025-01-03T09:15:00Z,x\n"
    )
    preview = project.dativo("preview", "--config", JOB)
    run = project.dativo("run", "--config", JOB, "--log-format", "text")
    assert "\x1b" not in preview.out + run.err
    assert "\\x1b[31m\\x07" in preview.out
    assert "\\x1b[2Jnew" in run.err


def test_a_table_that_is_not_there_yet_is_said_to_be_so(project: Project) -> None:
    assert "not there yet" in project.dativo("table", "show", "--config", JOB).out
    assert project.dativo("table", "snapshots", "--config", JOB, "--json").json == []


def test_table_show_has_the_documented_names_rows_and_the_duckdb_command(loaded: Project) -> None:
    found = loaded.dativo("table", "show", "--config", JOB, "--json").json
    assert isinstance(found, dict)
    names = {"metadata_location", "location", "snapshot_id", "rows", "columns", "partition_spec", "properties", "stamp"}
    assert names <= set(found)
    assert found["rows"] == 6
    shown = loaded.dativo("table", "show", "--config", JOB).out
    assert "Ada Lovelace" in shown
    assert found["duckdb"] in shown


def test_the_duckdb_command_reads_the_table(loaded: Project) -> None:
    found = loaded.dativo("table", "show", "--config", JOB, "--json").json
    assert isinstance(found, dict)
    command = found["duckdb"].replace("duckdb.install_extension('iceberg'); duckdb.load_extension('iceberg')", LOCAL)
    done = subprocess.run(command, shell=True, cwd=loaded.root, capture_output=True, text=True, check=False)
    assert "Ada Lovelace" in done.stdout, done.stderr


def test_snapshots_are_listed_the_newest_first(loaded: Project) -> None:
    Path(loaded.root / "data/demo/orders2.csv").write_text(
        "id,customer,email,status,amount,ordered_at\n2001,New,,paid,1.00,2025-05-01T00:00:00Z\n"
    )
    assert loaded.dativo("run", "--config", JOB).code == 0
    (found,) = loaded.dativo("table", "snapshots", "--config", JOB, "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert [item["rows"] for item in found["snapshots"]] == [7, 6]


def test_state_shows_the_last_run_and_reset_starts_from_the_beginning(loaded: Project) -> None:
    (before,) = loaded.dativo("state", "show", "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    reset = loaded.dativo("state", "reset", "--config", JOB)
    (after,) = loaded.dativo("state", "show", "--json").json  # pyright: ignore[reportGeneralTypeIssues]

    assert before["stamp"]["cursors"]["orders"]
    assert reset.code == 0
    assert after["stamp"]["cursors"] == {}


def test_purge_deletes_rejected_rows_for_good(project: Project) -> None:
    project.add_bad_order()
    project.edit(JOB, "schema_validation_mode: strict", "schema_validation_mode: warn")
    assert project.dativo("run", "--config", JOB).code == 1

    kept = project.dativo("quarantine", "purge", "--config", JOB)
    gone = project.dativo("quarantine", "purge", "--config", JOB, "--older-than", "0")

    assert kept.out == "demo.orders__rejected: 0 rows deleted\n"
    assert gone.out == "demo.orders__rejected: 1 row deleted\n"
    assert project.dativo("quarantine", "show", "--config", JOB, "--json").json[0]["rows"] == []  # pyright: ignore[reportIndexIssue]
