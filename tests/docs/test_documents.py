"""What the documents name exists: modules, commands, flags, make targets, files, and valid YAML."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from dativo_config.json_schema import schemas
from dativo_config.load import load_project
from dativo_engine.connectors import specs

from tests.docs.documents import REPOSITORY, Found, blocks, command_lines, inline_code, links, words

DATIVO = str(Path(sys.executable).with_name("dativo"))
CODE_NAME = re.compile(r"dativo_(?:config|engine|dagster|cli)(?:\.\w+)*")
REPOSITORY_PATH = re.compile(r"(?:packages|docs|tests|tools|jobs|assets|configs|connectors|\.ci)/[\w./-]*\w")
YAML_FILE = re.compile(r"# ((?:jobs|assets|configs|connectors)/\S+\.yaml)\n")
MAKE_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


@pytest.mark.parametrize("found", [found for found in inline_code() if CODE_NAME.fullmatch(found.text)], ids=str)
def test_a_code_name_resolves(found: Found) -> None:
    module, attributes = found.text, list[str]()
    while True:
        try:
            value: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, attribute = module.rpartition(".")
            assert module, f"{found.text} is no module"
            attributes.insert(0, attribute)
    for attribute in attributes:
        value = getattr(value, attribute)


@pytest.mark.parametrize("found", [found for found in inline_code() if REPOSITORY_PATH.fullmatch(found.text)], ids=str)
def test_a_path_in_code_exists(found: Found) -> None:
    assert (REPOSITORY / found.text).exists()


@pytest.mark.parametrize("found", links(), ids=str)
def test_a_link_leads_to_a_file(found: Found) -> None:
    assert (found.document.parent / found.text).exists()


@pytest.mark.parametrize("found", command_lines("make"), ids=str)
def test_a_make_target_exists(found: Found) -> None:
    targets = set(MAKE_TARGET.findall((REPOSITORY / "Makefile").read_text()))

    assert {word for word in words(found.text) if "=" not in word} <= targets


@pytest.mark.parametrize("found", command_lines("dativo"), ids=str)
def test_a_command_has_the_options_it_is_shown_with(found: Found) -> None:
    given = words(found.text)
    commands = [word for word in given if re.fullmatch(r"[a-z]+", word)]
    for depth in (2, 1, 0):
        if (text := help_of(*commands[:depth])) is not None:
            break
    else:
        raise AssertionError(found.text)

    assert depth or not commands, f"no such command: {found.text}"
    for option in (word.partition("=")[0] for word in given if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), f"{option} is not in {' '.join(commands)}"


def shown_files() -> list[Found]:
    """YAML blocks whose first line names the project file they show."""
    return [block for block in blocks("yaml") if YAML_FILE.match(block.text)]


@pytest.mark.parametrize("found", shown_files(), ids=str)
def test_a_shown_file_is_a_valid_part_of_a_project(found: Found, tmp_path: Path) -> None:
    for part in ("jobs", "assets", "connectors", "configs"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    for other in shown_files():
        if other.document == found.document and (match := YAML_FILE.match(other.text)):
            file = tmp_path / match[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(other.text)

    load_project(tmp_path, specs())


@pytest.mark.parametrize("found", [found for found in shown_files() if "/demo/" in found.text.splitlines()[0]], ids=str)
def test_a_shown_file_that_the_repository_has_is_shown_as_it_is(found: Found) -> None:
    match = YAML_FILE.match(found.text)
    assert match is not None
    if (REPOSITORY / match[1]).exists():
        assert yaml.safe_load(found.text) == yaml.safe_load((REPOSITORY / match[1]).read_text())


def test_the_schemas_that_editors_use_are_those_of_the_models() -> None:
    folder = REPOSITORY / ".dativo" / "schemas"

    assert {file.name: json.loads(file.read_text()) for file in folder.iterdir()} == schemas(specs()), (
        "run `make schemas`"
    )


def test_the_example_files_name_schemas_that_exist() -> None:
    for file in (REPOSITORY / part for part in ("jobs", "assets", "connectors", "configs")):
        for yaml_file in file.rglob("*.yaml"):
            first = yaml_file.read_text().splitlines()[0]
            assert first.startswith("# yaml-language-server: $schema=")
            assert (yaml_file.parent / first.partition("=")[2]).exists()


@cache
def help_of(*commands: str) -> str | None:
    """What `dativo COMMANDS --help` prints; None: there is no such command."""
    done = subprocess.run([DATIVO, *commands, "--help"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None
