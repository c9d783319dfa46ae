"""What users of Nessie see on branches: nothing half-done, each tenant apart, all tables of a run at once."""

from __future__ import annotations

import json
import signal

from dativo_engine.commits.points import VARIABLE
from lake import Lake


def test_two_tenants_with_two_jobs_each_are_on_their_own_branches_and_nowhere_else(lake: Lake) -> None:
    for tenant, first in ((lake.acme, 1), (lake.globex, 11)):
        for name, number in (("orders", first), ("customers", first + 1)):
            config = lake.job(tenant, name)
            lake.arrive(tenant, [(number, tenant)], name=name)
            lake.run(config)
    assert lake.rows(lake.acme, lake.acme) == [(1, lake.acme)]
    assert lake.rows(lake.acme, lake.acme, "customers") == [(2, lake.acme)]
    assert lake.rows(lake.globex, lake.globex) == [(11, lake.globex)]
    assert lake.rows(lake.globex, lake.globex, "customers") == [(12, lake.globex)]
    assert lake.rows(lake.acme, lake.globex) is None
    assert lake.rows("main", lake.acme) is None
    assert (lake.run_branches(lake.acme), lake.run_branches(lake.globex)) == ([], [])


def test_before_the_first_run_there_is_no_table_and_no_branch_and_asking_makes_none(lake: Lake) -> None:
    config = lake.job(lake.acme)
    for command in (
        ("state", "show"),
        ("table", "show"),
        ("table", "snapshots"),
        ("quarantine", "show"),
        ("branches",),
    ):
        done = lake.dativo(*command, "--config", config)
        assert done.exit_code == 0, done.stderr
    assert lake.api.branch(lake.acme) is None


def test_a_cursor_can_be_set_before_the_first_run_which_then_begins_there(lake: Lake) -> None:
    config = lake.job(lake.acme)
    done = lake.dativo("state", "set", '{"files": {}}', "--config", config, "--yes")
    assert done.exit_code == 0, done.stderr
    assert (lake.rows(lake.acme, lake.acme), lake.rows("main", lake.acme)) == ([], None)
    lake.arrive(lake.acme, [(1, "a")])
    lake.run(config)
    assert lake.rows(lake.acme, lake.acme) == [(1, "a")]


def test_rows_and_rejected_rows_of_a_run_come_in_one_commit_of_the_branch(lake: Lake) -> None:
    config = lake.job(lake.acme, validation="warn")
    lake.arrive(lake.acme, [(1, "a"), ("x", "bad")])
    lake.run(config, expected=1)
    newest = next(iter(lake.api.history(lake.api.tenant_branch(lake.acme))))
    assert {table.key[-1] for table in newest.tables} == {"orders", "orders__rejected"}
    shown = json.loads(lake.dativo("quarantine", "show", "--config", config, "--json").stdout)
    assert [row["record"] for row in shown[0]["rows"]] == ['{"id":"x","customer":"bad"}']


def test_what_is_to_be_published_is_on_main_after_the_run_and_only_then(lake: Lake) -> None:
    config = lake.job(lake.acme, validation="warn", target="  publish: {to: main, when: success}\n")
    lake.arrive(lake.acme, [(1, "a"), ("x", "bad")])
    lake.run(config, expected=1)
    assert (lake.rows(lake.acme, lake.acme), lake.rows("main", lake.acme)) == ([(1, "a")], None)
    lake.arrive(lake.acme, [(2, "b")])
    lake.run(config)
    assert lake.rows("main", lake.acme) == [(1, "a"), (2, "b")]


def test_a_publish_that_is_refused_is_told_and_the_rows_stay_on_the_tenant_s_branch(lake: Lake) -> None:
    config = lake.job(lake.acme, target="  publish: {to: main}\n")
    lake.arrive(lake.acme, [(1, "a")])
    lake.run(config)
    lake.catalog("main").drop_table((lake.acme, "orders"))
    lake.arrive(lake.acme, [(2, "b")])
    failed = lake.dativo("run", "--config", config, "--json")
    assert failed.exit_code == 2, failed.stderr
    result = json.loads(failed.stdout)
    (table,) = result["tables"]
    assert (result["status"], table["status"], table["rows"]) == ("failed", "committed", 1)
    told = result["error"]
    assert f"the run's rows are on branch {lake.acme}, but publishing that to main failed" in told
    assert lake.rows(lake.acme, lake.acme) == [(1, "a"), (2, "b")]


def test_branches_says_what_is_not_merged_on_and_what_a_killed_run_left_which_the_next_deletes(lake: Lake) -> None:
    config = lake.job(lake.acme)
    lake.arrive(lake.acme, [(1, "a")])
    lake.run(config)
    lake.arrive(lake.acme, [(2, "b")])
    killed = lake.dativo("run", "--config", config, environment={VARIABLE: "before_merge"})
    assert killed.exit_code == -signal.SIGKILL

    (found,) = json.loads(lake.dativo("branches", "--config", config, "--json").stdout)
    (branch,) = found["branches"]
    assert (branch["branch"], branch["into"], branch["conflict"]) == (lake.acme, "main", "")
    assert f"{lake.acme}.orders" in branch["unmerged"]
    (run,) = found["runs"]
    assert (run["tenant"], run["job"], run["attempt"]) == (lake.acme, "orders", 1)
    assert 0 <= run["age_seconds"] < 300
    assert run["branch"] in lake.dativo("branches", "--config", config).stdout

    assert lake.rows(lake.acme, lake.acme) == [(1, "a")]
    lake.run(config)
    assert (lake.rows(lake.acme, lake.acme), lake.run_branches(lake.acme)) == ([(1, "a"), (2, "b")], [])
