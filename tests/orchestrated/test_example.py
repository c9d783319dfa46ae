"""The guide's runner file as it stands: Stripe's customers hourly, HubSpot's contacts daily, into Nessie and S3."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog

from tests.docs.documents import REPOSITORY, blocks
from tests.fakes import hubspot as fake_hubspot
from tests.fakes import stripe as fake_stripe
from tests.orchestrated.service import OVER, Service
from tests.orchestrated.tenants import DATIVO, Event, Tenants, events_of
from tools.example_secrets import write_secrets
from tools.services import nessie as nessie_server
from tools.services.fixtures import skip_without
from tools.services.nessie import NessieServer
from tools.services.seaweedfs import S3Server

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("example")]  # it waits for a minute to begin

GUIDE = next(block.text for block in blocks("yaml") if "stripe_customers_hourly" in block.text)
STRIPE, HUBSPOT = "stripe_customers_to_iceberg", "hubspot_contacts_to_iceberg"
HOUR = 3600
# The health endpoint's answer may be so old.
MOMENT = timedelta(seconds=5)


@dataclass
class Acme:
    """The tenant of the guide: its project, its accounts at both vendors, its branch."""

    tenants: Tenants
    customers: fake_stripe.FakeStripe
    contacts: fake_hubspot.FakeHubSpot
    nessie: NessieServer
    s3: S3Server

    def names(self, table: str, column: str) -> dict[str, str]:
        """A column of a table by id, as another reader of the branch finds it."""
        keys = {"s3.access-key-id": self.s3.access_key_id, "s3.secret-access-key": self.s3.secret_access_key}
        place = {"uri": f"{self.nessie.uri}/iceberg/acme", "s3.endpoint": self.s3.endpoint}
        catalog = load_catalog("acme", type="rest", **place, **keys)
        rows = catalog.load_table(f"acme.{table}").scan().to_arrow().to_pylist()
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["id"]: row[column] for row in rows}

    def are_right(self) -> bool:
        """Whether both tables are what the vendors have."""
        customers = {key: item["name"] for key, item in self.customers.account().final("customers").items()}
        people = self.contacts.portal.current("contacts").items()
        contacts = {str(key): record.value("firstname") for key, record in people}
        found = self.names("stripe_customers", "name"), self.names("hubspot_contacts", "firstname")
        return found == (customers, contacts)


@pytest.fixture
def nessie(s3: S3Server) -> Generator[NessieServer]:
    """One for this test alone: the jobs as they stand write to the branch `acme`, as those of other tests do."""
    skip_without(nessie_server.missing())
    with nessie_server.nessie(s3) as server:
        yield server


@pytest.fixture
def acme(tmp_path: Path, nessie: NessieServer, s3: S3Server) -> Generator[Acme]:
    """The repository's example files, the guide's runner file, and two vendors."""
    root = tmp_path / "project"
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, root / part)
    tenants = Tenants(root)
    tenants.runner_file.parent.mkdir()
    tenants.runner_file.write_text(GUIDE)
    customers, contacts = fake_stripe.FakeStripe(), fake_hubspot.FakeHubSpot()
    with fake_stripe.serve(customers) as stripe_url, fake_hubspot.serve(contacts) as hubspot_url:
        vendors = {
            "STRIPE_API_KEY": fake_stripe.TEST_KEY,
            "STRIPE_BASE_URL": stripe_url,
            "HUBSPOT_ACCESS_TOKEN": fake_hubspot.TOKEN,
            "HUBSPOT_BASE_URL": hubspot_url,
        }
        write_secrets(root, {**vendors, **nessie.environment(), **s3.environment()})
        yield Acme(tenants, customers, contacts, nessie, s3)


def due(now: datetime) -> dict[str, str]:
    """When each of the guide's schedules is due next: at minute 0 of every hour, and at 2:15."""
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    day = now.replace(hour=2, minute=15, second=0, microsecond=0)
    day += timedelta(days=1) if day <= now else timedelta()
    return {"stripe_customers_hourly": hour.isoformat(), "hubspot_contacts_daily": day.isoformat()}


def rows_read(events: Iterable[Event]) -> dict[str, int]:
    """How many rows the first run of each job read."""
    found = [event for event in events if event["event_type"] == "metrics_complete"]
    return {event["job_name"]: event["records_extracted"] for event in reversed(found)}


def test_both_jobs_run_on_their_schedules_and_once_and_load_what_changed(acme: Acme) -> None:
    account, portal = acme.customers.account(), acme.contacts.portal
    customers = [str(account.create("customers", {"name": f"Customer {number}"})["id"]) for number in range(5)]
    contacts = portal.create_many("contacts", ({"firstname": f"Contact {number}"} for number in range(5)))
    acme.customers.clock.advance(HOUR)
    portal.now += HOUR * 1000

    with Service(acme.tenants) as service:
        service.wait_for("orchestrator_ready")
        before = datetime.now(UTC)
        told = {item["name"]: item["next_tick"] for item in service.health()["schedules"]}
        assert told in (due(before - MOMENT), due(datetime.now(UTC)))
        every_minute = GUIDE.replace('"0 * * * *"', '"* * * * *"').replace('"15 2 * * *"', '"* * * * *"')
        acme.tenants.runner_file.write_text(every_minute)
        service.wait_for("definitions_reloaded")
        for job in (STRIPE, HUBSPOT):
            service.wait_for("job_finished", job_name=job, exit_code=0)
        acme.tenants.runner_file.write_text(GUIDE)
        service.wait_for("definitions_reloaded", count=2)
        service.until(lambda: all(run["status"] in OVER for run in service.runs().values()), "the end of all runs")
        scheduled = {run["dativo/schedule"] for run in service.runs().values()}
        ticked = rows_read(service.events)

    assert scheduled == due(before).keys()
    assert ticked == {STRIPE: 5, HUBSPOT: 5}
    assert acme.are_right()

    account.edit("customers", customers[0], {"name": "edited"})
    account.delete("customers", customers[1])
    portal.edit("contacts", contacts[0], {"firstname": "edited"})
    portal.archive("contacts", contacts[1])
    acme.customers.clock.advance(HOUR)
    portal.now += HOUR * 1000
    acme.tenants.runner_file.write_text(GUIDE.replace("mode: orchestrated", "mode: oneshot"))
    command = [DATIVO, "start", "oneshot", "--runner-config", "configs/runner.yaml"]
    environment = acme.tenants.environment()
    once = subprocess.run(command, cwd=acme.tenants.root, env=environment, capture_output=True, text=True, check=False)

    assert once.returncode == 0, once.stderr
    assert rows_read(events_of(once.stderr)) == {STRIPE: 2, HUBSPOT: 2}
    assert acme.names("stripe_customers", "name")[customers[0]] == "edited"
    assert customers[1] not in acme.names("stripe_customers", "name")
    assert acme.are_right()
