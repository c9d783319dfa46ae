"""`make bench-image`: what the container costs over the command itself, and what of dativo fills the image.

Writes the part of docs/deploy.md that lies between its two marks.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bench.measure import PAGE, TICKS, machine, measure
from tools.bench.start import DATIVO, REPOSITORY, one_row_project
from tools.example_secrets import open_to_image
from tools.image.build import base_image, build
from tools.image.engine import Engine
from tools.image.sizes import parts

DOCUMENT = REPOSITORY / "docs" / "deploy.md"
MARKED = re.compile(r"(?<=<!-- written by make bench-image -->\n).*?(?=<!-- until here -->)", re.DOTALL)
ROUNDS = 3
JOB = "jobs/demo/weather_to_iceberg.yaml"
READY_SECONDS = 120.0


def main() -> int:
    """Build the image, measure it, and write the page's tables."""
    engine = Engine()
    image = build(engine)
    with tempfile.TemporaryDirectory(prefix="bench-image-") as folder:
        report = "\n".join([*times(engine, image, Path(folder)), "", *sizes(engine, image), ""])
    DOCUMENT.write_text(MARKED.sub(lambda _: report, DOCUMENT.read_text()))
    print(report)
    return 0


def times(engine: Engine, image: str, folder: Path) -> Iterator[str]:
    """A table of starts: the container's, the same job inside and outside in alternation, the service's."""
    project = one_row_project(folder)
    shutil.copytree(REPOSITORY / "configs", project / "configs")
    volumes = [
        f"--volume={project}/{part}:/app/{part}" for part in ("jobs", "assets", "connectors", "configs", "state")
    ]
    container = ["podman", "run", "--rm", "--no-healthcheck", "--network=none", *volumes, image]
    commands = {
        "`--version`": [*container, "--version"],
        "a job of one row": [*container, "run", "--config", f"/app/{JOB}"],
        "the same without a container": [DATIVO, "run", "--config", JOB],
    }
    taken: dict[str, list[float]] = {name: [] for name in [*commands, "the service, until it is ready"]}
    service: Start | None = None
    for command in commands.values():  # once without counting: byte code, the page cache
        empty_state(project)
        measure(command, folder=project, environment=engine.environment)
    for _ in range(ROUNDS):
        for name, command in commands.items():
            empty_state(project)
            taken[name].append(measure(command, folder=project, environment=engine.environment).wall)
        empty_state(project)
        service = service_start(engine, container)
        taken["the service, until it is ready"].append(service.wall)
    median = {name: statistics.median(walls) for name, walls in taken.items()}
    wanted = ["under 1", "at most 1.2 more than without", "", "under 15"]
    yield f"Median of {ROUNDS} starts with podman and runc. {machine()}"
    yield ""
    yield "| from the start of the container | wall s | wanted |"
    yield "|---|---|---|"
    yield from (f"| {name} | {median[name]:.2f} | {want} |" for name, want in zip(taken, wanted, strict=True))
    yield ""
    assert service is not None
    yield (
        f"Until it is ready the service takes {service.cpu:.1f} s of CPU, whatever else the machine does; then all its "
        f"processes together hold {service.resident / 2**20:.0f} MiB of memory."
    )


def empty_state(project: Path) -> None:
    """A state folder that the image's user may write, with nothing in it."""
    shutil.rmtree(project / "state", ignore_errors=True)
    open_to_image(project)


@dataclass(frozen=True, slots=True)
class Start:
    """What the service took until it said that all of it answers.

    Attributes:
        wall: seconds.
        cpu: seconds of all its processes.
        resident: bytes that they hold then.
    """

    wall: float
    cpu: float
    resident: int


def service_start(engine: Engine, container: list[str]) -> Start:
    """Start the service, see it ready, and remove it."""
    began = time.perf_counter()
    (*run, image) = container
    name = engine.must([*run, "--detach", image, "start", "orchestrated"]).strip()
    try:
        while "orchestrator_ready" not in (told := engine.run(["podman", "logs", name])).stderr + told.stdout:
            if time.perf_counter() - began > READY_SECONDS:
                message = f"not ready in {READY_SECONDS:g} s:\n{told.stderr[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.1)
        wall = time.perf_counter() - began
        # proc(5): times and resident pages of each process, those of children that ended with their parents.
        stat = engine.must(["podman", "exec", name, "sh", "-c", "cat /proc/[0-9]*/stat"])
        fields = [line.rpartition(") ")[2].split() for line in stat.splitlines()]
        cpu = sum(sum(int(ticks) for ticks in found[11:15]) for found in fields) / TICKS
        return Start(wall, cpu, sum(int(found[21]) for found in fields) * PAGE)
    finally:
        engine.run(["podman", "rm", "--force", "--time=0", name])


def sizes(engine: Engine, image: str) -> Iterator[str]:
    """A table of what fills the image."""
    base = engine.size(base_image(engine))
    yield f"The image is {(engine.size(image) - base) / 1e6:.0f} MB larger than its base:"
    yield ""
    yield "| part | MB | of which |"
    yield "|---|---|---|"
    for part in parts(engine, image):
        largest = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in list(part.packages.items())[:5])
        yield f"| {part.name} | {part.size / 1e6:.0f} | {largest} |"


if __name__ == "__main__":
    sys.exit(main())
