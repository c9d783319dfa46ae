"""The files of one load, each read once however many jobs point at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from dativo_config.contracts import read_contract
from dativo_config.crosscheck.recipe import check_recipe
from dativo_config.document import Document, read_document
from dativo_config.findings import Findings
from dativo_config.interpolate import Environment, Interpolated, interpolate
from dativo_config.models.connector import ConnectorSpec, Recipe
from dativo_config.models.contract import Contract
from dativo_config.models.runner import Runner, RunnerFile
from dativo_config.project import Project, is_there
from dativo_config.stamps import Stamp, stamp
from dativo_config.unavailable import unavailable
from dativo_config.validate import Block

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A connector recipe and where it stands."""

    recipe: Recipe
    opened: Interpolated

    @property
    def document(self) -> Document:
        """The recipe as values and places."""
        return self.opened.document


@dataclass(frozen=True, slots=True)
class ContractFile:
    """A contract and where it stands."""

    contract: Contract
    document: Document


@dataclass(frozen=True, slots=True)
class RunnerFileRead:
    """The runner's settings and where they stand."""

    runner: Runner
    document: Document


@dataclass
class Library:
    """Reads the files of one project.

    Attributes:
        findings: every problem of every file read so far.
        count: how many files were read so far.
        held: a folder of copies, each under its path in the project, that are read in place of the project's files.
        texts: of each file that could be read.
        looked_at: the stamp of each file that was read or looked for, from before that: what was read is no older.
    """

    project: Project
    connectors: Mapping[str, ConnectorSpec]
    variables: Mapping[str, str]
    findings: Findings = field(default_factory=Findings)
    _contracts: dict[Path, ContractFile | None] = field(default_factory=dict[Path, "ContractFile | None"])
    _recipes: dict[Path, RecipeFile | None] = field(default_factory=dict[Path, "RecipeFile | None"])

    _runners: dict[Path, RunnerFileRead | None] = field(default_factory=dict[Path, "RunnerFileRead | None"])
    count: int = 0
    held: Path | None = None
    texts: dict[Path, str] = field(default_factory=dict[Path, str])
    looked_at: dict[Path, Stamp] = field(default_factory=dict[Path, Stamp])

    @cached_property
    def environment(self) -> Environment:
        """The variables that files may name."""
        vendor = frozenset(name for spec in self.connectors.values() for name in spec.environment)
        return Environment(self.variables, one_tenant=self.project.one_tenant, vendor=vendor)

    def has(self, path: Path) -> bool:
        """Whether there is such a file, or something else in its place, which reading it tells."""
        self.looked_at.setdefault(path, stamp(path))
        return is_there(path) or self.copy_of(path) is not None

    def copy_of(self, path: Path) -> Path | None:
        """What is read in the file's place; None: itself."""
        if self.held is None or not path.is_relative_to(self.project.root):
            return None
        copy = self.held / path.relative_to(self.project.root)
        return copy if copy.is_file() else None

    def open(self, path: Path, kind: Literal["job", "recipe", "runner"]) -> Interpolated | None:
        """A file with its variables put in, and what this version does not offer told."""
        document = self._document(path)
        if document is None:
            return None
        interpolated, problems = interpolate(document, self.environment)
        self.findings.add(problems)
        document = interpolated.document
        refused = unavailable(kind, document.value)
        self.findings.add(document.problem(at, message, hint=hint) for at, message, hint in refused)
        return interpolated

    def contract(self, path: Path) -> ContractFile | None:
        """The contract at a path; its problems are told the first time."""
        if path not in self._contracts:
            self._contracts[path] = self._read_contract(path)
        return self._contracts[path]

    def recipe(self, path: Path) -> RecipeFile | None:
        """The recipe at a path; its problems are told the first time."""
        if path not in self._recipes:
            opened = self.open(path, "recipe")
            recipe = opened and self.read(Block(Recipe, opened))
            if opened and recipe:
                self.findings.add(check_recipe(recipe, opened.document, self.connectors))
            self._recipes[path] = RecipeFile(recipe, opened) if opened and recipe else None
        return self._recipes[path]

    def runner(self, path: Path) -> RunnerFileRead | None:
        """The runner file at a path; its problems are told the first time. The project's own may be missing."""
        if path not in self._runners:
            self._runners[path] = None
            project = self.project
            missing = path == project.runner_file and project.given_runner_file is None and not is_there(path)
            opened = None if missing else self.open(path, "runner")
            file = opened and self.read(Block(RunnerFile, opened))
            if opened and file:
                self._runners[path] = RunnerFileRead(file.runner, opened.document)
        return self._runners[path]

    def read(self, block: Block[_Model]) -> _Model | None:
        """A block as its model, or None after telling why."""
        model, problems = block.read()
        self.findings.add(problems)
        return model

    def _document(self, path: Path) -> Document | None:
        self.count += 1
        self.looked_at.setdefault(path, stamp(path))
        document, problems = read_document(path, copy=self.copy_of(path))
        self.findings.add(problems)
        if document is not None:
            self.texts[path] = document.text
        return document

    def _read_contract(self, path: Path) -> ContractFile | None:
        document = self._document(path)
        if document is None:
            return None
        contract, problems = read_contract(document)
        self.findings.add(problems)
        return ContractFile(contract, document) if contract else None
