"""The commands that need files only: validate, explain, schema, contract, connectors, completion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import CONTRACT, JOB, Project

FLAT = """\
name: customers
version: "1.0"
source_type: csv
object: customers
schema:
  - {name: id, type: integer, required: true}
  - {name: email, type: string, classification: PII}
team: {owner: data@example.com}
"""


def test_validate_prints_every_problem_with_its_line_and_a_caret(project: Project) -> None:
    project.edit(JOB, "append", "apend")
    project.edit(CONTRACT, "logicalType: number", "logicalType: numbr")

    answer = project.dativo("validate")

    assert answer.code == 2
    assert f"{JOB}:12:9" in answer.out
    assert f"{CONTRACT}:41:22" in answer.out
    assert "^" in answer.out
    assert answer.out.splitlines()[-1] == "3 files, 2 problems"


def test_validate_gives_the_same_as_data(project: Project) -> None:
    project.edit(JOB, "append", "apend")
    found = project.dativo("validate", "--config", JOB, "--json").json
    assert isinstance(found, dict)
    assert found["valid"] is False
    assert [(Path(item["file"]).name, item["line"]) for item in found["problems"]] == [(Path(JOB).name, 12)]


@pytest.mark.parametrize(
    "arguments", [(), ("--config", JOB), ("--job-dir", "jobs/demo"), ("--runner-config", "configs/runner.yaml")]
)
def test_validate_takes_one_file_a_folder_the_runner_or_everything(
    project: Project, arguments: tuple[str, ...]
) -> None:
    answer = project.dativo("validate", *arguments)
    assert answer.code == 0, answer.err
    assert answer.out.endswith("0 problems\n")


def test_validate_outside_a_project_says_so(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = project.dativo("validate")
    assert answer.code == 2
    assert "no project here" in answer.err


def test_commands_find_the_project_from_a_folder_below(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root / "assets")
    assert project.dativo("explain").code == 0


def test_one_problem_is_told_once_with_its_line_and_the_cause_last(project: Project) -> None:
    project.edit(JOB, "append", "apend")
    told = project.dativo("explain", "--config", JOB).err
    assert told.count("did you mean 'append'?") == 1
    assert told.splitlines()[-1].startswith(f"error: {JOB}:12:9")
    assert "^" in told


def test_of_several_problems_each_is_shown_and_the_first_is_the_cause(project: Project) -> None:
    project.edit(JOB, "append", "apend")
    project.edit(JOB, "tenant_id: demo", "tenant_id: demo\nnmae: x")
    told = project.dativo("explain", "--config", JOB).err
    assert told.splitlines()[-1].endswith("(and 1 more)")


def test_explain_says_what_a_run_would_do_and_why(project: Project) -> None:
    shown = project.dativo("explain", "--config", JOB).out
    for told in (
        "file_modified_time",
        "append: ",
        "exactly once",
        "demo.orders",
        "month(ordered_at)",
        "strict: one bad row",
        "one of open, paid, cancelled",
        "demo.orders__rejected",
    ):
        assert told in shown


@pytest.mark.parametrize(("stream", "told"), [("payment_intents", "no event tells of edits"), ("customers", "")])
def test_explain_says_which_changes_a_stream_misses(project: Project, stream: str, told: str) -> None:
    contract = (project.root / CONTRACT).read_text().split("schema:")[0]
    schema = (
        f"schema:\n  - name: {stream}\n    properties:\n      - {{name: id, logicalType: string, primaryKey: true}}\n"
    )
    (project.root / CONTRACT).write_text(contract + schema)
    job = (
        f"tenant_id: demo\nsource_connector: stripe\nasset_path: {CONTRACT}\ntarget_connector: iceberg\n"
        f"source:\n  objects: [{stream}]\n  credentials: {{api_key: rk_test_x}}\n  incremental: {{strategy: events}}\n"
    )
    (project.root / JOB).write_text(job)
    (found,) = project.dativo("explain", "--json", "--config", JOB).json  # pyright: ignore[reportGeneralTypeIssues]
    missed = str(found["streams"][0]["missed"])
    assert (told in missed) if told else not missed
    assert ("missed" in project.dativo("explain", "--config", JOB).out) == bool(told)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_explain_hides_what_signs_a_url(project: Project, more: tuple[str, ...]) -> None:
    project.edit(JOB, "data/demo/orders*.csv", "https://ada:planted-pw@example.com/o.csv?sig=planted-sig")
    answer = project.dativo("explain", *more)
    assert answer.code == 0
    assert "https://example.com/o.csv" in answer.out
    assert "planted" not in answer.out


def test_explain_gives_the_same_as_data(project: Project) -> None:
    (found,) = project.dativo("explain", "--json").json  # pyright: ignore[reportGeneralTypeIssues]
    assert found["mode"] == "append"
    assert found["streams"][0]["table"] == "demo.orders"
    assert "known_status" in {rule["rule"] for rule in found["streams"][0]["rules"]}


def test_schemas_are_json_and_named_for_their_files(project: Project) -> None:
    answer = project.dativo("schema", "--out", "out")
    assert answer.code == 0
    names = {Path(line).name for line in answer.out.splitlines()}
    assert {"job.schema.json", "contract.schema.json", "runner.schema.json"} <= names
    for name in names:
        assert json.loads((project.root / "out" / name).read_text())["$schema"]


def test_a_flat_contract_becomes_the_standards(project: Project) -> None:
    (project.root / "flat.yaml").write_text(FLAT)
    answer = project.dativo("contract", "convert", "flat.yaml")
    assert answer.code == 0, answer.err
    assert "kind: DataContract" in answer.out


def test_convert_writes_no_file_that_exists(project: Project) -> None:
    (project.root / "flat.yaml").write_text(FLAT)
    assert project.dativo("contract", "convert", "flat.yaml", "--out", "new.yaml").code == 0
    again = project.dativo("contract", "convert", "flat.yaml", "--out", "new.yaml")
    assert again.code == 2
    assert "new.yaml: File exists" in again.err


def test_connectors_list_their_options_with_type_default_and_meaning(project: Project) -> None:
    listed = project.dativo("connectors").out
    assert all(name in listed for name in ("csv", "jsonl", "parquet"))
    found = project.dativo("connectors", "csv", "--json").json
    assert isinstance(found, list)
    delimiter = next(option for option in found[0]["options"] if option["name"] == "delimiter")
    assert delimiter["default"] == ","
    assert delimiter["description"]
    assert delimiter["required"] is False
    assert "delimiter" in project.dativo("connectors", "csv").out
    described = project.dativo("connectors", "rest").out
    assert "source.options.paginator, type: link_header" in described
    assert "records_path" in described
    assert "did you mean 'csv'?" in project.dativo("connectors", "cvs").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(project: Project, shell: str) -> None:
    assert "_DATIVO_COMPLETE" in project.dativo("completion", shell).out


def test_completion_completes_commands_and_flags(project: Project) -> None:
    words = {"COMP_WORDS": "dativo run --full", "COMP_CWORD": "2", "_DATIVO_COMPLETE": "bash_complete"}
    assert "--full-refresh" in project.child(environment=words).out
