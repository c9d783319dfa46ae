"""A REST catalogue that fails: what may have happened is never taken for what did not."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from dataclasses import dataclass

import pytest
from dativo_config.models.job import RestConnection
from dativo_engine.catalogs import rest_transport
from dativo_engine.catalogs.rest import RemoteCatalog, open_rest
from dativo_engine.errors import AuthenticationError, ConnectionFailedError, DativoError, FatalError, RetryableError
from pydantic import SecretStr
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.schema import Schema
from pyiceberg.table.update import AssertTableUUID, SetPropertiesUpdate
from pyiceberg.types import LongType, NestedField
from scripted_server import Fault, Script, scripted

from tools.services.seaweedfs import REGION, S3Server

pytestmark = pytest.mark.xdist_group("s3")
NAME = ("acme", "orders")
TABLE = "/namespaces/acme/tables/orders"
TOKENS = "/v1/oauth/tokens"


@dataclass
class Lake:
    """A table in the catalogue of SeaweedFS, behind a server that a test makes fail."""

    s3: S3Server
    bucket: str
    script: Script

    def connection(self, **settings: object) -> RestConnection:
        client = SecretStr(f"{self.s3.access_key_id}:{self.s3.secret_access_key}")
        given = {"uri": self.script.uri, "warehouse": f"s3://{self.bucket}", "credential": client, **settings}
        return RestConnection.model_validate(given)

    def open(self, **settings: object) -> RemoteCatalog:
        files = {
            "py-io-impl": "dativo_engine.storage.fileio.StorageFileIO",
            "s3.endpoint": self.s3.endpoint,
            "s3.region": REGION,
            "s3.access-key-id": self.s3.access_key_id,
            "s3.secret-access-key": self.s3.secret_access_key,
        }
        return open_rest(self.connection(**settings), files=files)

    def commit(self, catalog: RemoteCatalog, value: str) -> None:
        """Set the table's property `mark`."""
        table = catalog.load_table(NAME)
        requirements = (AssertTableUUID(uuid=table.metadata.table_uuid),)
        catalog.commit_table(table, requirements, (SetPropertiesUpdate(updates={"mark": value}),))

    def mark(self) -> str | None:
        """The property, asked for where nothing fails."""
        return self.open(uri=self.s3.iceberg).load_table(NAME).properties.get("mark")


@pytest.fixture
def lake(s3: S3Server) -> Generator[Lake]:
    bucket = f"tables-{uuid.uuid4().hex[:12]}"
    s3.make_table_bucket(bucket)
    with scripted(s3.iceberg) as script:
        lake = Lake(s3, bucket, script)
        direct = lake.open(uri=s3.iceberg)
        direct.create_namespace("acme")
        direct.create_table(NAME, Schema(NestedField(1, "id", LongType())))
        yield lake


@pytest.mark.parametrize("fault", [500, 502, 503, 504, "reset", "lost", "cut"])
def test_a_commit_without_an_answer_is_unknown_and_sent_once(lake: Lake, fault: Fault) -> None:
    catalog = lake.open()
    lake.script.fail("POST", TABLE, fault)
    with pytest.raises(CommitStateUnknownException):
        lake.commit(catalog, "new")
    assert lake.script.count("POST", TABLE) == 1
    assert lake.mark() == ("new" if fault in ("lost", "cut") else None)


def test_a_commit_that_is_never_answered_is_unknown(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_transport, "READ_SECONDS", 0.5)
    catalog = lake.open()
    lake.script.fail("POST", TABLE, "hang")
    with pytest.raises(CommitStateUnknownException):
        lake.commit(catalog, "new")
    assert lake.mark() == "new"


@pytest.mark.parametrize("fault", [409, 429])
def test_a_commit_that_certainly_did_not_happen_may_be_made_again(lake: Lake, fault: Fault) -> None:
    catalog = lake.open()
    lake.script.fail("POST", TABLE, fault)
    with pytest.raises(CommitFailedException):
        lake.commit(catalog, "new")
    lake.commit(catalog, "newer")
    assert lake.mark() == "newer"


