"""Run by the image's own Python: prints each installed package with its bytes on the disk and what it requires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def main() -> None:
    """Print one object: name to size and requirements, a requirement as [name, its extras, the extra that wants it]."""
    found = {
        canonicalize_name(item.metadata["Name"]): {"size": _size(item), "requires": list(_requirements(item))}
        for item in distributions()
    }
    print(json.dumps(found))


def _size(item: Distribution) -> int:
    return sum(path.stat().st_size for file in item.files or () for path in _with_bytecode(Path(str(file.locate()))))


def _with_bytecode(file: Path) -> Iterator[Path]:
    """What of a file and its byte code is there: some were taken out."""
    if file.exists():
        yield file
    if file.suffix == ".py":
        yield from file.parent.glob(f"__pycache__/{file.stem}.cpython-*.pyc")


def _requirements(item: Distribution) -> Iterator[tuple[str, list[str], str]]:
    for line in item.requires or ():
        requirement = Requirement(line)
        for extra in ("", *item.metadata.get_all("Provides-Extra", [])):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield canonicalize_name(requirement.name), sorted(requirement.extras), extra
                break


if __name__ == "__main__":
    main()
