"""A job file with everything it points at, read and typed, not yet cross-checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dativo_config.crosscheck.recipe import TARGET_CONNECTORS
from dativo_config.document import Document
from dativo_config.interpolate import Interpolated
from dativo_config.library import ContractFile, Library, RecipeFile
from dativo_config.models.connector import ConnectorSpec, Recipe
from dativo_config.models.contract import JsonValue
from dativo_config.models.job import Connection, Incremental, Job
from dativo_config.nodes import ValuePath
from dativo_config.problems import Problem, closest, one_of
from dativo_config.project import Project, is_folder
from dativo_config.recipes import credentials_in_variables
from dativo_config.rights import where_from
from dativo_config.streams import DraftStream, named_streams
from dativo_config.target_connection import complete
from dativo_config.tenancy import Tenant
from dativo_config.validate import Block, value_at
from dativo_config.walls import Walls

_File = TypeVar("_File")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Draft:
    """One job file.

    Attributes:
        name: the job's own name: `name`, else the file's stem.
        incremental: the job's, with the recipe's defaults filled in.
        target_connection: the job's, completed by the target recipe's and by variables; None: the embedded
            catalogue, in the state folder.
        files: what the job is made of: a problem in one of them is a problem of the job.
    """

    project: Project
    opened: Interpolated
    job: Job
    tenant: Tenant
    name: str
    spec: ConnectorSpec | None
    recipe: RecipeFile | None
    target_recipe: RecipeFile | None
    contract: ContractFile | None
    options: BaseModel | None
    credentials: BaseModel | None
    connection: BaseModel | None
    target_connection: Connection | None
    incremental: Incremental | None
    streams: tuple[DraftStream, ...]
    files: frozenset[Path]

    @property
    def path(self) -> Path:
        """The job file."""
        return self.document.path

    @property
    def named_catalog(self) -> str | None:
        """What the job, or its target recipe, names as the catalogue; it may be wrong."""
        return self.job.target.catalog or (self.target_recipe.recipe.catalog if self.target_recipe else None)

    @property
    def document(self) -> Document:
        """The job file as values and places."""
        return self.opened.document

    def problem(self, at: ValuePath, message: str, *, hint: str = "", key: bool = False) -> Problem:
        """A problem in the job file."""
        return self.document.problem(at, message, hint=hint, key=key)

    def shown(self, at: ValuePath, text: str) -> str:
        """A value as a problem may tell it: never what came from a variable."""
        return "the value of a variable" if at in self.opened.paths else f"'{text}'"


def read_draft(library: Library, path: Path) -> Draft | None:
    """The job file at `path`; None after telling why there is no reading it."""
    opened = library.open(path, "job")
    job = opened and library.read(Block(Job, opened))
    return _Drafting(library, opened, job).draft() if opened and job else None


@dataclass(frozen=True, slots=True)
class _Drafting:
    library: Library
    opened: Interpolated
    job: Job
    files: set[Path] = field(default_factory=set[Path])

    def draft(self) -> Draft:
        job, project = self.job, self.library.project
        recipe = self._pointed(("source_connector_path",), job.source_connector_path, self.library.recipe)
        target = self._pointed(("target_connector_path",), job.target_connector_path, self.library.recipe)
        contract = self._contract()
        spec = self._spec(recipe)
        self._check_target(target)
        named = named_streams(job.source, spec, contract and contract.contract) if spec else []
        return Draft(
            project=project,
            opened=self.opened,
            job=job,
            tenant=project.tenant(job.tenant_id),
            name=self.opened.document.path.stem if job.name is None else job.name,
            spec=spec,
            recipe=recipe,
            target_recipe=target,
            contract=contract,
            options=self._block(spec, "options", recipe, spec.options if spec else None),
            credentials=self._block(spec, "credentials", recipe, spec.credentials if spec else None),
            connection=self._block(spec, "connection", recipe, spec.connection if spec else None),
            target_connection=self._target_connection(target),
            incremental=_incremental(job.source.incremental, recipe and recipe.recipe),
            streams=tuple(self._covered(stream, contract) for stream in named),
            files=frozenset({*self.files, self.opened.document.path}),
        )

    def _tell(self, at: ValuePath, message: str, hint: str = "") -> None:
        self.library.findings.add([self.opened.document.problem(at, message, hint=hint)])

    def _pointed(self, at: ValuePath, text: str | None, read: Callable[[Path], _File | None]) -> _File | None:
        """The file that a field points at, inside the tenant's walls."""
        if text is None:
            return None
        refusal = Walls(self.library.project, self.job.tenant_id).refusal(text, contents=False)
        if refusal or "://" in text:
            self._tell(at, f"the path {refusal or 'must be a file of the project'}", "name a file of the project")
            return None
        path = self.library.project.resolve(text)
        shown = "the file" if at in self.opened.paths else f"'{text}'"
        if is_folder(path):
            self._tell(at, f"{shown} is a folder", "name a file in it")
            return None
        if not self.library.has(path):
            self._tell(at, f"{shown} does not exist", closest(path.name, _files_beside(path)) or where_from(path))
            return None
        self.files.add(path)
        return read(path)

    def _contract(self) -> ContractFile | None:
        if self.job.asset_path is not None:
            found = self._pointed(("asset_path",), self.job.asset_path, self.library.contract)
            names = (found.contract.name, found.contract.id, *[o.name for o in found.contract.objects]) if found else ()
            if found and self.job.asset not in (None, *names):
                self._tell(("asset",), f"the contract at asset_path is {one_of(names[:2])}", "leave out asset")
            return found
        if self.job.asset is not None and self.job.asset.endswith((".yaml", ".yml", ".json")):
            return self._pointed(("asset",), self.job.asset, self.library.contract)
        at = ("asset",) if self.job.asset is not None else ("asset_path",)
        self._tell(at, "the contract's file is required", "write asset_path: assets/....yaml")
        return None

    def _spec(self, recipe: RecipeFile | None) -> ConnectorSpec | None:
        known = {name: spec for name, spec in self.library.connectors.items() if "source" in spec.roles}
        name, at = self.job.source_connector, ("source_connector",)
        if recipe is not None:
            kind = recipe.recipe.type
            if kind not in known:
                hint = closest(kind, known)
                problem = recipe.document.problem(("type",), f"expected {one_of(sorted(known))}", hint=hint)
                self.library.findings.add([problem])
            elif name not in (None, kind, recipe.recipe.name):
                self._tell(at, f"the recipe at source_connector_path is for '{kind}'", f"write {kind}, or leave it out")
            return known.get(kind)
        if name is None:
            if self.job.source_connector_path is None:
                self._tell(at, "is required and missing", f"write one of {one_of(sorted(known))}")
            return None
        if name not in known:
            found = "the value of a variable" if at in self.opened.paths else f"'{name}'"
            self._tell(at, f"expected {one_of(sorted(known))}, found {found}", closest(name, known))
        return known.get(name)

    def _check_target(self, recipe: RecipeFile | None) -> None:
        name = self.job.target_connector
        if recipe is not None and recipe.recipe.type not in TARGET_CONNECTORS:
            problem = recipe.document.problem(("type",), f"a target must be {one_of(TARGET_CONNECTORS)}")
            self.library.findings.add([problem])
        if name is not None and name not in TARGET_CONNECTORS and not (recipe and name == recipe.recipe.name):
            found = "the value of a variable" if ("target_connector",) in self.opened.paths else f"'{name}'"
            hint = closest(name, TARGET_CONNECTORS)
            self._tell(("target_connector",), f"expected {one_of(TARGET_CONNECTORS)}, found {found}", hint)

    def _target_connection(self, recipe: RecipeFile | None) -> Connection | None:
        template = None
        if recipe is not None and recipe.recipe.connection_template:
            template = self.library.read(Block(Connection, recipe.opened, ("connection_template",)))
        catalog = self.job.target.catalog or (recipe.recipe.catalog if recipe else None)
        own, environment = self.job.target.connection, self.library.environment
        return complete(own, template, catalog=catalog, environment=environment)

    def _block(
        self, spec: ConnectorSpec | None, name: str, recipe: RecipeFile | None, model: type[_Model] | None
    ) -> _Model | None:
        """`source.options`, `credentials` or `connection` by the connector's own model, over the recipe's defaults."""
        at = ("source", name)
        own = value_at(self.opened.document.value, at)
        if spec is None or not isinstance(own, dict | None):
            return None
        if model is None:
            if own:
                self._tell(at, f"the connector '{spec.name}' takes no {name}", "remove it")
            return None
        defaults, come_from = self._defaults(spec, name, recipe)
        return self.library.read(Block(model, self.opened, at, defaults, come_from))

    def _defaults(
        self, spec: ConnectorSpec, name: str, recipe: RecipeFile | None
    ) -> tuple[dict[str, JsonValue], tuple[Interpolated, ValuePath] | None]:
        """What a block holds where the job is silent, and where that stands."""
        if name == "credentials":
            return credentials_in_variables(self.library, spec, recipe), (recipe.opened, (name,)) if recipe else None
        if recipe is None:
            return {}, None
        key = "connection_template" if name == "connection" else name
        return getattr(recipe.recipe, key), (recipe.opened, (key,))

    def _covered(self, stream: DraftStream, file: ContractFile | None) -> DraftStream:
        """The stream with the contract's object for it."""
        if file is None:
            return stream
        objects = [item.name for item in file.contract.objects]
        if not stream.object_name:
            self._tell(stream.at, f"the contract has {len(objects)} objects", f"write object: {one_of(objects)}")
            return stream
        schema = file.contract.object(stream.object_name)
        if schema is None:
            hint = closest(stream.object_name, objects) or f"it has {one_of(objects)}"
            shown = "the object" if stream.at in self.opened.paths else f"'{stream.object_name}'"
            self._tell(stream.at, f"{shown} is not in the contract {file.document.path.name}", hint)
        return replace(stream, schema=schema)


def _incremental(own: Incremental | None, recipe: Recipe | None) -> Incremental | None:
    defaults = recipe.incremental if recipe else None
    if defaults is None or (own is None and defaults.strategy is None):
        return own
    own = own or Incremental(strategy=defaults.strategy or "")
    return own.model_copy(
        update={
            "cursor_field": own.cursor_field or defaults.cursor_field_default,
            "lookback_days": defaults.lookback_days_default if own.lookback_days is None else own.lookback_days,
        }
    )


def _files_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []
