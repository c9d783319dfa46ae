"""Jobs on real catalogues and stores: what they load, and in which words they fail where a setting is wrong."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from tests.chaos.proxy import Trouble, proxy
from tests.e2e.project import Finished, Project
from tools.services.nessie import NessieServer
from tools.services.postgres import PostgresServer
from tools.services.seaweedfs import S3Server, Session

pytestmark = pytest.mark.xdist_group("s3")
# From the command to its end; longer where the machine has more to do than it has processors for.
SECONDS = 15 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
STORE = """\
    s3:
      endpoint: "{endpoint}"
      bucket: {bucket}
      access_key_id: "${{secret:key}}"
      secret_access_key: "${{secret:secret}}"
"""


@dataclass(frozen=True)
class Lake:
    """Where a job's tables are to go, and the secrets of its tenant; `more` stands in `target`, `beside` before it."""

    s3: S3Server
    bucket: str
    secrets: Mapping[str, str]
    catalog: str = ""
    session: str = ""
    more: str = ""
    beside: str = ""

    def target(self) -> str:
        """The block `target` of a job."""
        store = STORE.format(endpoint=self.s3.endpoint, bucket=self.bucket)
        return f"{self.beside}target:\n{self.more}  connection:\n{self.catalog}{store}{self.session}"

    def with_secrets(self, **secrets: str) -> Lake:
        """The same, with other secrets."""
        return replace(self, secrets={**self.secrets, **secrets})


@pytest.fixture
def lake(s3: S3Server) -> Lake:
    """A bucket of the test's own, and the embedded catalogue."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.make_bucket(bucket)
    client = f"{s3.access_key_id}:{s3.secret_access_key}"
    return Lake(s3, bucket, secrets={"key": s3.loader_key_id, "secret": s3.secret_access_key, "client": client})


def on_rest(lake: Lake, *, warehouse: str = "", uri: str = "", more: str = 'credential: "${secret:client}"') -> Lake:
    if not warehouse:
        warehouse = f"tables-{uuid.uuid4().hex[:12]}"
        lake.s3.make_table_bucket(warehouse)
    address = uri or lake.s3.iceberg
    return replace(lake, catalog=f'    rest: {{uri: "{address}", warehouse: "s3://{warehouse}", {more}}}\n')


def on_sql(lake: Lake, uri: str) -> Lake:
    return replace(lake, catalog='    sql: {uri: "${secret:dsn}"}\n').with_secrets(dsn=uri)


def with_session(lake: Lake, session: Session) -> Lake:
    """With temporary keys."""
    lake = replace(lake, session='      session_token: "${secret:session}"\n')
    keys = {"key": session.access_key_id, "secret": session.secret_access_key, "session": session.session_token}
    return lake.with_secrets(**keys)


def on_nessie(lake: Lake, uri: str, more: str = "") -> Lake:
    return replace(lake, catalog=f'    nessie: {{uri: "{uri}"{more}}}\n')


def run(project: Project, lake: Lake, *command: str) -> Finished:
    job = project.job(extra=lake.target())
    secrets = {f"DATIVO_SECRET__ACME__{name.upper()}": value for name, value in lake.secrets.items()}
    return project.dativo(*(command or ("run",)), "--config", job, environment=secrets)


@pytest.mark.parametrize("kind", ["embedded", "rest", "sql"])
def test_a_job_loads_into_a_table_in_s3_and_goes_on(
    project: Project, lake: Lake, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "rest":
        lake = on_rest(lake)
    elif kind == "sql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        lake = on_sql(lake, postgres.make_database())
    project.orders("a.csv", [(1, "x", "1.00"), (2, "y", "2.50")])
    assert run(project, lake, "check").exit_code == 0
    done = run(project, lake)
    assert (done.exit_code, done.event_types[-1]) == (0, "job_finished"), done.stderr
    project.orders("b.csv", [(3, "z", "3.00")])
    assert run(project, lake).exit_code == 0
    shown = run(project, lake, "table", "show", "--json")
    assert shown.exit_code == 0, shown.stderr
    table = json.loads(shown.stdout)
    assert (table["rows"], table["location"]) == (3, f"s3://{lake.bucket}/acme/orders")


def test_a_job_loads_onto_a_branch_of_nessie_and_goes_on(project: Project, lake: Lake, nessie: NessieServer) -> None:
    branch = f"acme__{uuid.uuid4().hex[:12]}"
    lake = replace(on_nessie(lake, nessie.uri), bucket=nessie.bucket, more=f"  branch: {branch}\n")
    project.orders("a.csv", [(1, "x", "1.00"), (2, "y", "2.50")])
    checked = run(project, lake, "check")
    assert (checked.exit_code, "is not there yet: the first run makes it" in checked.stdout) == (0, True)
    assert run(project, lake).exit_code == 0
    project.orders("b.csv", [(3, "z", "3.00")])
    assert run(project, lake).exit_code == 0
    assert json.loads(run(project, lake, "table", "show", "--json").stdout)["rows"] == 3
    assert "first run" not in run(project, lake, "check").stdout


@dataclass(frozen=True)
class World:
    """A project's store, and the servers beside it."""

    lake: Lake
    nessie: NessieServer
    postgres: PostgresServer

    @property
    def without_store(self) -> Lake:
        """The same, with nobody where the store should be."""
        return replace(self.lake, s3=replace(self.lake.s3, endpoint=NOBODY))

    @property
    def wrong_password(self) -> str:
        """PostgreSQL's address with another password."""
        return self.postgres.uri().replace(self.postgres.password, "no-such-password")


