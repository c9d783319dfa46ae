"""The image, built once, and a copy of the repository's example project to mount into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.image.container import FOLDERS, Project
from tools.example_secrets import write_secrets
from tools.image.build import build
from tools.image.engine import REPOSITORY, Engine, MissingError


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Podman and buildah."""
    try:
        return Engine()
    except MissingError as error:
        if os.environ.get("DATIVO_REQUIRE_SERVICES") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image of this working tree."""
    return build(engine)


@pytest.fixture
def project(engine: Engine, image: str, tmp_path: Path) -> Generator[Project]:
    """The example project, as `make example-secrets` leaves it; what containers leave is removed afterwards."""
    for folder in FOLDERS:
        source = REPOSITORY / folder
        if source.exists() and folder not in ("secrets", "state"):
            shutil.copytree(source, tmp_path / folder)
    write_secrets(tmp_path, {})
    project = Project(engine, image, tmp_path)
    yield project
    project.remove_containers()
