"""Where a running service can be asked: written by it, read by `dativo status`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dativo_dagster.service.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Address:
    """One running service."""

    pid: int
    url: str
    health_url: str

    @classmethod
    def of(cls, settings: ServiceSettings) -> Address:
        """Where this process can be asked."""
        return cls(os.getpid(), settings.url, settings.health_url)


def write_address(home: Path, address: Address) -> None:
    """Say where the service of this home folder is."""
    (home / "service.json").write_text(json.dumps(asdict(address)))


def read_address(home: Path) -> Address | None:
    """Where the service of this home folder is, or was; None: there never was one."""
    try:
        found: Mapping[str, object] = json.loads((home / "service.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Address(int(str(found["pid"])), str(found["url"]), str(found["health_url"]))
