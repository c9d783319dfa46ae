"""The example job over HubSpot's contacts, as the repository has it, against the fake."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from pyiceberg.catalog import load_catalog

from tests.docs.documents import REPOSITORY
from tests.e2e.project import Finished, Project
from tests.fakes.hubspot import TOKEN, App, FakeHubSpot, Portal, serve
from tests.readers.view import Reader
from tools.example_secrets import write_secrets
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

JOB = "jobs/acme/hubspot_contacts_to_iceberg.yaml"
CONNECTION = re.compile(r"^  connection:\n(?:    .*\n)+", re.MULTILINE)
HOUR = 3600 * 1000
DAY = 24 * HOUR


@dataclass
class Example:
    """The repository's example files in a project of their own, and a HubSpot."""

    project: Project
    fake: FakeHubSpot
    url: str

    @property
    def portal(self) -> Portal:
        return self.fake.portal

    def without_servers(self, **changes: str) -> Example:
        """The job with the embedded catalogue."""
        job = self.project.root / JOB
        text = CONNECTION.sub("", job.read_text())
        for old, new in changes.items():
            text = text.replace(old, new)
        job.write_text(text)
        self.secrets()
        return self

    def secrets(self, **more: str) -> None:
        """What `make example-secrets` writes."""
        write_secrets(self.project.root, {"HUBSPOT_ACCESS_TOKEN": TOKEN, "HUBSPOT_BASE_URL": self.url, **more})

    def run(self, *arguments: str) -> Finished:
        return self.project.dativo("run", "--config", JOB, "--mode", "self_hosted", "--json", *arguments)

    def contacts(self, count: int) -> list[int]:
        """New contacts of an hour ago."""
        people = ({"email": f"c{number}@example.com", "firstname": f"Contact {number}"} for number in range(count))
        made = self.portal.create_many("contacts", people)
        self.portal.now += HOUR
        return made

    def table(self, reader: Reader) -> dict[object, object]:
        """First names by id, as another reader finds them."""
        view = reader.read(self.location())
        key, name = view.columns.index("id"), view.columns.index("firstname")
        return {row[key]: row[name] for row in view.rows}

    def location(self) -> str:
        location = self.project.metadata_location("hubspot_contacts")
        assert location is not None
        return location

    def at_hubspot(self) -> dict[object, object]:
        return {str(it): record.value("firstname") for it, record in self.portal.current("contacts").items()}


@pytest.fixture
def example(project: Project) -> Generator[Example]:
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, project.root / part, dirs_exist_ok=True)
    fake = FakeHubSpot()
    with serve(fake) as url:
        yield Example(project, fake, url)


def test_a_second_run_loads_what_changed_and_the_table_is_right(example: Example, pyiceberg_reader: Reader) -> None:
    example.without_servers()
    made = example.contacts(230)
    first = example.run()
    assert first.exit_code == 0, first.stderr
    assert first.result["rows_read"] == 230

    example.portal.edit("contacts", made[3], {"firstname": "edited"})
    example.portal.archive("contacts", made[4])
    example.portal.merge("contacts", made[5], made[6])
    example.portal.purge("contacts", made[7])
    example.contacts(2)
    second, third = example.run(), example.run()

    assert second.result["rows_read"] == 6, "an edit, a survivor, two new ones; an archived and a merged one"
    assert (third.exit_code, third.result["rows_read"]) == (0, 0)
    assert example.table(pyiceberg_reader) == {**example.at_hubspot(), str(made[7]): "Contact 7"}
    assert example.table(pyiceberg_reader)[str(made[3])] == "edited"
    example.portal.now += 8 * DAY
    assert example.run().result["rows_read"] == 1
    assert example.table(pyiceberg_reader) == example.at_hubspot()


def test_a_full_refresh_replaces_the_table_by_what_is_there(example: Example, pyiceberg_reader: Reader) -> None:
    example.without_servers()
    made = example.contacts(5)
    example.run()
    example.portal.purge("contacts", made[0])
    example.portal.archive("contacts", made[1])

    assert example.run("--full-refresh").exit_code == 0

    assert example.table(pyiceberg_reader) == example.at_hubspot()
    assert example.run().result["rows_read"] == 0


def test_values_have_the_types_of_the_contract(example: Example, pyiceberg_reader: Reader) -> None:
    example.without_servers()
    values = {"total_revenue": "1234.50", "num_associated_deals": "3", "hs_email_optout": "true", "phone": ""}
    contact = example.portal.create("contacts", values)
    company = example.portal.create("companies", {"name": "Analytical Engines"})
    example.portal.associate("contacts", contact, "companies", company)

    run = example.run()

    assert run.exit_code == 0, run.stderr
    view = pyiceberg_reader.read(example.location())
    row = dict(zip(view.columns, view.rows[0], strict=True))
    assert row["total_revenue"] == Decimal("1234.50")
    assert (row["num_associated_deals"], row["hs_email_optout"]) == (3, True)
    assert row["associated_companies"] == (str(company),)