NOBODY = "http://127.0.0.1:9"
TOKEN = 'token: "${secret:token}"'
KEYS = "target.connection.s3.access_key_id"
SESSION = "target.connection.s3.session_token"
# What is wrong: the job, and the setting that must be named.
WRONG: Mapping[str, tuple[Callable[[World], Lake], str]] = {
    "secret": (lambda at: at.lake.with_secrets(secret="no-such-secret"), KEYS),
    "key": (lambda at: at.lake.with_secrets(key="nobody"), KEYS),
    "key without rights": (lambda at: at.lake.with_secrets(key=at.lake.s3.powerless_key_id), KEYS),
    "ended session": (lambda at: with_session(at.lake, at.lake.s3.expired(at.lake.s3.session())), SESSION),
    "bucket": (lambda at: replace(at.lake, bucket="no-such-bucket"), "target.connection.s3.bucket"),
    "store": (lambda at: at.without_store, "target.connection.s3.endpoint"),
    "rest client": (lambda at: on_rest(at.lake).with_secrets(client="x:y"), "target.connection.rest.credential"),
    "rest token": (lambda at: on_rest(at.lake, more=TOKEN).with_secrets(token="old"), "target.connection.rest.token"),
    "rest warehouse": (lambda at: on_rest(at.lake, warehouse="no-such"), "target.connection.rest.warehouse"),
    "rest server": (lambda at: on_rest(at.lake, uri=at.nessie.uri), "target.connection.rest.uri"),
    "rest address": (lambda at: on_rest(at.lake, uri=NOBODY), "target.connection.rest.uri"),
    "sql password": (lambda at: on_sql(at.lake, at.wrong_password), "target.connection.sql.uri"),
    "sql database": (lambda at: on_sql(at.lake, at.postgres.uri("no_such")), "target.connection.sql.uri"),
    "sql address": (lambda at: on_sql(at.lake, "postgresql://u@127.0.0.1:9/lake"), "target.connection.sql.uri"),
    "nessie address": (lambda at: on_nessie(at.lake, NOBODY), "target.connection.nessie.uri"),
    "nessie server": (lambda at: on_nessie(at.lake, at.lake.s3.endpoint), "target.connection.nessie"),
    "nessie warehouse": (
        lambda at: on_nessie(at.lake, at.nessie.uri, more=", warehouse: no-such"),
        "target.connection.nessie",
    ),
    "branch": (lambda at: replace(on_nessie(at.lake, NOBODY), more="  branch: globex\n"), "target.branch"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_ends_a_run_and_a_check_with_one_line_that_names_it(
    project: Project, lake: Lake, case: str, nessie: NessieServer, postgres: PostgresServer
) -> None:
    project.orders("a.csv", [(1, "x", "1.00")])
    change, setting = WRONG[case]
    job = change(World(lake, nessie, postgres))

    began = time.monotonic()
    done = run(project, job)
    seconds = time.monotonic() - began
    assert done.exit_code == 2
    error = done.events[-1]
    assert error["event_type"] == "job_error"
    reason = str(error["message"])
    assert setting in reason
    assert "\n" not in reason
    assert "no-such-password" not in done.stderr
    assert seconds < SECONDS

    checked = run(project, job, "check")
    assert checked.exit_code == 2
    assert setting in checked.stderr


@pytest.mark.parametrize("catalog", ["embedded", "nessie"])
def test_temporary_keys_load_and_when_they_end_are_named_and_the_next_go_on(
    project: Project, lake: Lake, s3: S3Server, nessie: NessieServer, catalog: str
) -> None:
    if catalog == "nessie":
        branch = f"  branch: acme__{uuid.uuid4().hex[:12]}\n"
        lake = replace(on_nessie(lake, nessie.uri), bucket=nessie.bucket, more=branch)
    session = s3.session()
    keys = with_session(lake, session)
    project.orders("a.csv", [(1, "x", "1.00"), (2, "y", "2.50")])
    assert run(project, keys, "check").exit_code == 0
    done = run(project, keys)
    assert (done.exit_code, done.event_types[-1]) == (0, "job_finished"), done.stderr
    project.orders("b.csv", [(3, "z", "3.00")])
    fails_in_one_line(project, with_session(lake, s3.expired(session)), SESSION)
    following = with_session(lake, s3.session())
    done = run(project, following)
    assert done.exit_code == 0, done.stderr
    shown = run(project, following, "table", "show", "--json")
    assert json.loads(shown.stdout)["rows"] == 3, shown.stderr


def test_a_session_that_ends_as_amazon_says_it_is_named_by_its_setting(
    project: Project, lake: Lake, s3: S3Server
) -> None:
    trouble = Trouble()
    project.orders("a.csv", [(1, "x", "1.00")])
    with proxy(s3.endpoint, trouble) as endpoint:
        at = with_session(replace(lake, s3=replace(s3, endpoint=endpoint)), s3.session())
        assert run(project, at).exit_code == 0
        project.orders("b.csv", [(2, "y", "2.50")])
        for request in ("GET", "PUT", "."):  # once a file is open; while a run writes; from its first request on
            trouble.begin("expired", every=request)
            fails_in_one_line(project, at, SESSION)


def fails_in_one_line(project: Project, lake: Lake, setting: str) -> None:
    """A run, and a check."""
    for command in ("run", "check"):
        began = time.monotonic()
        done = run(project, lake, command)
        seconds = time.monotonic() - began
        assert done.exit_code == 2, done.stdout + done.stderr
        reason = str(done.events[-1]["message"]) if command == "run" else done.stderr
        assert setting in reason
        assert "\n" not in reason.rstrip()
        shown = done.stdout + done.stderr
        assert not [name for name in ("secret", "session") if lake.secrets[name] in shown]
        assert seconds < SECONDS


def test_a_store_that_fails_while_a_table_is_read_is_named_and_tried_again(
    project: Project, lake: Lake, s3: S3Server
) -> None:
    trouble = Trouble()
    project.orders("a.csv", [(1, "x", "1.00")])
    with proxy(s3.endpoint, trouble) as endpoint:
        retry = "retry_config: {max_retries: 1, initial_delay_seconds: 0.1}\n"
        at = replace(lake, s3=replace(s3, endpoint=endpoint), more="  mode: merge\n", beside=retry)
        assert run(project, at).exit_code == 0
        project.orders("b.csv", [(1, "y", "2.50")])
        trouble.begin("503", every="GET .*parquet")
        done = run(project, at)
    assert (done.exit_code, done.event_types.count("retry_attempt")) == (2, 1), done.stderr
    assert f"{endpoint.removeprefix('http://')} failed" in str(done.events[-1]["message"])


def test_a_token_that_nessie_refuses_is_named_by_its_setting(
    project: Project, lake: Lake, nessie: NessieServer
) -> None:
    project.orders("a.csv", [(1, "x", "1.00")])
    trouble = Trouble()
    trouble.begin("401", every=".")
    with proxy(nessie.uri, trouble) as uri:
        done = run(project, on_nessie(lake, uri, more=f", {TOKEN}").with_secrets(token="an-old-token"))
    reason = str(done.events[-1]["message"])
    assert (done.exit_code, "target.connection.nessie.token" in reason) == (2, True), reason
    assert "an-old-token" not in done.stderr


def test_a_role_that_may_not_delete_is_told_so_and_loads(project: Project, lake: Lake) -> None:
    lake.s3.forbid_deletes(lake.bucket)
    project.orders("a.csv", [(1, "x", "1.00")])
    checked = run(project, lake, "check")
    assert checked.exit_code == 0
    assert "objects may not be deleted" in checked.stdout
    assert run(project, lake).exit_code == 0
    project.orders("b.csv", [(2, "y", "1.00"), ("bad", "z", "1.00")])
    refused = run(project, lake)
    assert refused.exit_code == 2
    assert "forbids" not in str(refused.events[-1]["message"])
    project.orders("b.csv", [(2, "y", "1.00")])
    assert run(project, lake).exit_code == 0
