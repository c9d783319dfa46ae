"""`make screenshots`: the service's UI in a real browser, two tenants, a run started by a click; writes docs/images.

Fails where a picture does not show what it is there for. Needs a Chromium (on Debian `apt install chromium`), and
Playwright, which `make screenshots` installs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.orchestrated.service import OVER, Service
from tests.orchestrated.tenants import Tenants, schedule

if TYPE_CHECKING:
    from playwright.sync_api import Page  # pyright: ignore[reportMissingImports]

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH = 1440
CRONS = {
    "acme_orders_hourly": "0 * * * *",
    "acme_refunds_daily": "15 2 * * *",
    "globex_orders": "*/30 * * * *",
}
# What must be seen in each picture.
GRAPH = ("acme", "globex", "orders", "refunds", "Materialized", "Failed")
SCHEDULES = (*CRONS, "Every hour", "At 02:15 AM UTC", "Every 30 minutes")
TABLE = (
    "Latest check results",
    "Orders as the shop takes them.",
    "Number of the order.",
    "What was paid, in euros.",
    "decimal(12, 2)",
)
LOAD = ("committed", "rows_read", "rows_rejected", "bytes_written", "snapshot_id", "stamp")
CHECKS = ("not_empty", "rows_keep_the_contract", "column amount, minimum: 3 rows not at least 0")
EVENTS = ("job_started: ", "infra_validated: ", "commit_success: ", "metrics_complete: ", "job_finished: ")
REASONS = ("Failure", "job_error: ", "found -5.00, expected at least 0")
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
            page = browser.new_page()
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
    named = zip(jobs, CRONS.items(), strict=True)
    tenants.runner([{**schedule(job, name), "cron": cron} for job, (name, cron) in named], mode="orchestrated")
    return tenants


def _look(page: Page, service: Service) -> None:
    service.launch("ACME__REFUNDS")
    failed = service.launch("GLOBEX__ORDERS")
    orders = f"{service.url}/assets/acme/acme/orders"
    page.goto(f"{orders}?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    service.until(lambda: _are_over(service, 3), "three runs")
    (clicked,) = [
        run_id for run_id, run in service.runs().items() if run["job"].endswith("ORDERS") and run_id != failed
    ]
    _shoot(page, f"{service.url}/asset-groups", "assets", shows=GRAPH, height=1200, then=_open_groups)
    _shoot(page, f"{service.url}/automation", "schedules", shows=SCHEDULES, then=_see_all_on)
    for tenant in ("globex", "acme"):
        shown = (f"dativo/tenant: {tenant}", *TABLE)
        _shoot(page, f"{service.url}/assets/{tenant}/{tenant}/orders?view=overview", "asset", shows=shown)
    _shoot(page, f"{orders}?view=events", "materialization", shows=LOAD, height=1450)
    checks = f"{service.url}/assets/globex/globex/orders?view=checks&checkDetail=rows_keep_the_contract"
    _shoot(page, checks, "checks", shows=CHECKS)
    _shoot(page, f"{service.url}/runs/{clicked}", "run", shows=EVENTS, height=1100, then=_show_the_engines)
    _shoot(page, f"{service.url}/runs/{failed}", "failed-run", shows=REASONS, then=_show_reasons)


def _open_groups(page: Page) -> None:
    """Show the tables of each tenant rather than how many there are."""
    for tenant in ("globex", "acme"):
        page.get_by_text(tenant, exact=True).locator("visible=true").last.click()
        time.sleep(2)
    page.reload()  # which fits them all in
    page.wait_for_load_state("networkidle")


def _see_all_on(page: Page) -> None:
    """Every schedule's switch is on; nothing else on the page is a box with a tick."""
    from playwright.sync_api import expect  # pyright: ignore[reportMissingImports]

    expect(page.get_by_role("checkbox", checked=True)).to_have_count(len(CRONS))


def _show_the_engines(page: Page) -> None:
    """Of the run's events those of the engine, without Dagster's own."""
    page.get_by_role("button", name="Levels").click()
    page.get_by_text("event", exact=True).locator("visible=true").last.click()
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)  # off the chart, which would show where it is


def _show_reasons(page: Page) -> None:
    """Of the run's events those that say why it failed, without the traceback."""
    page.get_by_placeholder("Filter").fill("job_error")
    page.keyboard.press("Enter")


def _are_over(service: Service, count: int) -> bool:
    runs = service.runs().values()
    return len(runs) == count and all(run["status"] in OVER for run in runs)


def _shoot(
    page: Page,
    address: str,
    name: str,
    *,
    shows: Sequence[str],
    height: int = 900,
    then: Callable[[Page], None] | None = None,
) -> None:
    """Take a picture of a page, in which each of these texts must be seen, wherever the page has it."""
    from playwright.sync_api import expect  # pyright: ignore[reportMissingImports]

    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    time.sleep(4)  # graphs are laid out after their data came
    if then is not None:
        then(page)
        time.sleep(4)
    for text in shows:
        found = page.get_by_text(text).locator("visible=true")
        expect(found.first, f"{name}.png: {text}").to_be_visible(timeout=20_000)
        for place in found.all():
            expect(place, f"{name}.png: {text}").to_be_in_viewport(ratio=0.9)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"wrote docs/images/{name}.png")


if __name__ == "__main__":
    main()
