"""`make demo`: run the example job, say what it did, and show the table.

python tools/demo.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DATIVO = str(Path(sys.executable).with_name("dativo"))
JOB = "jobs/demo/weather_to_iceberg.yaml"


def main() -> int:
    """Returns the exit code of the first command that failed, else 0."""
    print(f"$ dativo run --config {JOB}", flush=True)
    run = subprocess.run(
        [DATIVO, "run", "--config", JOB, "--json"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=False
    )
    if run.returncode != 0:
        return run.returncode
    result = json.loads(run.stdout)
    if result["rows_read"]:
        print(f"\nLoaded {result['rows_accepted']:,} rows in {result['seconds']:.1f} s.")
    else:
        print("\nNothing new: the file was loaded by an earlier run, so no row was loaded twice.")
    print(f"\n$ dativo table show --config {JOB}", flush=True)
    return subprocess.run([DATIVO, "table", "show", "--config", JOB], cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
