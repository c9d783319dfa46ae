"""`make screenshots`: the service's UI in a real browser, two tenants, a run started by a click; writes docs/images.

Needs Playwright and a Chromium: on Debian `apt install chromium`, and `uv pip install playwright`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.orchestrated.service import OVER, Service
from tests.orchestrated.tenants import Tenants, schedule

if TYPE_CHECKING:
    from playwright.sync_api import Page  # pyright: ignore[reportMissingImports]

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = {"width": 1440, "height": 900}
CONTRACT = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "orders",
    "name": "Orders",
    "version": "1.0.0",
    "status": "active",
    "description": {"purpose": "Every order of the web shop, one row each."},
    "schema": [
        {
            "name": "orders",
            "description": "Orders as the shop takes them.",
            "properties": [
                {
                    "name": "id",
                    "logicalType": "integer",
                    "physicalType": "long",
                    "required": True,
                    "primaryKey": True,
                    "primaryKeyPosition": 1,
                    "description": "Number of the order.",
                },
                {
                    "name": "amount",
                    "logicalType": "number",
                    "physicalType": "decimal(12, 2)",
                    "logicalTypeOptions": {"minimum": 0},
                    "description": "What was paid, in euros.",
                },
            ],
            "quality": [
                {"name": "not_empty", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 0},
            ],
        }
    ],
}


def main() -> None:
    """Serve a project of two tenants and look at it."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        tenants = _project(Path(folder) / "project")
        with Service(tenants) as service, sync_playwright() as playwright:
            service.wait_for("orchestrator_ready")
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE)
            _look(page, service)
            browser.close()


def _project(root: Path) -> Tenants:
    tenants = Tenants.make(root)
    (root / "assets" / "orders.yaml").write_text(yaml.safe_dump(CONTRACT))
    jobs = [tenants.job("acme"), tenants.job("acme", "refunds"), tenants.job("globex")]
    tenants.orders("acme", range(1, 1001))
    tenants.orders("acme", range(1, 51), job="refunds")
    tenants.orders("globex", range(1, 201))
    tenants.orders("globex", range(201, 204), amount="-5.00")
    crons = ("0 * * * *", "15 2 * * *", "*/30 * * * *")
    named = zip(jobs, ("acme_orders_hourly", "acme_refunds_daily", "globex_orders"), crons, strict=True)
    tenants.runner([{**schedule(job, name), "cron": cron} for job, name, cron in named], mode="orchestrated")
    return tenants


def _look(page: Page, service: Service) -> None:
    service.launch("ACME__REFUNDS")
    failed = service.launch("GLOBEX__ORDERS")
    page.goto(f"{service.url}/assets/acme/acme/orders?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    service.until(lambda: _are_over(service, 3), "three runs")
    (clicked,) = [
        run_id for run_id, run in service.runs().items() if run["job"].endswith("ORDERS") and run_id != failed
    ]
    orders = f"{service.url}/assets/acme/acme/orders"
    checks = "view=checks&checkDetail=rows_keep_the_contract"
    _shoot(page, f"{service.url}/asset-groups", "assets", then=_open_groups)
    _shoot(page, f"{service.url}/automation", "schedules")
    _shoot(page, f"{orders}?view=overview", "asset")
    _shoot(page, f"{orders}?view=events", "materialization")
    _shoot(page, f"{service.url}/assets/globex/globex/orders?{checks}", "checks")
    _shoot(page, f"{service.url}/runs/{clicked}", "run")
    _shoot(page, f"{service.url}/runs/{failed}", "failed-run", then=_show_reasons)


def _open_groups(page: Page) -> None:
    """Show the tables of each tenant rather than how many there are."""
    for tenant in ("globex", "acme"):
        page.get_by_text(tenant, exact=True).locator("visible=true").last.click()
        time.sleep(2)
    page.reload()  # which fits them all in
    page.wait_for_load_state("networkidle")


def _show_reasons(page: Page) -> None:
    """Of the run's events those that say why it failed, without the traceback."""
    page.get_by_placeholder("Filter").fill("job_error")
    page.keyboard.press("Enter")


def _are_over(service: Service, count: int) -> bool:
    runs = service.runs().values()
    return len(runs) == count and all(run["status"] in OVER for run in runs)


def _shoot(page: Page, address: str, name: str, *, then: Callable[[Page], None] | None = None) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    time.sleep(4)  # graphs are laid out after their data came
    if then is not None:
        then(page)
        time.sleep(4)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"wrote docs/images/{name}.png")


if __name__ == "__main__":
    main()
