"""What `dativo run` prints and how it exits, as a program beside it sees that."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .conftest import CONTRACT, DATIVO, JOB, ORDERS, Answer, Project

ESCAPE = "\x1b["


def on_a_terminal(project: Project, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command whose three streams are one terminal; answers its exit code and all it showed."""
    controller, terminal = pty.openpty()
    child = subprocess.Popen(
        [DATIVO, *arguments],
        cwd=project.root,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # the terminal's other end is closed: Linux says EIO
            break
        if not part:
            break
        shown += part
    os.close(controller)
    return child.wait(timeout=30), shown.decode()


def test_off_a_terminal_nothing_is_on_stdout_and_every_line_of_stderr_is_an_event(project: Project) -> None:
    answer = project.child("run", "--config", JOB)

    assert (answer.code, answer.out) == (0, "")
    types = [event["event_type"] for event in answer.events]
    assert types[0] == "job_started"
    assert types[-2:] == ["metrics_complete", "job_finished"]


def test_json_is_one_object_with_the_documented_names(project: Project) -> None:
    result = project.child("run", "--config", JOB, "--json").json

    assert isinstance(result, dict)
    assert result["status"] == "success"
    assert result["exit_code"] == 0
    assert (result["rows_read"], result["rows_accepted"], result["rows_rejected"]) == (6, 6, 0)
    (table,) = result["tables"]
    assert {"table", "status", "rows", "snapshot_id", "metadata_location", "stamp"} <= set(table)
    assert (table["table"], table["status"], table["rows"]) == ("demo.orders", "committed", 6)


def test_a_second_run_loads_nothing_twice_and_says_so(project: Project) -> None:
    assert project.dativo("run", "--config", JOB).code == 0
    result = project.dativo("run", "--config", JOB, "--json").json
    assert isinstance(result, dict)
    assert result["rows_read"] == 0
    assert result["tables"][0]["status"] == "unchanged"


def test_strict_exits_with_2_and_the_last_line_is_the_cause(project: Project) -> None:
    project.add_bad_order()
    answer = project.dativo("run", "--config", JOB)
    assert answer.code == 2
    assert answer.events[-1]["event_type"] == "job_error"
    assert "orders.csv" in str(answer.events[-1]["error"])


def test_warn_exits_with_1_and_keeps_the_rejected_rows(project: Project) -> None:
    project.add_bad_order()
    project.edit(JOB, "schema_validation_mode: strict", "schema_validation_mode: warn")

    result = project.dativo("run", "--config", JOB, "--json")
    kept = project.dativo("quarantine", "show", "--config", JOB, "--json").json

    assert result.code == 1
    assert isinstance(kept, list)
    assert [row["row"] for row in kept[0]["rows"]] == [7]
    assert {reason["column"] for reason in kept[0]["rows"][0]["reasons"]} == {"customer", "amount"}


def test_files_with_problems_give_one_event_and_all_problems_as_data(project: Project) -> None:
    project.edit(JOB, "source_connector", "source_conector")
    answer = project.dativo("run", "--config", JOB, "--json")

    assert answer.code == 2
    assert [event["event_type"] for event in answer.events] == ["job_error"]
    result = answer.json
    assert isinstance(result, dict)
    assert result["status"] == "failed"
    assert result["problems"][0]["line"] == 3


def test_a_folder_of_jobs_gives_one_object_and_the_worst_exit_code(project: Project) -> None:
    bad = (
        (project.root / JOB)
        .read_text()
        .replace("orders*.csv", "nothing*.csv")
        .replace("mode: append", "mode: append\n  table: other")
    )
    (project.root / "jobs/demo/second.yaml").write_text(bad)

    answer = project.dativo("run", "--job-dir", "jobs/demo", "--json")

    result = answer.json
    assert answer.code == 2
    assert isinstance(result, dict)
    assert [job["status"] for job in result["jobs"]] == ["success", "failed"]
    assert result["rows_read"] == 6
    assert "nothing" in result["error"]


def test_an_unknown_object_is_refused_with_a_suggestion(project: Project) -> None:
    answer = project.dativo("run", "--config", JOB, "--object", "order")
    assert answer.code == 2
    assert "did you mean 'orders'?" in answer.err


def test_a_dry_run_writes_nothing(project: Project) -> None:
    assert project.dativo("run", "--config", JOB, "--dry-run").code == 0
    assert project.dativo("table", "show", "--config", JOB, "--json").json is None


@pytest.mark.parametrize("option", [("--secret-manager", "vault"), ("--secret-manager-config", "{}")])
def test_what_this_version_lacks_is_refused_and_says_what_to_use(project: Project, option: tuple[str, str]) -> None:
    answer = project.dativo("run", "--config", JOB, *option)
    assert answer.code == 2
    assert "env" in answer.err


def test_a_terminal_gets_lines_for_people_and_a_summary(project: Project) -> None:
    code, shown = on_a_terminal(project, "run", "--config", JOB)
    assert code == 0
    assert ESCAPE in shown
    assert '"event_type"' not in shown
    assert "demo.orders: 6 rows in" in shown


def test_no_color_leaves_no_colour_on_a_terminal(project: Project) -> None:
    code, shown = on_a_terminal(project, "explain", "--config", JOB, NO_COLOR="1")
    assert code == 0
    assert ESCAPE not in shown
    assert "exactly once" in shown


def test_a_failure_on_a_terminal_ends_with_its_cause(project: Project) -> None:
    project.add_bad_order()
    code, shown = on_a_terminal(project, "run", "--config", JOB, NO_COLOR="1")
    assert code == 2
    last = shown.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "rows rejected" in last


def test_a_full_refresh_asks_on_a_terminal_and_no_changes_nothing(project: Project) -> None:
    controller, terminal = pty.openpty()
    child = subprocess.Popen(
        [DATIVO, "run", "--config", JOB, "--full-refresh"],
        cwd=project.root,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while b"Go on?" not in shown:
        shown += os.read(controller, 1024)
    os.write(controller, b"n\n")
    assert child.wait(timeout=30) == 2
    os.close(controller)
    assert not (project.root / "state" / "demo" / "catalog.db").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_run_leaves_no_traceback_and_exits_with_2(project: Project, number: signal.Signals) -> None:
    with (project.root / ORDERS).open("a") as stream:
        stream.writelines(f"{n},c,,paid,1.00,2025-01-03T09:15:00Z\n" for n in range(2000, 1_000_000))
    child = subprocess.Popen([DATIVO, "run", "--config", JOB], cwd=project.root, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    begun = next(line for line in child.stderr if "secrets_loaded" in line)

    child.send_signal(number)
    rest = child.communicate(timeout=60)[1]

    assert begun
    assert child.returncode == 2
    assert "Traceback" not in rest
    assert '"job_error"' in rest.splitlines()[-1]


def test_a_signal_in_a_commit_lets_that_job_finish_and_starts_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = project.root / "jobs/demo/orders_again.yaml"
    second.write_text((project.root / JOB).read_text().replace("target:", "target:\n  table: orders_again", 1))
    monkeypatch.setattr("dativo_engine.commits.fence.reach", lambda _point: signal.raise_signal(signal.SIGTERM))

    answer = project.dativo("run", "--job-dir", "jobs/demo")

    assert answer.code == 2
    ends = [event for event in answer.events if event["event_type"] in {"job_finished", "job_error"}]
    assert [event["event_type"] for event in ends] == ["job_finished", "job_error"]
    assert "orders_to_iceberg" in str(ends[1]["message"])


def test_debug_shows_the_traceback_of_a_failure(project: Project) -> None:
    project.edit(JOB, "orders*.csv", "nothing*.csv")
    plain = project.dativo("run", "--config", JOB)
    debug = project.dativo("run", "--config", JOB, "--debug")
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err


def test_the_contract_of_the_template_rejects_what_it_should(project: Project) -> None:
    project.edit(CONTRACT, "[open, paid, cancelled]", "[open, paid]")
    answer = project.dativo("run", "--config", JOB)
    assert answer.code == 2
    assert "cancelled" in answer.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--config", "jobs/demo/gone.yaml"), "gone.yaml:1:1: there is no such file"),
        (("--job-dir", "jobs/gone"), "gone:1:1: there is no such folder"),
        (("--job-dir", "data"), "no job file (*.yaml) lies in this folder"),
        (("--config", "/app/jobs/demo/gone.yaml"), '--volume "$(pwd)/jobs:/app/jobs"'),
    ],
)
def test_a_job_file_or_folder_that_is_not_there_is_an_event_as_every_other_failure(
    project: Project, arguments: tuple[str, ...], told: str
) -> None:
    answer = project.child("run", *arguments, "--json")

    assert answer.code == 2
    (event,) = answer.events
    assert (event["event_type"], event["code"]) == ("job_error", "CONFIGURATION_ERROR")
    assert told in str(event["message"])
    assert isinstance(answer.json, dict)
    assert answer.json["status"] == "failed"


# Root may read everything: a child that is a user does not.
AS_A_USER = """
import os, sys
import dativo_cli.commands.run, dativo_cli.commands.start, dativo_engine.connectors, encodings.utf_8_sig
dativo_engine.connectors.specs()
if os.geteuid() == 0:
    os.setuid(10001)
from dativo_cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("closed", ["jobs", "jobs/demo", JOB])
@pytest.mark.parametrize("arguments", [("--config", JOB), ("--job-dir", "jobs/demo")])
def test_jobs_that_may_not_be_read_are_told_with_the_user_and_the_ways_out(
    project: Project, closed: str, arguments: tuple[str, ...]
) -> None:
    for folder in (project.root, *project.root.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    place = project.root / closed
    mode = place.stat().st_mode
    place.chmod(0)
    command = [sys.executable, "-c", AS_A_USER, "run", *arguments]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    place.chmod(mode)

    assert done.returncode == 2
    (event,) = Answer(done.returncode, done.stdout, done.stderr).events
    user = 10001 if os.geteuid() == 0 else os.geteuid()
    assert str(event["message"]).startswith(f"nothing was run: {closed if closed != 'jobs' else arguments[1]}"), event
    for part in (f"can't be read by user {user}", f"chown -R {user}", '--user "$(id -u):0"'):
        assert part in str(event["message"])


def test_a_missing_runner_file_says_how_to_have_one(project: Project) -> None:
    answer = project.child("start", "oneshot", "--runner-config", "configs/gone.yaml")
    assert answer.code == 2
    (event,) = answer.events
    assert "gone.yaml:1:1: there is no such runner file; name it with --runner-config" in str(event["message"])
