"""Branches on a real Nessie: what dativo relies on, and what a fault in between does."""

from __future__ import annotations

from uuid import uuid4

import pyarrow as pa
import pytest
from dativo_config.models.job import NessieConnection
from dativo_engine.catalogs.nessie_api import NessieApi, server_root
from dativo_engine.catalogs.nessie_wire import Branch
from dativo_engine.errors import CommitConflictError, ConnectionFailedError, FatalError
from pydantic import SecretStr
from pyiceberg.catalog import Catalog, load_catalog

from tools.services import nessie as nessie_server
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

ROW = pa.table({"id": [1]})


class Lab:
    """A branch of its own for one test, with the tables `lab.one` and `lab.two` on it."""

    def __init__(self, server: NessieServer, s3: S3Server) -> None:
        self._server, self._s3 = server, s3
        self.api = NessieApi(NessieConnection(uri=server.uri))
        self.name = f"lab-{uuid4().hex}"
        self.api.ensure(self.name, self.api.default_branch())
        catalog = self.catalog(self.name)
        catalog.create_namespace("lab")
        for table in ("lab.one", "lab.two"):
            catalog.create_table(table, ROW.schema)

    @property
    def head(self) -> Branch:
        """The branch as it is now."""
        return self.look(self.name)

    def look(self, name: str) -> Branch:
        """Another branch as it is now."""
        found = self.api.branch(name)
        assert found is not None
        return found

    def fork(self, *changed: str) -> Branch:
        """A branch from it on which these tables got a row."""
        name = f"{self.name}-{uuid4().hex}"
        self.api.ensure(name, self.head)
        for table in changed:
            self.catalog(name).load_table(table).append(ROW)
        return self.look(name)

    def merge(self, source: Branch, into: Branch) -> tuple[tuple[str, ...], ...]:
        """Merge, in the name of no run."""
        return self.api.merge(source, into, message="merged", properties={"dativo.run": "none"})

    def rows(self, table: str) -> int:
        """How many rows a table has on the branch."""
        return self.catalog(self.name).load_table(table).scan().count()

    def catalog(self, branch: str) -> Catalog:
        """Nessie's Iceberg REST on a branch."""
        return load_catalog(
            "lab",
            type="rest",
            uri=f"{self._server.uri}/iceberg/{branch}",
            **{
                "s3.endpoint": self._s3.endpoint,
                "s3.access-key-id": self._s3.access_key_id,
                "s3.secret-access-key": self._s3.secret_access_key,
                "s3.region": "us-east-1",
            },
        )


@pytest.fixture
def lab(nessie: NessieServer, s3: S3Server) -> Lab:
    """See `Lab`."""
    return Lab(nessie, s3)


def test_a_merge_shows_several_tables_in_one_commit(lab: Lab) -> None:
    before = lab.head
    assert set(lab.merge(lab.fork("lab.one", "lab.two"), before)) == {("lab", "one"), ("lab", "two")}
    newest, *older = lab.api.history(lab.head)
    assert {table.key for table in newest.tables} == {("lab", "one"), ("lab", "two")}
    assert older[0].hash == before.hash
    assert (newest.message, newest.properties) == ("merged", {"dativo.run": "none"})


def test_a_merge_compares_the_tables_that_changed_and_not_the_branch_s_hash(lab: Lab) -> None:
    planned_on = lab.head
    first, of_another_table, of_the_same_table = lab.fork("lab.one"), lab.fork("lab.two"), lab.fork("lab.one")
    lab.merge(first, planned_on)
    lab.merge(of_another_table, planned_on)
    with pytest.raises(CommitConflictError, match=r"'lab\.one'"):
        lab.merge(of_the_same_table, planned_on)
    with pytest.raises(CommitConflictError, match=r"'lab\.one'"):
        lab.merge(of_the_same_table, lab.head)
    assert (lab.rows("lab.one"), lab.rows("lab.two")) == (1, 1)


