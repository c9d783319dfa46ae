"""What the image is made of: the bytes of each installed package, and which part of dativo brings it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from tools.image.engine import Engine

# In this order: what an earlier part needs is not a later part's.
PARTS: Mapping[str, tuple[str, str]] = {
    "jobs: files, web APIs, Parquet, Iceberg, S3": ("dativo-cli", ""),
    "the service: Dagster and its UI": ("dativo-dagster", "service"),
    "driver `sql`: a catalogue in PostgreSQL": ("dativo-engine", "sql"),
}
INSIDE = Path(__file__).with_name("inside.py")


class _Installed(TypedDict):
    size: int
    requires: list[tuple[str, list[str], str]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of dativo.

    Attributes:
        size: bytes of the packages that only it and later parts need.
        packages: those, the largest first, each with its bytes.
    """

    name: str
    size: int
    packages: Mapping[str, int]


def parts(engine: Engine, image: str) -> list[Part]:
    """Every installed package of an image, by the part that brings it."""
    command = ["podman", "run", "--rm", "--no-healthcheck", "--network=none", "--entrypoint=python", image, "-c"]
    installed: dict[str, _Installed] = json.loads(engine.must([*command, INSIDE.read_text()]))
    found: list[Part] = []
    counted = set[str]()
    for name, (root, extra) in PARTS.items():
        needed = {package for package, _ in _needed(installed, root, extra)} - counted
        counted |= needed
        sizes = {package: installed[package]["size"] for package in needed}
        largest_first = dict(sorted(sizes.items(), key=lambda item: -item[1]))
        found.append(Part(name, sum(sizes.values()), largest_first))
    return found


def _needed(installed: Mapping[str, _Installed], root: str, extra: str) -> set[tuple[str, str]]:
    """What a package needs that is there, itself included: pairs of package and extra."""
    seen = set[tuple[str, str]]()
    to_see = [(root, ""), (root, extra)]
    while to_see:
        package = to_see.pop()
        if package in seen or package[0] not in installed:
            continue
        seen.add(package)
        to_see += _required(installed[package[0]], package[1])
    return seen


def _required(package: _Installed, extra: str) -> Iterator[tuple[str, str]]:
    for name, extras, wanted_by in package["requires"]:
        if wanted_by == extra:
            yield name, ""
            yield from ((name, of_it) for of_it in extras)
