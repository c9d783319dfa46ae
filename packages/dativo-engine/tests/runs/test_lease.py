"""A tenant's run slots hold between processes and are freed by kill -9."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from dativo_config.tenancy import Tenant
from dativo_engine.errors import LeaseHeldError
from dativo_engine.lease import hold_slot


class Heard:
    """Keeps what was emitted."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        self.types.append(event_type)


HOLDER = """
    import sys, time
    from pathlib import Path
    from dativo_config.tenancy import Tenant
    from dativo_engine.lease import hold_slot
    class Quiet:
        def emit(self, *_args, **_fields): pass
    root = Path(sys.argv[1])
    tenant = Tenant("acme", state_root=root, secrets_root=root)
    with hold_slot(tenant, job="other", run_id="r1", slots=1, wait=False, events=Quiet()):
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant("acme", state_root=tmp_path, secrets_root=tmp_path)


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(HOLDER), tmp_path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_loser_is_told_who_holds_the_slot(tenant: Tenant, holder: subprocess.Popen[bytes]):
    with (
        pytest.raises(LeaseHeldError, match=f"job other, run r1, process {holder.pid}"),
        hold_slot(tenant, job="mine", run_id="r2", slots=1, wait=False, events=Heard()),
    ):
        pass


def test_kill_9_frees_the_slot_and_the_waiting_run_goes_on(tenant: Tenant, holder: subprocess.Popen[bytes]):
    heard = Heard()
    timer = threading.Timer(0.5, os.kill, (holder.pid, signal.SIGKILL))
    timer.start()
    with hold_slot(tenant, job="mine", run_id="r2", slots=1, wait=True, events=heard):
        assert heard.types == ["waiting_for_slot"]
    timer.join()


def test_another_slot_and_another_tenant_are_free(tenant: Tenant, holder: subprocess.Popen[bytes], tmp_path: Path):
    with hold_slot(tenant, job="mine", run_id="r2", slots=2, wait=False, events=Heard()):
        pass
    other = Tenant("zen", state_root=tmp_path, secrets_root=tmp_path)
    with hold_slot(other, job="mine", run_id="r2", slots=1, wait=False, events=Heard()):
        pass
