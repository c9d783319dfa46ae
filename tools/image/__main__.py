"""`make image`: build the image into a store of the repository's own, and say how to run it."""

from __future__ import annotations

import sys

from tools.image.build import build
from tools.image.engine import Engine, MissingError


def main() -> int:
    """Build, and tell."""
    try:
        engine = Engine()
    except MissingError as error:
        print(f"make image: {error}", file=sys.stderr)
        return 2
    image = build(engine)
    print(f"{image}: {engine.size(image) / 1e6:.0f} MB, in {engine.store}")
    print(f"To use podman on it: export CONTAINERS_STORAGE_CONF={engine.store}/storage.conf")
    print(f"                     export CONTAINERS_CONF={engine.store}/containers.conf")
    return 0


if __name__ == "__main__":
    sys.exit(main())
