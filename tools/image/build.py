"""The image, and where no registry is to be had its base: Debian with its Python, made from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.image.engine import REPOSITORY, Engine

IMAGE = "localhost/dativo:1.1.0"
DOCKERFILE = REPOSITORY / "deploy" / "docker" / "Dockerfile"
SUITE = "trixie"
INCLUDED = "ca-certificates,python3,python3-pip,python3-venv"
# What `python:3-slim` looks like: `python` on the path, and a pip that may install.
ADAPT = (
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 "$1/usr/local/bin/python" '
    '&& rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/usr/share/doc/* "$1"/usr/share/man/*'
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def base_image(engine: Engine) -> str:
    """The base: `DATIVO_BASE_IMAGE` where set, else one of our own, made once and kept."""
    if given := os.environ.get("DATIVO_BASE_IMAGE"):
        return given
    recipe = hashlib.sha256(f"{SUITE} {INCLUDED} {ADAPT}".encode()).hexdigest()[:12]
    name = f"localhost/dativo-base:{recipe}"
    if not engine.has(name):
        tar = engine.store / "base.tar"
        engine.must(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={INCLUDED}",
                f"--customize-hook={ADAPT}",
                SUITE,
                str(tar),
                mirror(),
            ]
        )
        engine.must(["podman", "import", "--quiet", str(tar), name])
        tar.unlink()
    return name


def mirror() -> str:
    """Where this machine gets Debian's packages."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()[0]


def build(engine: Engine, *, image: str = IMAGE, drivers: str | None = None) -> str:
    """Build the image from the working tree; layers of earlier builds are used again."""
    arguments = [f"BASE_IMAGE={base_image(engine)}", *([] if drivers is None else [f"DRIVERS={drivers}"])]
    engine.must(
        [
            "buildah",
            "bud",
            "--format=docker",  # OCI's own has no HEALTHCHECK
            "--layers",
            *(f"--build-arg={argument}" for argument in arguments),
            *_trust(),
            f"--ignorefile={DOCKERFILE}.dockerignore",
            f"--file={DOCKERFILE}",
            f"--tag={image}",
            str(REPOSITORY),
        ]
    )
    return image


def _trust() -> Iterator[str]:
    """A mount for a machine that has certificates of its own: the image gets nothing of it."""
    if CERTIFICATES.exists():
        yield f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"
