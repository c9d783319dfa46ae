"""`dativo check`: are secrets, source, catalogue and warehouse within reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
from dativo_config.models.resolved import ResolvedJob
from dativo_config.secrets import SecretError

from dativo_cli.jobs import load_jobs, with_secrets
from dativo_cli.options import JobFlags, SecretFlags, example, job_options, json_option, secret_options
from dativo_cli.screen import BAD, GOOD, Json, Screen

FAILURE = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What trying one thing gave. Its fields are those of `dativo check --json`."""

    job: str
    part: str
    target: str
    reached: bool
    error: str
    note: str
    seconds: float


@click.command(epilog=example("dativo check --config jobs/demo/orders_to_iceberg.yaml"))
@job_options
@secret_options
@click.option("--verbose", is_flag=True, help="Also say how long each took.")
@json_option
@click.pass_obj
def check(screen: Screen, *, jobs: JobFlags, secrets: SecretFlags, verbose: bool, as_json: bool) -> int:
    """Try whether a job reaches all it needs.

    Secrets, catalogue, branch, warehouse and source, each with what to change where it can't be reached. Writes
    nothing but a probe under the job's own prefix of the warehouse, deleted again. Exits with 2 when something can't
    be reached.

    --json: reached, and answers with job, part, target, reached, error, note, seconds.
    """
    answers: list[Answer] = []
    for job in load_jobs(jobs, secrets).jobs:
        for answer in _try(screen, job, secrets):
            answers.append(answer)
            if not as_json:
                _show(screen, answer, verbose=verbose)
    reached = all(answer.reached for answer in answers)
    if as_json:
        shown: list[Json] = [asdict(answer) for answer in answers]
        screen.json({"reached": reached, "answers": shown})
    elif not reached:
        screen.error(next(answer.error for answer in answers if not answer.reached))
    return 0 if reached else FAILURE


def _try(screen: Screen, job: ResolvedJob, secrets: SecretFlags) -> Iterator[Answer]:
    began = time.monotonic()
    try:
        job = with_secrets(job, secrets, screen)
    except SecretError as error:
        yield _answer(job, "secrets", job.tenant.id, error, began)
        return
    yield _answer(job, "secrets", job.tenant.id, None, began)
    # Catalogue and Arrow take a second to import: not before the secrets are there.
    from dativo_engine.infrastructure import inspect

    began = time.monotonic()
    for finding in inspect(job):
        yield _answer(job, finding.part, finding.target, finding.error, began, note=finding.note)
        began = time.monotonic()


def _answer(
    job: ResolvedJob, part: str, target: str, error: Exception | None, began: float, *, note: str = ""
) -> Answer:
    told = " ".join(str(error).split()) if error is not None else ""
    return Answer(job.name, part, target, error is None, told, note, round(time.monotonic() - began, 3))


def _show(screen: Screen, answer: Answer, *, verbose: bool) -> None:
    took = f"  {answer.seconds:.2f} s" if verbose else ""
    state = "reached" if answer.reached else "NOT REACHED"
    style = GOOD if answer.reached else BAD
    told = answer.error or "; ".join(filter(None, (answer.target, answer.note)))
    screen.line(f"{answer.job}  {answer.part:<9}  {state}  {told}{took}", style)
