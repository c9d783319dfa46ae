"""`dativo init` writes projects that run at once and never overwrites anything."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_cli.main import main

from .conftest import JOB, ORDERS, Project


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name


@contextmanager
def serving(folder: Path) -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_new_project_validates_runs_and_shows_its_table(project: Project) -> None:
    assert project.dativo("validate").code == 0

    ran = project.dativo("run", "--config", JOB, "--json")

    assert ran.code == 0, ran.err
    assert project.dativo("table", "show", "--config", JOB, "--json").json["rows"] == 6  # pyright: ignore[reportIndexIssue]


def test_every_yaml_file_begins_with_the_schema_that_an_editor_finds(project: Project) -> None:
    files = [file for file in project.root.rglob("*.yaml") if ".dativo" not in file.parts]
    assert len(files) == 3
    for file in files:
        _, _, schema = file.read_text().splitlines()[0].partition("$schema=")
        assert json.loads((file.parent / schema).read_text())


def test_secrets_and_state_stay_out_of_git(project: Project) -> None:
    assert {"state/", "secrets/"} <= set((project.root / ".gitignore").read_text().splitlines())


def test_nothing_is_overwritten(project: Project) -> None:
    before = {file: file.read_bytes() for file in project.root.rglob("*") if file.is_file()}

    again = project.dativo("init")

    assert again.code == 2
    assert "nothing was written" in again.err
    assert {file: file.read_bytes() for file in project.root.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_job_is_written_for_a_file_and_loads_it(project: Project, kind: str) -> None:
    file = project.root / "data" / "demo" / f"Sales 2024.{kind}"
    rows = [{"id": number, "amount": number * 1.5, "name": f"n{number}"} for number in range(1, 5)]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        file.write_text("id,amount,name\n" + "".join(f"{row['id']},{row['amount']},{row['name']}\n" for row in rows))

    made = project.dativo("init", "--from", str(file.relative_to(project.root)))

    assert made.code == 0, made.err
    ran = project.dativo("run", "--config", "jobs/demo/sales_2024_to_iceberg.yaml", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["rows_accepted"] == 4  # pyright: ignore[reportIndexIssue]


def test_a_file_makes_a_project_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text("id,name\n1,Ada\n2,Grace\n")

    assert main(["init", "fresh", "--from", "people.csv", "--tenant-id", "acme"]) == 0

    fresh = tmp_path / "fresh"
    assert (fresh / "data/acme/people.csv").read_text() == "id,name\n1,Ada\n2,Grace\n"
    assert not (fresh / "jobs/demo").exists()
    monkeypatch.chdir(fresh)
    assert main(["validate"]) == 0
    assert main(["run", "--config", "jobs/acme/people_to_iceberg.yaml", "--dry-run"]) == 0


def test_a_url_makes_a_job_that_loads_it(project: Project) -> None:
    with serving(project.root / "data" / "demo") as address:
        made = project.dativo("init", "--from", f"{address}/orders.csv", "--name", "remote")
        ran = project.dativo("run", "--config", "jobs/demo/remote_to_iceberg.yaml", "--json")

    assert made.code == 0, made.err
    assert ran.code == 0, ran.err
    assert ran.json["rows_accepted"] == 6  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "nowhere.csv"], "nowhere.csv"),
        (["--from", ORDERS, "--name", "Bad Name"], "'Bad Name'"),
        (["--from", ORDERS, "--tenant-id", "main"], "reserved"),
        (["--from", "README.md"], "can't tell what kind of file"),
        (["--name", "x"], "--from"),
    ],
)
def test_what_can_not_be_made_is_said_in_a_line(project: Project, arguments: list[str], told: str) -> None:
    answer = project.dativo("init", *arguments)
    assert answer.code == 2
    assert told in answer.err


def test_the_job_is_the_tenant_s_in_whose_folder_the_file_lies(project: Project) -> None:
    for tenant in ("acme", "zen"):
        (project.root / "jobs" / tenant).mkdir()
    file = project.root / "data" / "acme" / "orders" / "day1.csv"
    file.parent.mkdir(parents=True)
    file.write_text("id,amount\n1,2.5\n")

    made = project.dativo("init", "--from", "data/acme/orders/day1.csv")

    assert made.code == 0, made.err
    assert "tenant_id: acme" in (project.root / "jobs/acme/day1_to_iceberg.yaml").read_text()
    assert project.dativo("validate").code == 0


def test_of_several_tenants_one_must_be_named(project: Project) -> None:
    (project.root / "jobs" / "acme").mkdir()
    (project.root / "sales.csv").write_text("id\n1\n")
    refused = project.dativo("init", "--from", "sales.csv")
    assert refused.code == 2
    assert "--tenant-id; the project has acme, demo" in refused.err
    assert not (project.root / "jobs/demo/sales_to_iceberg.yaml").exists()
    assert project.dativo("init", "--from", "sales.csv", "--tenant-id", "acme").code == 0
    assert project.dativo("validate").code == 0


@pytest.mark.parametrize(("kind", "text"), [("csv", ""), ("csv", "\n"), ("jsonl", "")])
def test_of_an_empty_file_nothing_is_written(project: Project, kind: str, text: str) -> None:
    (project.root / f"data/demo/empty.{kind}").write_text(text)
    made = project.dativo("init", "--from", f"data/demo/empty.{kind}")
    assert made.code == 2
    assert "empty" in made.err
    assert not (project.root / "jobs/demo/empty_to_iceberg.yaml").exists()
