"""Every command shows an example of itself in its help, and the examples run in a new project."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from dativo_cli.main import COMMANDS, dativo, main

from .conftest import JOB, Project

NEEDS_A_RUN = ("state", "table", "quarantine")
# These run until they are stopped, or ask what does; `tests/orchestrated` runs them.
SERVICE = ("start orchestrated", "status")
# What they log or remark is on stderr.
TALKS = ("run", "start", "discover", "connectors", "quarantine replay")


def leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from leaves(child, (*words, name))
    else:
        yield words


ALL = list(leaves(dativo, ()))


def examples(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([*words, "--help"]) == 0
    return re.findall(r"^    dativo (.*)$", capsys.readouterr().out, re.MULTILINE)


def test_every_command_of_the_table_is_there() -> None:
    assert {words[0] for words in ALL} == set(COMMANDS)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_examples_of_a_commands_help_run(
    words: tuple[str, ...], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    found = examples(words, capsys)
    assert found, "the help has no example"
    if words[0] in NEEDS_A_RUN:
        assert project.dativo("run", "--config", JOB).code == 0
    if words == ("start",):
        project.edit("configs/runner.yaml", "mode: orchestrated", "mode: oneshot")
    for line in (line for line in found if not line.startswith(SERVICE)):
        arguments = shlex.split(line.split(">")[0])
        assert tuple(arguments[: len(words)]) == words
        answer = project.dativo(*arguments)
        assert answer.code == 0, answer.err
        assert answer.err == "" or words[0] in TALKS or " ".join(words) in TALKS


def test_the_help_of_a_command_documents_the_names_of_its_json() -> None:
    for words in ALL:
        command: click.Command = dativo
        for word in words:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), word)
            assert found is not None
            command = found
        if any("--json" in option.opts for option in command.params):
            assert "--json" in (command.help or ""), words


def test_templates_are_part_of_the_package() -> None:
    import dativo_cli

    assert dativo_cli.__file__ is not None
    assert (Path(dativo_cli.__file__).parent / "templates" / "project" / "gitignore").is_file()