def test_nobody_where_the_catalogue_was_is_no_unknown_commit(lake: Lake) -> None:
    catalog = lake.open()
    table = catalog.load_table(NAME)
    catalog.uri = "http://127.0.0.1:9"
    with pytest.raises(ConnectionFailedError, match=r"target\.connection\.rest\.uri: .* can't be reached"):
        catalog.commit_table(table, (), (SetPropertiesUpdate(updates={"mark": "new"}),))


@pytest.mark.parametrize("faults", [(503, 429), ("reset", "lost"), (504,)])
def test_what_only_reads_is_asked_again(lake: Lake, faults: tuple[Fault, ...]) -> None:
    catalog = lake.open()
    lake.script.fail("GET", TABLE, *faults)
    assert catalog.load_table(NAME).name() == NAME
    assert lake.script.count("GET", TABLE) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (401, AuthenticationError, r"refuses the credentials \(401: as it was told to\); check .*rest\.credential"),
        (403, AuthenticationError, "forbids it"),
        (400, FatalError, r"refuses the request \(400: as it was told to\)"),
        (503, RetryableError, r"is out of order \(503: as it was told to\)"),
        ("reset", ConnectionFailedError, "can't be reached"),
    ],
)
def test_what_goes_on_failing_is_told_in_one_line(lake: Lake, fault: Fault, kind: type[DativoError], says: str) -> None:
    catalog = lake.open()
    faults: list[Fault] = [fault] * 9
    lake.script.fail("GET", TABLE, *faults)
    with pytest.raises(kind, match=says) as raised:
        catalog.load_table(NAME)
    assert "\n" not in str(raised.value)


def test_a_token_that_expired_is_replaced_and_the_request_sent_again(lake: Lake) -> None:
    catalog = lake.open()
    tokens = lake.script.count("POST", TOKENS)
    lake.script.fail("POST", TABLE, 401)
    lake.commit(catalog, "new")
    assert (lake.mark(), lake.script.count("POST", TOKENS)) == ("new", tokens + 1)


def test_a_jobs_headers_are_sent_and_its_secrets_stay_out_of_the_properties(lake: Lake) -> None:
    catalog = lake.open(headers={"X-Team": SecretStr("data-and-friends")})
    catalog.load_table(NAME)
    assert all(
        headers.get("X-Team") == "data-and-friends" for _, path, headers in lake.script.seen if TOKENS not in path
    )
    shown = str(catalog.properties) + str(catalog.load_table(NAME).io.properties)
    assert "data-and-friends" not in shown
    assert f"{lake.s3.access_key_id}:" not in shown


def test_credentials_for_files_are_asked_for_only_without_keys_of_the_jobs_own(lake: Lake) -> None:
    lake.open()
    assert not any("X-Iceberg-Access-Delegation" in headers for _, _, headers in lake.script.seen)
    open_rest(lake.connection(), files={})
    assert lake.script.seen[-1][2]["X-Iceberg-Access-Delegation"] == "vended-credentials"


def test_a_tables_files_are_read_with_the_credentials_that_the_catalogue_hands_out(lake: Lake) -> None:
    keys = {"s3.access-key-id": lake.s3.access_key_id, "s3.secret-access-key": lake.s3.secret_access_key}
    files = {"py-io-impl": "dativo_engine.storage.fileio.StorageFileIO", "s3.endpoint": lake.s3.endpoint}
    catalog = open_rest(lake.connection(), files=files)
    lake.script.hands_out = keys
    table = catalog.load_table(NAME)
    with table.io.new_input(table.metadata_location).open() as stream:
        assert b"table-uuid" in stream.read()


def test_a_jobs_own_keys_win_over_those_that_the_catalogue_hands_out(lake: Lake) -> None:
    lake.script.hands_out = {"s3.access-key-id": "nobody", "s3.secret-access-key": "x", "s3.session-token": "theirs"}
    properties = lake.open().load_table(NAME).io.properties
    assert properties["s3.access-key-id"] == lake.s3.access_key_id
    assert "s3.session-token" not in properties


def test_what_is_no_catalogue_is_called_one(lake: Lake) -> None:
    lake.script.fail("GET", "/v1/config", "cut", "cut", "cut")
    with pytest.raises(DativoError, match=r"target\.connection\.rest\.uri"):
        lake.open()
