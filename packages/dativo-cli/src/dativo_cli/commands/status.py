"""`dativo status`: whether the service does its work."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
from dativo_engine.errors import FatalError

from dativo_cli.options import NO_SECRET_FLAGS, debug_option, example, json_option, project_option, runner_option
from dativo_cli.screen import BAD, DOUBTFUL, GOOD, Screen
from dativo_cli.serving import ServiceFlags, open_runner_project

UNHEALTHY = 2
SECONDS_TO_ANSWER = 20
NO_FLAGS = ServiceFlags(
    host=None, port=None, health_port=None, path_prefix="", read_only=False, strict=False, grace=None
)


@click.command(epilog=example("dativo status --runner-config configs/runner.yaml --json"))
@runner_option
@project_option
@json_option
@debug_option
@click.pass_obj
def status(screen: Screen, *, runner_config: Path, project: Path | None, as_json: bool) -> int:
    """Say whether the service does its work.

    Asks the health endpoint of the service that `dativo start orchestrated` runs on the same state folder. Exits with
    0 when it is healthy, else with 2.

    --json: healthy, problems, warnings (files that are not served as they are), url, since, daemons (seconds since
    each one's last sign of life), runs_in_progress, runs_queued, and schedules, each with name, job, on, next_tick,
    last_run, last_run_at.
    """
    health = _ask(runner_config, project)
    if as_json:
        screen.json(health)
    else:
        _show(screen, health)
    return 0 if health["healthy"] else UNHEALTHY


def _ask(runner_config: Path, project: Path | None) -> dict[str, Any]:
    opened = open_runner_project(runner_config, given=project)
    home = NO_FLAGS.settings(opened, NO_SECRET_FLAGS).home
    from dativo_dagster.service.address import read_address
    from dativo_dagster.service.leash import is_held

    address = read_address(home)
    if address is None or not is_held(home):
        return {"healthy": False, "problems": [f"no service runs on {home}; dativo start orchestrated starts one"]}
    try:
        with urllib.request.urlopen(address.health_url, timeout=SECONDS_TO_ANSWER) as answer:  # noqa: S310 - its own
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return json.load(error)
    except OSError as error:
        message = f"{address.health_url}: the service, process {address.pid}, does not answer: {error}"
        raise FatalError(message) from error


def _show(screen: Screen, health: dict[str, Any]) -> None:
    screen.line("healthy" if health["healthy"] else "not healthy", GOOD if health["healthy"] else BAD)
    for problem in health["problems"]:
        screen.line(f"  {problem}", BAD)
    for warning in health.get("warnings", ()):
        screen.line(f"  {warning}", DOUBTFUL)
    if "url" not in health:
        return
    running, queued = health["runs_in_progress"], health["runs_queued"]
    screen.facts([("UI", health["url"]), ("since", health["since"]), ("runs", f"{running} running, {queued} queued")])
    rows = [
        (
            item["name"],
            "on" if item["on"] else "off",
            item["next_tick"],
            item["last_run"] or "never",
            item["last_run_at"],
        )
        for item in health["schedules"]
    ]
    screen.table(["schedule", "", "next", "last run", "at"], rows)
