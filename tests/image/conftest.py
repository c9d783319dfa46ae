"""The image, built once, and a copy of the repository's example project to mount into it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.image.container import Project
from tests.image.outside import Outside, bridge
from tests.image.planted import planted_secrets
from tools.image.build import build
from tools.image.engine import REPOSITORY, Engine, MissingError
from tools.services.fixtures import skip_without


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Podman and buildah."""
    try:
        return Engine()
    except MissingError as error:
        skip_without(str(error))
        raise


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image of this working tree, in which secrets lie about."""
    with planted_secrets(REPOSITORY):
        return build(engine)


@pytest.fixture
def project(engine: Engine, image: str, tmp_path: Path) -> Generator[Project]:
    """The example project, as `make example-secrets` leaves it; what containers leave is removed afterwards."""
    project = Project.copy(engine, image, tmp_path)
    project.make_example_secrets()
    yield project
    project.remove_containers()


@pytest.fixture(scope="session")
def outside(engine: Engine, image: str) -> Generator[Outside]:
    """Stripe's double, Nessie and S3, listening where containers reach them."""
    with bridge(engine, image) as address, Outside.serving(address) as outside:
        yield outside
