"""The public names: all resolve, lazily, and no submodule hides one."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph as fg


def test_every_public_name_resolves_and_is_documented() -> None:
    for name in fg.__all__:
        value = getattr(fg, name)
        if callable(value):
            assert value.__doc__, name
    assert set(fg.__all__) <= set(dir(fg))
    with pytest.raises(AttributeError, match="nonsense"):
        fg.nonsense  # noqa: B018


def test_what_type_checkers_see_is_what_there_is() -> None:
    tree = ast.parse(Path(fg.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == dict(fg._HOME)
    assert set(seen) == set(fg.__all__) - {"__version__"}


def test_importing_every_module_hides_no_public_name() -> None:
    modules = [m.name for m in pkgutil.walk_packages(fg.__path__, "flowgraph.") if not m.name.endswith("__main__")]
    assert len(modules) > 30
    for name in modules:
        importlib.import_module(name)
    for name, (home, original) in fg._HOME.items():
        assert getattr(fg, name) is getattr(importlib.import_module(home), original)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, flowgraph; print([m for m in ('numpy', 'scipy', 'sympy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
