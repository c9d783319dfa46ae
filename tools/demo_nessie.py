"""`make demo-nessie`: load the example's table on a Nessie and an S3 of its own, and show which branch has it.

python -m tools.demo_nessie
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tools.services import nessie as nessie_server
from tools.services import seaweedfs as s3_server
from tools.services.__main__ import start

REPOSITORY = Path(__file__).resolve().parents[1]
DATIVO = str(Path(sys.executable).with_name("dativo"))
JOB = "jobs/demo/weather_to_iceberg.yaml"
# The variables of the two servers say where they are: see docs/catalogs.md.
CONNECTION = """\
  catalog: nessie
  connection:
    nessie: {}
    s3: {}
"""
COMMANDS = tuple((*words, "--config", JOB) for words in (("run",), ("branches",), ("table", "snapshots")))


def main() -> int:
    """Returns the exit code of the first command that failed, else 0; 1 where a server can't run here."""
    if lacks := s3_server.missing() or nessie_server.missing():
        print(f"The demo needs servers that can't run here: {lacks}", file=sys.stderr)
        return 1
    print("Starting Nessie and an S3 ...", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as started:
        project = Path(folder)
        settings = {name: value for each in start(["nessie"], started) for name, value in each.items()}
        for part in ("jobs/demo", "assets/weather"):
            shutil.copytree(REPOSITORY / part, project / part)
        job = project / JOB
        job.write_text(job.read_text() + CONNECTION)
        print(f"\n$ cat {JOB}\n{job.read_text()}", flush=True)
        return next((code for command in COMMANDS if (code := _dativo(project, command, settings))), 0)


def _dativo(project: Path, command: tuple[str, ...], settings: Mapping[str, str]) -> int:
    print(f"\n$ dativo {' '.join(command)}", flush=True)
    return subprocess.run([DATIVO, *command], cwd=project, env={**os.environ, **settings}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
