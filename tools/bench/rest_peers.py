"""The tools that `make bench-rest` sets beside dativo: each in a virtual environment of its own, made once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from tools.bench.measure import Measurement, RunFailedError, measure

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "tools" / "bench" / "peers" / "dlt_rest.py"
PACKAGES = {"dlt": ["dlt[filesystem,parquet]==1.31.0"], "airbyte": ["airbyte-source-stripe==5.14.1"]}
# At most so much of a tool's CPU per record is dativo to take.
LIMITS: Mapping[str, float] = {"dlt, load": 0.2, "airbyte-source-stripe": 0.1}
# Few and many records, for a tool that would take an hour for as many as the others.
SIZES: Mapping[str, tuple[int, int]] = {"airbyte-source-stripe": (1_000, 5_000)}
STRIPE = "https://api.stripe.com/v1"


class Peers:
    """Tools that read the double's customers."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def runs(self) -> dict[str, Callable[[str], Measurement]]:
        """What each does with the list at a base URL."""
        return {
            "dlt, read": partial(self.dlt, what="read"),
            "dlt, load": partial(self.dlt, what="load"),
            "airbyte-source-stripe": self.airbyte,
        }

    def install(self, chosen: Collection[str]) -> None:
        """Make the environments that are needed and not there."""
        for name, packages in PACKAGES.items():
            folder = self.work / "peers" / name
            if not any(tool.startswith(name) for tool in chosen) or (folder / "installed").exists():
                continue
            uv = shutil.which("uv") or str(REPOSITORY / ".cache" / "uv" / "bin" / "uv")
            subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
            subprocess.run(
                [uv, "pip", "install", "-q", "--compile-bytecode", "--python", folder / "bin" / "python", *packages],
                check=True,
            )
            (folder / "installed").touch()

    def dlt(self, url: str, *, what: str) -> Measurement:
        """Dlt's `rest_api` source: the records only, or a whole pipeline into files."""
        folder = self.work / "dlt"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        python = self.work / "peers" / "dlt" / "bin" / "python"
        taken = measure([str(python), str(PROGRAM), url, str(folder), what], folder=self.work, environment=_clean())
        return complete(taken, int(taken.stdout.split()[-1]), url)

    def airbyte(self, url: str) -> Measurement:
        """Airbyte's source for Stripe, its manifest's address turned to the double; records as lines on stdout."""
        environment = self.work / "peers" / "airbyte"
        copy = self._turned(environment, url)
        settings = {"client_secret": "sk_test_bench", "account_id": "acct_1", "start_date": "2023-11-01T00:00:00Z"}
        settings |= {"slice_range": 365 * 30, "num_workers": 2}
        stream = {"name": "customers", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
        configured = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        files = {"config.json": settings, "catalog.json": {"streams": [configured]}}
        for name, content in files.items():
            (self.work / name).write_text(json.dumps(content))
        command = [str(environment / "bin" / "source-stripe"), "read"]
        command += ["--config", "config.json", "--catalog", "catalog.json"]
        taken = measure(command, folder=self.work, environment={**_clean(), "PYTHONPATH": str(copy)})
        return complete(taken, taken.stdout.count('"type":"RECORD"'), url)

    def _turned(self, environment: Path, url: str) -> Path:
        """A copy of the connector's package that asks the double: it has no setting for that."""
        copy = self.work / "airbyte"
        (package,) = environment.glob("lib/python*/site-packages/source_stripe")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(package, copy / "source_stripe")
        manifest = copy / "source_stripe" / "manifest.yaml"
        text = manifest.read_text()
        if STRIPE not in text:
            raise RunFailedError(f"{manifest} does not name {STRIPE}")
        manifest.write_text(text.replace(STRIPE, f"{url}/v1"))
        return copy


def complete(taken: Measurement, records: int, url: str) -> Measurement:
    """The measurement, if the tool had every record.

    Raises:
        RunFailedError: it had another number.
    """
    expected = int(url.rsplit("/", 1)[1])
    if records != expected:
        raise RunFailedError(f"{records:,} records instead of {expected:,}: {taken.stdout[-2000:]}")
    return taken


def _clean() -> dict[str, str]:
    """Without what would send a peer to this workspace's modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