def test_what_breaks_the_contract_is_named_with_its_row(example: Example) -> None:
    example.without_servers()
    example.portal.create("contacts", {"total_revenue": "much"})

    run = example.run()

    assert run.exit_code == 2
    assert "total_revenue" in str(run.result["error"])


def test_what_a_job_reads_is_told_before_it_runs(example: Example) -> None:
    example.without_servers()
    example.contacts(1)

    explained = example.project.dativo("explain", "--config", JOB)
    checked = example.project.dativo("check", "--config", JOB)

    assert "deleted for good" in explained.stdout
    assert checked.exit_code == 0, checked.stderr
    assert "private app" in checked.stdout
    assert "Contact 0" in example.project.dativo("preview", "--config", JOB).stdout


@pytest.mark.parametrize("token", [TOKEN, "pat-na1-planted-and-refused-0000"])
def test_the_token_is_in_nothing_that_a_run_writes(example: Example, token: str) -> None:
    example.without_servers(**{"level: INFO": "level: DEBUG"})
    example.contacts(2)
    (example.project.root / "secrets" / "acme" / ".env").write_text(
        f"hubspot_access_token={token}\nhubspot_base_url={example.url}\n"
    )

    told = [example.run(), example.project.dativo("discover", "--config", JOB), example.run("--debug")]

    assert told[0].exit_code == (0 if token == TOKEN else 2)
    written = [file for file in (example.project.root / "state").rglob("*") if file.is_file()]
    texts = [it.stdout + it.stderr for it in told] + [file.read_bytes().decode("latin-1") for file in written]
    for text in texts:
        assert token not in text
        assert token.removeprefix("pat-na1-") not in text


def test_an_oauth_apps_secrets_are_in_nothing_that_a_run_writes(example: Example) -> None:
    credentials = "{client_id: app, client_secret: '${secret:app_secret}', refresh_token: '${secret:app_refresh}'}"
    example.without_servers(**{'{access_token: "${secret:hubspot_access_token}"}': credentials})
    example.contacts(2)
    example.fake.apps["refresh-0123456789"] = App("app", "app-secret-0123456789")
    (example.project.root / "secrets" / "acme" / ".env").write_text(
        "app_secret=app-secret-0123456789\napp_refresh=refresh-0123456789\n" + f"hubspot_base_url={example.url}\n"
    )

    run = example.run("--debug")

    assert run.exit_code == 0, run.stderr
    granted = example.fake.tokens.keys() - {TOKEN}
    assert granted
    written = [file for file in (example.project.root / "state").rglob("*") if file.is_file()]
    texts = [run.stdout + run.stderr] + [file.read_bytes().decode("latin-1") for file in written]
    assert not [text for text in texts if "0123456789" in text or any(token in text for token in granted)]


def test_a_missing_scope_is_named_to_the_one_who_can_grant_it(example: Example) -> None:
    example.without_servers()
    token = example.fake.scoped_token("crm.objects.deals.read")
    (example.project.root / "secrets" / "acme" / ".env").write_text(
        f"hubspot_access_token={token}\nhubspot_base_url={example.url}\n"
    )

    run = example.run()

    assert run.exit_code == 2
    assert "the token lacks the scope crm.objects.contacts.read" in str(run.result["error"])
    assert "source.credentials" in str(run.result["error"])


def test_the_job_runs_as_it_stands_into_nessie_and_s3(example: Example, nessie: NessieServer, s3: S3Server) -> None:
    example.secrets(**nessie.environment(), **s3.environment())
    made = example.contacts(5)
    first = example.run()
    assert first.exit_code == 0, first.stderr
    example.portal.edit("contacts", made[0], {"firstname": "edited"})
    example.portal.archive("contacts", made[1])
    example.portal.now += HOUR

    second = example.run()

    assert second.exit_code == 0, second.stderr
    assert second.result["rows_read"] == 2
    keys = {"s3.access-key-id": s3.access_key_id, "s3.secret-access-key": s3.secret_access_key}
    catalog = load_catalog(
        "acme", type="rest", uri=f"{nessie.uri}/iceberg/acme", **{"s3.endpoint": s3.endpoint}, **keys
    )
    rows = catalog.load_table("acme.hubspot_contacts").scan().to_arrow().to_pylist()
    assert {row["id"]: row["firstname"] for row in rows} == example.at_hubspot()