def test_a_merge_that_is_asked_for_twice_is_applied_once_also_when_others_came_in_between(lab: Lab) -> None:
    fork, planned_on = lab.fork("lab.one"), lab.head
    assert lab.api.unmerged(fork, planned_on) == (("lab", "one"),)
    lab.merge(fork, planned_on)
    lab.merge(lab.fork("lab.one"), lab.head)
    assert lab.merge(fork, planned_on) == ()
    assert lab.merge(fork, lab.head) == ()
    assert lab.api.unmerged(fork, lab.head) == ()
    assert lab.rows("lab.one") == 2


def test_asking_what_is_unmerged_changes_nothing(lab: Lab) -> None:
    fork, before = lab.fork("lab.one"), lab.head
    assert lab.api.unmerged(fork, before) == (("lab", "one"),)
    assert lab.head == before


def test_a_branch_that_was_deleted_can_no_longer_be_merged(lab: Lab) -> None:
    fork = lab.fork("lab.one")
    assert lab.api.delete(fork)
    with pytest.raises(CommitConflictError, match="not found"):
        lab.merge(fork, lab.head)


def test_a_branch_that_moved_on_is_not_deleted(lab: Lab) -> None:
    fork = lab.fork()
    lab.catalog(fork.name).load_table("lab.one").append(ROW)
    assert not lab.api.delete(fork)
    assert lab.api.delete(lab.look(fork.name))
    assert lab.api.delete(fork), "that it is gone already is fine"
    assert lab.api.branch(fork.name) is None


def test_who_makes_a_branch_second_gets_it_as_it_stands(lab: Lab) -> None:
    fork = lab.fork("lab.one")
    assert lab.api.ensure(fork.name, lab.head) == fork
    assert fork in lab.api.branches(lab.name)


def test_an_earlier_state_of_a_table_is_put_back_and_others_stay(lab: Lab) -> None:
    lab.merge(lab.fork("lab.one"), lab.head)
    [state] = [table for table in lab.api.tables(lab.head) if table.key == ("lab", "one")]
    lab.merge(lab.fork("lab.one", "lab.two"), lab.head)
    looked_at = lab.head
    lab.api.put(looked_at, state, message="rolled back")
    assert (lab.rows("lab.one"), lab.rows("lab.two")) == (1, 1)
    with pytest.raises(CommitConflictError):
        lab.api.put(looked_at, state, message="rolled back by one who saw less")


@pytest.mark.usefixtures("nessie")  # skips where it is not installed
def test_an_empty_repository_gets_a_first_commit_that_leaves_nothing_so_that_branches_merge_back(s3: S3Server) -> None:
    with nessie_server.nessie(s3) as empty:
        api = NessieApi(NessieConnection(uri=empty.uri))
        main = api.default_branch()
        assert api.default_branch() == main
        assert len(list(api.history(main))) == 2
        assert api.tables(main) == []
        lab = Lab(empty, s3)
        assert set(api.unmerged(lab.head, main)) == {("lab",), ("lab", "one"), ("lab", "two")}


@pytest.mark.parametrize("written", ["", "/", "/api/v2", "/api/v1/", "/iceberg", "/iceberg/main", "/iceberg/v1/acme"])
def test_the_server_is_found_however_its_address_is_written(written: str) -> None:
    assert server_root(f"https://nessie.example:19120/base{written}") == "https://nessie.example:19120/base"


def test_a_server_that_is_not_there_is_told_with_the_setting_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dativo_engine.catalogs.nessie_api.TRIES", 1)
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:9: .*check target\.connection\.nessie\.uri"):
        NessieApi(NessieConnection(uri="http://127.0.0.1:9/api/v2")).branch("main")


def test_a_server_that_is_no_nessie_is_told(s3: S3Server) -> None:
    api = NessieApi(NessieConnection(uri=s3.endpoint, token=SecretStr("t0p-secret")))
    with pytest.raises((FatalError, CommitConflictError)) as told:
        api.default_branch()
    assert "target.connection.nessie" in str(told.value)
    assert "t0p-secret" not in str(told.value)
