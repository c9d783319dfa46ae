"""Keys and tokens of web APIs, which Dagster is never told: not in its log, its database, its files, nor the run's."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster_project import Project

from tests.fakes import hubspot, stripe

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {0}
version: 1.0.0
status: active
team: {{name: Sales}}
schema:
  - name: {0}
    properties:
      - {{name: id, logicalType: string, required: true, primaryKey: true}}
      - {{name: {1}, logicalType: string}}
"""
REFUSED_KEY = "sk_test_51PlantedAndRefused000planted"


def run(
    project: Project, instance: dg.DagsterInstance, connector: str, column: str, **source: object
) -> dg.ExecuteInProcessResult:
    """A job over the connector's customers or contacts."""
    stream = "customers" if connector == "stripe" else "contacts"
    project.contract(CONTRACT.format(stream, column), name=stream)
    project.schedules.clear()
    project.job(
        "acme",
        stream,
        source_connector=connector,
        source={"objects": [stream], **source},
        asset_path=f"assets/{stream}.yaml",
        logging={"level": "DEBUG"},
    )
    return dg.materialize(project.assets(), instance=instance, raise_on_error=False)


def written(project: Project, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> bytes:
    """All that Dagster keeps, what the run left in the state folder, and what was printed."""
    folders = (Path(instance.root_directory), project.root / "state")
    files = [file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()]
    printed = capfd.readouterr()
    return b"".join([*files, printed.out.encode(), printed.err.encode()])


@pytest.mark.parametrize("key", [stripe.TEST_KEY, REFUSED_KEY], ids=["taken", "refused"])
def test_stripes_key_reaches_nothing_that_is_kept(
    project: Project,
    stored_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    key: str,
):
    monkeypatch.setenv("DATIVO_SECRET__ACME__STRIPE_API_KEY", key)
    fake = stripe.FakeStripe()
    fake.account().create("customers", {"name": "Ada"})

    with stripe.serve(fake) as url:
        credentials, options = {"api_key": "${secret:stripe_api_key}"}, {"base_url": url}
        result = run(project, stored_instance, "stripe", "name", credentials=credentials, options=options)

    assert result.success == (key == stripe.TEST_KEY)
    everything = written(project, stored_instance, capfd)
    assert b"job_finished" in everything or b"AUTHENTICATION_FAILED" in everything
    assert key.removeprefix("sk_test_").encode() not in everything


def test_an_oauth_apps_secrets_and_tokens_reach_nothing_that_is_kept(
    project: Project,
    stored_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("DATIVO_SECRET__ACME__APP", "planted-app-secret")
    monkeypatch.setenv("DATIVO_SECRET__ACME__REFRESH", "planted-refresh-token")
    fake = hubspot.FakeHubSpot(apps={"planted-refresh-token": hubspot.App("app", "planted-app-secret")})
    fake.portal.create("contacts", {"email": "ada@example.com"})
    credentials = {"client_id": "app", "client_secret": "${secret:app}", "refresh_token": "${secret:refresh}"}

    with hubspot.serve(fake) as url:
        result = run(project, stored_instance, "hubspot", "email", credentials=credentials, options={"base_url": url})

    assert result.success
    tokens = fake.tokens.keys() - {hubspot.TOKEN}
    assert tokens
    everything = written(project, stored_instance, capfd)
    assert not [it for it in ("planted-app-secret", "planted-refresh-token", *tokens) if it.encode() in everything]
