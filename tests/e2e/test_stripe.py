"""The example job over Stripe's customers, as the repository has it, against the fake and real servers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import pytest
from pyiceberg.catalog import load_catalog

from tests.docs.documents import REPOSITORY
from tests.e2e.project import Finished, Project
from tests.fakes.stripe import TEST_KEY, Account, FakeStripe, serve
from tests.readers.view import Reader
from tools.example_secrets import write_secrets
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

JOB = "jobs/acme/stripe_customers_to_iceberg.yaml"
CONNECTION = re.compile(r"^  connection:\n(?:    .*\n)+", re.MULTILINE)
HOUR, DAY = 3600, 24 * 3600


@dataclass
class Example:
    """The repository's example files in a project of their own, and a Stripe."""

    project: Project
    fake: FakeStripe
    url: str

    @property
    def account(self) -> Account:
        return self.fake.account()

    def without_servers(self) -> Example:
        """The job with the embedded catalogue."""
        job = self.project.root / JOB
        job.write_text(CONNECTION.sub("", job.read_text()))
        self.secrets({})
        return self

    def secrets(self, servers: Mapping[str, str]) -> None:
        """What `make example-secrets` writes where the environment names these servers."""
        write_secrets(self.project.root, {"STRIPE_API_KEY": TEST_KEY, "STRIPE_BASE_URL": self.url, **servers})

    def run(self, *arguments: str) -> Finished:
        return self.project.dativo("run", "--config", JOB, "--mode", "self_hosted", "--json", *arguments)

    def customers(self, count: int) -> list[str]:
        """New customers, one a second."""
        made: list[str] = []
        for number in range(count):
            self.fake.clock.advance(1)
            values = {"name": f"Customer {number}", "email": f"c{number}@example.com", "currency": "usd"}
            made.append(str(self.account.create("customers", {**values})["id"]))
        return made

    def table(self, reader: Reader) -> dict[object, object]:
        """Names by id, as another reader finds them."""
        location = self.project.metadata_location("stripe_customers")
        assert location is not None
        view = reader.read(location)
        key, name = view.columns.index("id"), view.columns.index("name")
        return {row[key]: row[name] for row in view.rows}

    def at_stripe(self) -> dict[object, object]:
        return {key: item["name"] for key, item in self.account.final("customers").items()}


@pytest.fixture
def example(project: Project) -> Generator[Example]:
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, project.root / part, dirs_exist_ok=True)
    fake = FakeStripe()
    with serve(fake) as url:
        yield Example(project, fake, url)


def test_a_second_run_loads_what_changed_and_the_table_is_right(example: Example, pyiceberg_reader: Reader) -> None:
    example.without_servers()
    made = example.customers(130)
    example.fake.clock.advance(HOUR)
    example.customers(1)
    first = example.run()
    assert first.exit_code == 0, first.stderr
    assert first.result["rows_read"] == 131

    example.fake.clock.advance(HOUR)
    example.account.edit("customers", made[3], {"name": "edited"})
    example.account.delete("customers", made[4])
    example.customers(2)
    second = example.run()
    third = example.run()

    assert second.result["rows_read"] == 4, "an edit, a deletion and two new ones"
    assert (third.exit_code, third.result["rows_read"]) == (0, 0)
    assert example.table(pyiceberg_reader) == example.at_stripe()
    assert example.table(pyiceberg_reader)[made[3]] == "edited"


def test_a_job_that_stood_still_for_a_month_says_that_it_reads_everything(example: Example) -> None:
    example.without_servers()
    example.customers(3)
    assert example.run().exit_code == 0
    example.fake.clock.advance(31 * DAY)

    again = example.run()

    assert again.result["rows_read"] == 3
    [told] = [event for event in again.events if event["event_type"] == "full_read"]
    assert "--full-refresh" in str(told["message"])


def test_what_a_job_reads_is_told_before_it_runs(example: Example) -> None:
    example.without_servers()
    example.customers(1)

    explained = example.project.dativo("explain", "--config", JOB)
    checked = example.project.dativo("check", "--config", JOB)

    assert "API version 2026-10-28.endive" in explained.stdout
    assert "deleted" in explained.stdout
    assert checked.exit_code == 0, checked.stderr
    assert "API version 2026-10-28.endive, test mode" in checked.stdout
    assert "Customer 0" in example.project.dativo("preview", "--config", JOB).stdout


