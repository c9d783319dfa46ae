"""What a job reaches over the network, listening on the container bridge: a container's loopback is its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError

from tests.fakes.stripe import TEST_KEY, Account, FakeStripe, Request, Response, serve
from tools.image.engine import Engine
from tools.services import nessie, seaweedfs
from tools.services.fixtures import skip_without

PATIENCE_SECONDS = 60.0


@contextmanager
def bridge(engine: Engine, image: str) -> Generator[str]:
    """The host's address on the containers' default network, which is there for as long as a container is."""
    sleeper = ["podman", "run", "--detach", "--no-healthcheck", "--entrypoint=python", image, "-c"]
    name = engine.must([*sleeper, "import signal; signal.pause()"]).strip()
    try:
        yield engine.must(["podman", "inspect", "--format={{.NetworkSettings.Gateway}}", name]).strip()
    finally:
        engine.must(["podman", "rm", "--force", "--time=0", name])


@dataclass
class Outside:
    """Stripe's double, and a lake for its customers.

    Attributes:
        servers: their settings, as `make example-secrets` takes them from the environment.
    """

    fake: FakeStripe
    servers: Mapping[str, str]
    _asked: threading.Event = field(default_factory=threading.Event)
    _go_on: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def serving(cls, address: str) -> Generator[Self]:
        """All of them, on an address."""
        skip_without(seaweedfs.missing() or nessie.missing())
        fake = FakeStripe()
        with (
            seaweedfs.seaweedfs(address) as s3,
            nessie.nessie(s3, host=address) as lake,
            serve(fake, host=address) as url,
        ):
            keys = {"STRIPE_BASE_URL": url, "STRIPE_API_KEY": TEST_KEY}
            yield cls(fake, {**s3.environment(), **lake.environment(), **keys})

    @property
    def account(self) -> Account:
        return self.fake.account()

    def new_customers(self, count: int) -> None:
        """Customers, one a second."""
        for number in range(count):
            self.fake.clock.advance(1)
            self.account.create("customers", {"name": f"Customer {number}", "currency": "usd"})

    def customers(self) -> set[str]:
        """The ids at Stripe."""
        return set(self.account.final("customers"))

    def loaded(self) -> list[str]:
        """The ids in the table on the tenant's branch, each as often as it is there."""
        s3 = {
            "endpoint": "S3_ENDPOINT",
            "access-key-id": "AWS_ACCESS_KEY_ID",
            "secret-access-key": "AWS_SECRET_ACCESS_KEY",
        }
        settings = {f"s3.{name}": self.servers[variable] for name, variable in s3.items()}
        catalog = load_catalog("nessie", type="rest", uri=f"{self.servers['NESSIE_URI']}/iceberg/acme", **settings)
        try:
            rows = catalog.load_table("acme.stripe_customers").scan(selected_fields=("id",)).to_arrow()
        except NoSuchTableError:
            return []
        return sorted(rows["id"].to_pylist())

    def stall(self) -> None:
        """Leave requests without an answer until `answer_again`."""
        self._asked.clear()
        self._go_on.clear()

        def wait(_: Request) -> Response | None:
            self._asked.set()
            self._go_on.wait(PATIENCE_SECONDS)
            return None

        self.fake.hooks.append(wait)

    def wait_until_asked(self, *, seconds: float) -> bool:
        """Whether a request came that gets no answer."""
        return self._asked.wait(seconds)

    def answer_again(self) -> None:
        """Answer, those that wait included."""
        self.fake.hooks.clear()
        self._go_on.set()
