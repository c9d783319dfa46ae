"""Failures and broken contracts are told to the webhook of the tenant, once, and what can't be told is logged."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.orchestrated.service import Service
from tests.orchestrated.tenants import Tenants, schedule

# Services start slowly where others do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("orchestrated")]


@contextmanager
def webhook(*answers: int) -> Generator[tuple[str, list[dict[str, Any]]]]:
    """A webhook that answers with these codes in turn, then with 200; its URL and what it was posted."""
    posted: list[dict[str, Any]] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = left.pop(0) if left else 200
            if code == 200:
                posted.append(json.loads(body))
            self.send_response(code)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the name of the base class

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/planted-secret", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_failure_is_told_once_where_its_tenant_wants_it(tmp_path: Path) -> None:
    tenants = Tenants.make(tmp_path / "project")
    jobs = [tenants.job("acme"), tenants.job("umbrella"), tenants.job("initech")]
    for tenant in ("acme", "umbrella"):
        tenants.orders(tenant, [1, 2])
    tenants.orders("acme", [3], amount="-1.00")
    tenants.runner([schedule(job, job.split("/")[1]) for job in jobs], mode="orchestrated")
    document = yaml.safe_load(tenants.runner_file.read_text())
    document["runner"]["alerts"] = {
        "webhook": "${secret:hook}",
        "tenants": {"initech": {"webhook": "${secret:nowhere}"}},
    }
    tenants.runner_file.write_text(yaml.safe_dump(document))
    (tenants.root / "data" / "umbrella" / "orders" / "1.csv").unlink()
    (tenants.root / "data" / "umbrella" / "orders").rmdir()

    with webhook(503) as (ours, told), webhook() as (theirs, told_umbrella):
        planted = {"DATIVO_SECRET__GLOBAL__HOOK": ours, "DATIVO_SECRET__UMBRELLA__HOOK": theirs}
        with Service(tenants, environment=planted) as service:
            service.wait_for("orchestrator_ready")
            for tenant in ("ACME", "UMBRELLA", "INITECH"):
                service.launch(f"{tenant}__ORDERS")
            service.wait_for("alert_sent", count=2)
            (lost,) = service.wait_for("alert_failed")
            log = "".join(service.lines)

    (alert,) = told
    assert (alert["event"], alert["tenant_id"], alert["job_name"]) == ("contract_failure", "acme", "orders")
    assert alert["text"].startswith("acme/orders broke its contract: ")
    assert alert["url"] in alert["text"]
    (alert,) = told_umbrella
    assert (alert["event"], alert["tenant_id"]) == ("run_failure", "umbrella")
    assert "data/umbrella/orders" in alert["reason"]
    assert "nowhere" in lost["message"]
    assert "planted-secret" not in log
