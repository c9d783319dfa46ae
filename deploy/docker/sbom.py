"""Leave in a list of materials (CycloneDX) what is installed: a lock file also names what other systems need.

That may be another version of the same package, for another Python.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import distributions
from pathlib import Path


def main() -> None:
    """Rewrite the file that the command line names."""
    file = Path(sys.argv[1])
    materials = json.loads(file.read_text())
    installed = {(_canonical(item.metadata["Name"]), item.version) for item in distributions()}
    materials["components"] = [
        item for item in materials["components"] if (_canonical(item["name"]), item.get("version")) in installed
    ]
    kept = {item["bom-ref"] for item in materials["components"]} | {materials["metadata"]["component"]["bom-ref"]}
    materials["dependencies"] = [
        {**item, "dependsOn": [name for name in item.get("dependsOn", []) if name in kept]}
        for item in materials.get("dependencies", [])
        if item["ref"] in kept
    ]
    file.write_text(json.dumps(materials, indent=1))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
