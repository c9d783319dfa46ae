"""What the service's processes are started with."""

from __future__ import annotations

import py_compile
from pathlib import Path

from dativo_dagster.service.commands import byte_code


def test_byte_code_is_kept_beside_the_state_where_the_installation_has_none_and_gets_none(tmp_path: Path) -> None:
    module, folder = tmp_path / "module.py", tmp_path / "byte_code"
    module.write_text("")
    forbids = {"PYTHONDONTWRITEBYTECODE": "1"}

    assert byte_code(module, forbids, folder) == {
        "PYTHONPYCACHEPREFIX": str(folder),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    assert byte_code(module, {}, folder) == {}, "Python keeps it with the module"
    py_compile.compile(str(module))
    assert byte_code(module, forbids, folder) == {}, "there is some"