def test_a_contract_proposed_from_a_sample_can_be_run(example: Example) -> None:
    example.without_servers()
    example.customers(3)
    arguments = ("customers", "--option", f"base_url={example.url}", "--write-contract", "assets/proposed.yaml")
    asked = example.project.dativo(
        "discover", "--connector", "stripe", *arguments, environment={"STRIPE_API_KEY": TEST_KEY}
    )
    assert asked.exit_code == 2, "of two tenants, none has the key"
    shutil.rmtree(example.project.root / "jobs" / "demo")

    proposed = example.project.dativo(
        "discover", "--connector", "stripe", *arguments, environment={"STRIPE_API_KEY": TEST_KEY}
    )
    job = example.project.root / JOB
    job.write_text(job.read_text().replace("assets/stripe/v1.0/customers.yaml", "assets/proposed.yaml"))
    run = example.run()

    assert proposed.exit_code == 0, proposed.stderr
    assert (run.exit_code, run.result["rows_read"]) == (0, 3), run.stderr


@pytest.mark.parametrize("key", [TEST_KEY, "sk_test_51PlantedAndRefused000planted"])
def test_the_key_is_in_nothing_that_a_run_writes(example: Example, key: str) -> None:
    example.without_servers()
    example.customers(2)
    (example.project.root / "secrets" / "acme" / ".env").write_text(
        f"stripe_api_key={key}\nstripe_base_url={example.url}\n"
    )
    job = example.project.root / JOB
    job.write_text(job.read_text().replace("level: INFO", "level: DEBUG"))

    told = [example.run(), example.project.dativo("discover", "--config", JOB), example.run("--debug")]

    assert told[0].exit_code == (0 if key == TEST_KEY else 2)
    written = [file for file in (example.project.root / "state").rglob("*") if file.is_file()]
    texts = [it.stdout + it.stderr for it in told] + [file.read_bytes().decode("latin-1") for file in written]
    for text in texts:
        assert key not in text
        assert key.removeprefix("sk_test_") not in text


def test_a_created_object_that_is_edited_is_missed_with_created_and_explain_says_so(example: Example) -> None:
    example.without_servers()
    job = example.project.root / JOB
    job.write_text(job.read_text().replace("{strategy: events}", "{strategy: created}"))

    explained = example.project.dativo("explain", "--config", JOB)

    assert "changes and deletions of objects that were read before are missed" in explained.stdout


def test_append_takes_no_changes(example: Example) -> None:
    job = example.project.root / JOB
    job.write_text(job.read_text().replace("mode: merge", "mode: append"))

    found = example.project.dativo("validate")

    assert found.exit_code == 2
    assert (
        "append can't apply the changes and deletions that the strategy 'events' reads" in found.stdout + found.stderr
    )


def test_an_object_that_stripe_does_not_have_is_a_problem_of_the_file(example: Example) -> None:
    job = example.project.root / JOB
    job.write_text(job.read_text().replace("[customers]", "[custmers]"))

    found = example.project.dativo("validate")

    assert found.exit_code == 2
    assert "stripe_customers_to_iceberg.yaml:6:13" in found.stdout + found.stderr
    assert "did you mean 'customers'" in found.stdout + found.stderr


def test_the_job_runs_as_it_stands_into_nessie_and_s3(example: Example, nessie: NessieServer, s3: S3Server) -> None:
    example.secrets({**nessie.environment(), **s3.environment()})
    made = example.customers(5)
    first = example.run()
    assert first.exit_code == 0, first.stderr
    example.fake.clock.advance(HOUR)
    example.account.edit("customers", made[0], {"name": "edited"})
    example.account.delete("customers", made[1])

    second = example.run()

    assert second.exit_code == 0, second.stderr
    assert second.result["rows_read"] == 2
    keys = {"s3.access-key-id": s3.access_key_id, "s3.secret-access-key": s3.secret_access_key}
    catalog = load_catalog(
        "acme", type="rest", uri=f"{nessie.uri}/iceberg/acme", **{"s3.endpoint": s3.endpoint}, **keys
    )
    rows = catalog.load_table("acme.stripe_customers").scan().to_arrow().to_pylist()
    assert {row["id"]: row["name"] for row in rows} == example.at_stripe()
