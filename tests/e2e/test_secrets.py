"""Secrets planted in every input appear in no output of any command and in no file that a run leaves."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from tests.e2e.project import Finished, Project

PLANTED = {
    "S3_KEY": "AKIAplanted/key+1",
    "S3_SECRET": "planted&secret=/+value 2",
    "TOKEN": "planted-token-3?x",
}
OTHER_TENANT = "planted-of-another-tenant-4"
CONNECTION = """\
target:
  connection:
    rest: {uri: "http://127.0.0.1:9/${PLANTED_PATH}", token: "${secret:token}"}
    s3:
      endpoint: http://127.0.0.1:9
      bucket: lake
      access_key_id: "${secret:s3_key}"
      secret_access_key: "${secret:s3_secret}"
"""


def spellings(value: str) -> set[str]:
    """A secret as it stands, in a URL, in base64 at each of the three alignments, and cut by a line end."""
    found = {value, quote(value, safe=""), quote(value), base64.b64encode(value.encode()).decode().rstrip("=")}
    for shift in (1, 2):
        encoded = base64.b64encode(b"\0" * shift + value.encode()).decode().rstrip("=")
        found.add(encoded[shift + 1 : -2])
    return found


@pytest.fixture
def secretive(project: Project) -> Project:
    """A project whose job needs three secrets, one of them from a file, to reach servers that are not there."""
    project.orders("day1.csv", [(1, PLANTED["TOKEN"], "1.50"), (2, PLANTED["S3_SECRET"], "not a number")])
    project.job("lake", extra=CONNECTION)
    project.job("local")
    secrets = project.root / "secrets" / "acme"
    secrets.mkdir(parents=True)
    (secrets / "token").write_text(PLANTED["TOKEN"] + "\n")
    return project


ENVIRONMENT = {
    "DATIVO_SECRET__ACME__S3_KEY": PLANTED["S3_KEY"],
    "DATIVO_SECRET__ACME__S3_SECRET": PLANTED["S3_SECRET"],
    "DATIVO_SECRET__OTHER__TOKEN": OTHER_TENANT,
    "PLANTED_PATH": "catalog",
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--config", "jobs/acme/lake.yaml", "--json"),
        ("run", "--config", "jobs/acme/lake.yaml", "--debug"),
        ("validate",),
        ("validate", "--json"),
        ("explain", "--config", "jobs/acme/lake.yaml"),
        ("explain", "--config", "jobs/acme/lake.yaml", "--json"),
        ("check", "--config", "jobs/acme/lake.yaml"),
        ("check", "--config", "jobs/acme/lake.yaml", "--json"),
        ("discover", "--config", "jobs/acme/lake.yaml", "--json"),
        ("state", "show", "--config", "jobs/acme/lake.yaml"),
    ],
    ids=" ".join,
)
def test_no_command_shows_a_secret(secretive: Project, arguments: tuple[str, ...]) -> None:
    done = secretive.dativo(*arguments, environment=ENVIRONMENT)

    # Where the data themselves hold the value, a command that shows data may not show it either.
    assert_unseen(done.stdout + done.stderr)
    assert_no_usage_error(done)
    for file in (secretive.root / "state").rglob("*"):
        if file.is_file():
            assert_unseen(file.read_bytes().decode(errors="replace"))


def test_a_secret_of_another_tenant_can_not_be_named(secretive: Project) -> None:
    secretive.job("thief", extra='target: {connection: {sql: {uri: "${secret:other_token}"}}}\n')

    named = secretive.dativo("run", "--config", "jobs/acme/thief.yaml", environment=ENVIRONMENT)
    secretive.job("thief", extra='target: {connection: {sql: {uri: "${DATIVO_SECRET__OTHER__TOKEN}"}}}\n')
    by_variable = secretive.dativo("run", "--config", "jobs/acme/thief.yaml", environment=ENVIRONMENT)

    for done in (named, by_variable):
        assert done.exit_code == 2
        assert_unseen(done.stdout + done.stderr)


def assert_unseen(text: str) -> None:
    """No planted value in any spelling, also where a line end cuts it."""
    joined = text.replace("\n", "").replace("\\n", "")
    for value in (*PLANTED.values(), OTHER_TENANT):
        for spelling in spellings(value):
            assert spelling not in text
            assert spelling not in joined


def assert_no_usage_error(done: Finished) -> None:
    """The command ran: a test of an option that does not exist would prove nothing."""
    assert "No such option" not in done.stderr
    assert "No such command" not in done.stderr
