"""Which files of this machine a tenant's job may read.

Inside the project: everything but `secrets/`, `state/`, `configs/`, hidden files, and any `<folder>/<other tenant>`.
Outside it: nothing, unless the operator's runner.yaml opens it: `runner.shared.folders: ["/data/{tenant}"]`.
Both hold for the path as written and for the file that it leads to when symlinks are followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from dativo_config.project import Project

_WILD = frozenset("*?[")
_FOLDERS_OF_ALL = frozenset({"assets", "connectors"})  # their subfolders are named for connectors, not for tenants


@dataclass(frozen=True, slots=True)
class Walls:
    """The walls around one tenant's job. Picklable, so that a source can ask again about each file it finds.

    Attributes:
        project: where paths resolve.
        tenant_id: whose job reads.
        opened: folders outside the project that the operator opened to the tenant.
    """

    project: Project
    tenant_id: str
    opened: tuple[Path, ...] = ()

    def resolve(self, text: str) -> str:
        """A local input as an absolute path or glob; a URL as it is."""
        local = local_path(text)
        return text if local is None else str(self.project.resolve(local))

    def refusal(self, text: str, *, contents: bool = True) -> str:
        """Why a path, glob or folder may not be read; empty: it may. URLs are not this function's business.

        Args:
            text: as written in the file, or absolute.
            contents: whether a folder stands for what lies below it.
        """
        local = local_path(text)
        if local is None:
            return ""
        if "\0" in local:
            return "holds a NUL character"
        path = self.project.resolve(local)
        if ".." in path.parts:
            return "goes through `..`"
        base = _fixed_part(path)
        wild = path.parts[len(base.parts) :]
        starts = {base, _followed(base)}
        return next(filter(None, (self._of(start, wild, contents=contents) for start in starts)), "")

    def _of(self, base: Path, wild: Sequence[str], *, contents: bool) -> str:
        path = PurePath(base, *wild)
        for name, folder in (("secrets", self.project.secrets_root), ("state", self.project.state_root)):
            if any(_meets(path, PurePath(root), contents=contents) for root in {folder, _followed(folder)}):
                return f"leads into the {name} folder"
        if any(base.is_relative_to(folder) or base.is_relative_to(_followed(folder)) for folder in self.opened):
            return ""
        for root in (self.project.root, _followed(self.project.root)):
            if base.is_relative_to(root):
                return self._inside(path.relative_to(root).parts, contents=contents)
        return "leads out of the project"

    def _inside(self, parts: Sequence[str], *, contents: bool) -> str:
        if not parts:
            return "takes in the whole project"
        if any(part.startswith(".") for part in parts):
            return "leads to a hidden file"
        if _matches("configs", parts[0]):
            return "leads into the configs folder"
        if parts[0] in _FOLDERS_OF_ALL:
            return ""
        other = self._other_tenant(parts[0], parts[1] if len(parts) > 1 else "*" if contents else "")
        return f"leads into the folder of another tenant, '{other}'" if other else ""

    def _other_tenant(self, top: str, second: str) -> str:
        """The other tenant whose folder `<top>/<second>` is; a wildcard only leads where there is a folder."""
        if not _WILD & set(second):
            return second if second in self.project.tenants - {self.tenant_id} else ""
        folder = self.project.root / top
        others = sorted(self.project.tenants - {self.tenant_id})
        return next((other for other in others if _matches(other, second) and (folder / other).exists()), "")


def opened_folders(templates: Sequence[str], tenant_id: str) -> tuple[Path, ...]:
    """`runner.shared.folders` for one tenant: `{tenant}` stands for its id."""
    return tuple(Path(template.replace("{tenant}", tenant_id)) for template in templates)


def local_path(text: str) -> str | None:
    """The path on this machine that an input names; None: it is a URL of something else."""
    parts = urlsplit(text) if "://" in text else None
    if parts is None:
        return text
    return unquote(parts.path) if parts.scheme == "file" else None


def _fixed_part(path: Path) -> Path:
    """The folders of a glob before its first wildcard."""
    for number, part in enumerate(path.parts):
        if _WILD & set(part):
            return Path(*path.parts[:number])
    return path


def _meets(path: PurePath, folder: PurePath, *, contents: bool) -> bool:
    """Whether a path, glob or folder can lead into `folder`."""
    parts, wanted = path.parts, folder.parts
    for part, name in zip(parts, wanted, strict=False):
        if part == "**":
            return True
        if not _matches(name, part):
            return False
    return len(parts) >= len(wanted) or contents


def _matches(name: str, pattern: str) -> bool:
    return pattern in ("**", name) or fnmatchcase(name, pattern)


def _followed(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of symlinks
        return path
