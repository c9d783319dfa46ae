"""The example job over GitHub's issues, against a double of it: what changed is loaded, the token stays inside."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.docs.documents import REPOSITORY
from tests.e2e.project import Finished, Project
from tests.readers.view import Reader

TOKEN = "ghp_planted/token+5="
JOB = "jobs/demo/github_issues_to_iceberg.yaml"
ISSUES = "/repos/apache/iceberg-python/issues"
PAGE = 3


class GitHub:
    """As much of the API as the recipe asks for: inclusive `since`, order by change, `Link` headers, a token."""

    def __init__(self) -> None:
        self.issues: dict[int, dict[str, object]] = {}
        self.asked: list[dict[str, str]] = []
        self.answers = threading.Event()
        self.answers.set()
        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._listening.serve_forever, args=(0.01,)).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.server_port}"

    def put(self, number: int, minute: int, title: str) -> None:
        """An issue, new or changed, as of a minute of the day."""
        at = f"2024-02-29T10:{minute:02}:00Z"
        user = {"login": f"user{number}", "id": number, "avatar_url": "https://x"}
        created = self.issues.get(number, {}).get("created_at", at)
        self.issues[number] = {
            "id": 10**12 + number,
            "number": number,
            "title": title,
            "state": "open",
            "user": user,
            "labels": [{"name": "bug"}] if number % 2 else [],
            "comments": number,
            "created_at": created,
            "updated_at": at,
            "closed_at": None,
            "body": None,
            "reactions": {"+1": number, "url": "https://x"},
        }

    def close(self) -> None:
        self.answers.set()
        self._listening.shutdown()
        self._listening.server_close()


def _handler(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 1

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            github.asked.append(asked)
            github.answers.wait()
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(401, {"message": "Bad credentials"})
                return
            assert parts.path == ISSUES
            rows = [row for row in github.issues.values() if str(row["updated_at"]) >= asked.get("since", "")]
            rows.sort(key=lambda row: str(row["updated_at"]))
            page = int(asked.get("page", 1))
            following = f'<{github.url}{ISSUES}?{parts.query}&page={page + 1}>; rel="next"'
            self._answer(200, rows[(page - 1) * PAGE : page * PAGE], following if page * PAGE < len(rows) else "")

        def _answer(self, status: int, value: object, link: str = "") -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    return Handler


@pytest.fixture
def github() -> Generator[GitHub]:
    double = GitHub()
    yield double
    double.close()


@pytest.fixture
def example(project: Project, github: GitHub) -> Project:
    """The repository's example files, with a token in the job."""
    for part in ("connectors", "assets", "jobs"):
        shutil.copytree(REPOSITORY / part, project.root / part, dirs_exist_ok=True)
    job = project.root / JOB
    job.write_text(
        job.read_text().replace("[issues]\n", '[issues]\n  credentials: {token: "${secret:github_token}"}\n')
    )
    return project


def variables(github: GitHub, token: str = TOKEN) -> dict[str, str]:
    """The environment that a run finds the double and its key in."""
    return {"GITHUB_API": github.url, "DATIVO_SECRET__DEMO__GITHUB_TOKEN": token}


def command(project: Project, github: GitHub, *arguments: str, token: str = TOKEN) -> Finished:
    return project.dativo(*arguments, "--config", JOB, environment=variables(github, token))


def titles(project: Project, reader: Reader) -> dict[object, object]:
    (metadata,) = sorted((project.root / "state/demo/warehouse").rglob("*.metadata.json"))[-1:]
    found = reader.read(str(metadata))
    return {row[1]: row[2] for row in found.rows}


def test_a_second_run_loads_what_changed_and_nothing_else(
    example: Project, github: GitHub, pyiceberg_reader: Reader
) -> None:
    for number in range(1, 8):
        github.put(number, number, f"issue {number}")
    first = command(example, github, "run", "--json")
    assert first.exit_code == 0, first.stderr
    assert first.result["rows_read"] == 7
    assert "since" not in github.asked[-1]

    github.put(3, 30, "edited")
    github.put(8, 7, "of the same minute as the last")
    github.asked.clear()
    second = command(example, github, "run", "--json")
    assert second.exit_code == 0, second.stderr
    assert second.result["rows_read"] == 2
    assert {asked["since"] for asked in github.asked} == {"2024-02-29T10:07:00Z"}
    assert titles(example, pyiceberg_reader) == {
        **{number: f"issue {number}" for number in range(1, 8)},
        3: "edited",
        8: "of the same minute as the last",
    }

    third = command(example, github, "run", "--json")
    assert (third.exit_code, third.result["rows_read"]) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_for_a_silent_api_ends_when_it_is_told_to(
    example: Project, github: GitHub, number: signal.Signals
) -> None:
    github.answers.clear()
    run = example.start("run", "--config", JOB, environment=variables(github))
    while not github.asked and run.poll() is None:
        time.sleep(0.01)

    run.send_signal(number)
    _, stderr = run.communicate(timeout=20)  # an answer is waited for 60 s

    assert run.returncode == 2
    assert f"stopped by {number.name}" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


def test_the_api_can_be_looked_at_before_a_run(example: Project, github: GitHub) -> None:
    github.put(1, 1, "first")
    assert command(example, github, "check").exit_code == 0
    assert "first" in command(example, github, "preview").stdout
    offered = json.loads(command(example, github, "discover", "--json").stdout)
    assert offered[0]["name"] == "issues"
    assert offered[0]["primary_key"] == ["id"]
    assert {"created_at", "updated_at"} <= set(offered[0]["cursor_candidates"])


def test_a_contract_is_proposed_from_the_recipe_alone(example: Project, github: GitHub) -> None:
    github.put(1, 1, "first")
    recipe = example.root / "connectors/github.yaml"
    recipe.write_text(recipe.read_text() + "credentials: {from_env: {token: GITHUB_TOKEN}}\n")
    environment = {"GITHUB_API": github.url, "GITHUB_TOKEN": TOKEN}
    arguments = ("discover", "--connector", "connectors/github.yaml", "issues", "--write-contract", "assets/new.yaml")
    found = example.dativo(*arguments, environment=environment)
    assert found.exit_code == 0, found.stderr
    contract = (example.root / "assets/new.yaml").read_text()
    assert "name: issues" in contract
    assert "updated_at" in contract
    assert TOKEN not in found.stdout + found.stderr + contract

    recipe.write_text(recipe.read_text().replace("api.github.com", "x").replace("{GITHUB_API:-", "{secret:a}/${A:-"))
    refused = example.dativo(*arguments, environment=environment)
    assert "names a secret, which only a job's tenant has" in refused.stderr


def test_what_is_misspelt_in_a_recipe_is_told_with_its_place(example: Project) -> None:
    recipe = example.root / "connectors/github.yaml"
    text = recipe.read_text()
    for right, wrong in (
        ("link_header}", "linkheader}"),
        ("primary_key: [id]\n      cursor", "primry_key: [id]\n      cursor"),
    ):
        assert right in text
        text = text.replace(right, wrong)
    recipe.write_text(text)

    found = example.dativo("validate")

    assert found.exit_code == 2
    told = found.stdout + found.stderr
    assert "github.yaml:12:14: options.paginator: expected 'none'" in told
    assert "found 'linkheader'; did you mean 'link_header'?" in told
    assert "options.endpoints.issues.primry_key: unknown key; did you mean 'primary_key'?" in told


@pytest.mark.parametrize("refused", [False, True])
def test_the_token_is_in_nothing_that_a_run_writes(example: Project, github: GitHub, refused: bool) -> None:
    github.put(1, 1, "first")
    token = TOKEN[::-1] if refused else TOKEN
    job = example.root / JOB
    job.write_text(job.read_text() + "logging: {level: DEBUG}\n")
    told = [command(example, github, name, token=token) for name in ("run", "discover")]
    assert told[0].exit_code == (2 if refused else 0)
    if refused:
        assert told[0].events[-1]["code"] == "AUTHENTICATION_FAILED"
        assert "'Bad credentials'; check source.credentials" in str(told[0].events[-1]["error"])
    written = [file for file in (example.root / "state").rglob("*") if file.is_file()]
    assert [file for file in written if "rates" in file.parts]
    for text in (*(it.stdout + it.stderr for it in told), *(file.read_bytes().decode("latin-1") for file in written)):
        assert "planted" not in text
        assert "detnalp" not in text
