"""The shape of the library, held by walking its syntax trees: levels of imports, lazy imports, and house rules.

``LEVELS`` is the picture of docs/architecture.md as data. A module may import only from strictly lower levels, wherever
in the file the import stands. Inside the packages of ``ACYCLIC`` an import graph without cycles is enough.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType

import pytest

import flowgraph

ROOT = Path(flowgraph.__file__).parent

LEVELS: Mapping[str, float] = {
    "errors": 0,
    "version": 0,
    "progress": 0,
    "block_entries": 0.5,
    "operations": 1,
    "labels": 1,
    "problems": 1,
    "liveness": 2,
    "runs": 2,
    "graph": 2,
    "expressions": 2,
    "program": 3,
    "elimination": 3,
    "data_flow": 3.5,
    "certificate": 3.75,
    "costs": 4,
    "builder": 4,
    "partials": 4,
    "structure": 4,
    "orders": 4.25,
    "lumping": 4.5,
    "local_systems": 5,
    "lump_report": 5.25,
    "ranking": 5.5,
    "analysis": 5.5,
    "language": 5,
    "tracing": 5,
    "tracing.*": 5,
    "sympy_import": 5,
    "symbolic": 5,
    "numbers": 5,
    "effects": 5.5,
    "rewrite.engine": 5,
    "rewrite.*": 5.5,
    "rewrite.rules": 5.75,
    "rewrite.derivation": 5.9,
    "rewrite": 5.95,
    "modes": 6,
    "checks": 6,
    "point_checks": 6.75,
    "verification": 7,
    "draw": 7,
    "draw.*": 7,
    "numeric": 5.25,
    "numeric.*": 5.25,
    "numeric.compiled.*": 5.25,
    "ode": 6.25,
    "ode.*": 6.25,
    "user_code": 6,
    "codegen": 6.5,
    "codegen.*": 6.5,
    "example_programs": 6.5,
    "explorer": 7.5,
    "explorer.*": 7.5,
    "reproduce": 8,
    "reproduce.*": 8,
    "cli": 9,
    "cli.*": 9,
    "__main__": 9.5,
    "": 9,
}
"""Level by module, without the leading ``flowgraph.``. ``""`` is the package itself; ``package.*`` each submodule."""

ACYCLIC = ("tracing", "numeric", "codegen", "ode", "draw", "explorer", "reproduce", "cli")
"""Packages whose modules may import each other."""

FORBIDDEN = {name: ("rewrite",) for name in ("symbolic", "numbers", "effects", "numeric", "draw")}
"""What a module or package must not import, wherever it stands: oracles and writers do not see the rewriter."""

LAZY = (
    "sympy",
    "matplotlib",
    "networkx",
    "graphviz",
    "starlette",
    "uvicorn",
    "anywidget",
    "traitlets",
    "flowgraph.explorer.notebook",
)
"""Imported inside functions only: the command line starts in 0.3 s, and extras may be missing."""

IN_LAZY: Mapping[str, tuple[str, ...]] = MappingProxyType({"explorer.notebook": ("anywidget", "traitlets")})
"""What modules that are themselves in ``LAZY`` import at once: a class cannot be defined before its base is there."""

MAY_PRINT = ("cli",)
BANNED_CALLS = ("eval", "exec", "sympify")
BANNED_MODULES = ("pickle",)
CATCH_ALL = ("Exception", "BaseException")
MUTABLE_MAKERS = ("list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque", "bytearray")
MOST_LINES = 620


Classes = Mapping[str, tuple[frozenset[str], frozenset[str]]]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, str]:
    """Text of every module of the library by name."""
    return {module_name(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


def level(name: str) -> float | None:
    if name in LEVELS:
        return LEVELS[name]
    return LEVELS.get(f"{name.rpartition('.')[0]}.*") if "." in name else None


def package_of(name: str) -> str:
    return name.split(".")[0]


# -- imports -----------------------------------------------------------------------------------------------------------


def imports(name: str, tree: ast.AST, is_package: bool, modules: frozenset[str]) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import in a module of the library, relative ones resolved."""
    full = f"flowgraph.{name}" if name else "flowgraph"
    home = full.split(".") if is_package else full.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [] if node.level == 0 else home[: len(home) - node.level + 1]
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                # `from flowgraph.rewrite import carry` imports the module carry; `... import Rule` the package.
                yield node.lineno, inner if inner.removeprefix("flowgraph.") in modules else source


def internal(full: str) -> str | None:
    """The name inside the library, or None for somebody else's module."""
    return "" if full == "flowgraph" else full.removeprefix("flowgraph.") if full.startswith("flowgraph.") else None


def level_failures(name: str, source: str, is_package: bool, modules: frozenset[str]) -> list[str]:
    own = level(name)
    if own is None:
        return [f"{name or 'flowgraph'} is in no level: place it in LEVELS of tests/test_architecture.py"]
    failures = []
    for line, full in imports(name, ast.parse(source), is_package, modules):
        target = internal(full)
        if target is None:
            continue
        where = f"{name or 'flowgraph'}:{line} imports {full}"
        for banned in FORBIDDEN.get(package_of(name), ()):
            if package_of(target) == banned:
                failures.append(f"{where}, which {package_of(name)} must not use")
        other = level(target)
        if other is None:
            failures.append(f"{where}, which is in no level: place it in LEVELS of tests/test_architecture.py")
        elif target == name:
            failures.append(f"{where}, which is itself")
        elif not (package_of(name) == package_of(target) and package_of(name) in ACYCLIC) and other >= own:
            failures.append(f"{where}: level {own} may not import level {other}")
    return failures


def cycles(texts: Mapping[str, str], packages: frozenset[str]) -> list[str]:
    """A cycle among the modules of the library, if there is one."""
    modules = frozenset(texts)
    graph: dict[str, set[str]] = {name: set() for name in texts}
    for name, source in texts.items():
        for _, full in imports(name, ast.parse(source), name in packages, modules):
            target = internal(full)
            if target is not None and target != name and target in graph:
                graph[name].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" → ".join(error.args[1])]
    return []


def at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported, ``if TYPE_CHECKING`` excepted; class bodies run too."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop(0)
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo.extend(node.orelse)
            continue
        for field in ("body", "orelse", "finalbody"):
            todo.extend(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            todo.extend(handler.body)


def lazy_failures(name: str, source: str) -> list[str]:
    is_lazy = tuple(f"{lazy}." for lazy in LAZY if lazy not in IN_LAZY.get(name, ()))
    return [
        f"{name}:{line} imports {full} when it is imported"
        for node in at_import(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for line, full in imports(name, node, name in PACKAGES, frozenset(MODULES))
        if f"{full}.".startswith(is_lazy)
    ]


# -- house rules -------------------------------------------------------------------------------------------------------


def call_failures(name: str, source: str) -> list[str]:
    failures = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in BANNED_CALLS:
                failures.append(f"{name}:{node.lineno} calls {called}")
            if isinstance(node.func, ast.Name) and called == "print" and package_of(name) not in MAY_PRINT:
                failures.append(f"{name}:{node.lineno} prints")
        if isinstance(node, ast.Import):
            failures += [
                f"{name}:{node.lineno} imports {alias.name}"
                for alias in node.names
                if alias.name.split(".")[0] in BANNED_MODULES
            ]
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in BANNED_MODULES:
                failures.append(f"{name}:{node.lineno} imports from {node.module}")
            if any(alias.name in BANNED_CALLS for alias in node.names):
                failures.append(f"{name}:{node.lineno} imports a banned function")
            if any(alias.name == "*" for alias in node.names):
                failures.append(f"{name}:{node.lineno} star import")
    return failures


def except_failures(name: str, source: str) -> list[str]:
    failures = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in caught:
                if kind is None or ast.unparse(kind).split(".")[-1] in CATCH_ALL:
                    failures.append(f"{name}:{node.lineno} catches everything")
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
            if any(ast.unparse(kind).split(".")[-1] in CATCH_ALL for kind in node.args):
                failures.append(f"{name}:{node.lineno} suppresses everything")
    return failures


def is_mutable(value: ast.expr | None) -> bool:
    """Whether the value is a list, a dict or a set that nothing wraps."""
    if isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)):
        return True
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1] in MUTABLE_MAKERS
    if isinstance(value, ast.BinOp):
        # A frozenset | a set is a frozenset: the left side decides. A list + anything is a list.
        return is_mutable(value.left) or (isinstance(value.op, ast.Add) and is_mutable(value.right))
    if isinstance(value, ast.IfExp):
        return is_mutable(value.body) or is_mutable(value.orelse)
    return False


def global_failures(name: str, source: str) -> list[str]:
    tree = ast.parse(source)
    failures = [f"{name}:{node.lineno} uses global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
    for node in at_import(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = [ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
            # __all__ and __slots__ are lists by custom, and nobody writes them.
            if is_mutable(node.value) and targets not in (["__all__"], ["__slots__"]):
                failures.append(f"{name}:{node.lineno} {targets[0]} is a mutable global")
    return failures


def length_failures(name: str, source: str) -> list[str]:
    lines = len(source.splitlines())
    return [f"{name} has {lines} lines, more than {MOST_LINES}"] if lines > MOST_LINES else []


def is_public(name: str) -> bool:
    return not name.startswith("_")


def documented(sources: Iterable[str]) -> Classes:
    """By class name: the names of its bases, and of its methods that have a docstring."""
    classes = [n for source in sources for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef)]
    return {
        node.name: (
            frozenset(ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases),
            frozenset(m.name for m in node.body if isinstance(m, ast.FunctionDef) and ast.get_docstring(m)),
        )
        for node in classes
    }


def inherits_docstring(bases: Iterable[str], method: str, classes: Classes) -> bool:
    """Whether a base class documents the method; ``inspect.getdoc`` and ``help`` show that text then."""
    return any(
        method in classes[base][1] or inherits_docstring(classes[base][0], method, classes)
        for base in bases
        if base in classes
    )


def docstring_failures(name: str, source: str, others: Classes = MappingProxyType({})) -> list[str]:
    tree = ast.parse(source)
    classes = {**others, **documented([source])}
    failures = []
    # An empty package marker documents nothing because it holds nothing.
    if tree.body and not ast.get_docstring(tree):
        failures.append(f"{name or 'flowgraph'} has no docstring")

    def visit(body: list[ast.stmt], prefix: str, bases: frozenset[str]) -> None:
        for node in body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not is_public(node.name):
                continue
            overload = any(ast.unparse(d).split(".")[-1] == "overload" for d in node.decorator_list)
            inherited = inherits_docstring(bases, node.name, classes)
            if not overload and not inherited and not ast.get_docstring(node):
                failures.append(f"{name}:{node.lineno} {prefix}{node.name} has no docstring")
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.", classes[node.name][0])

    visit(tree.body, "", frozenset())
    return failures


CHECKS = (
    lazy_failures,
    call_failures,
    except_failures,
    global_failures,
    length_failures,
)

MODULES = sources()
CLASSES = documented(MODULES.values())
PACKAGES = frozenset(module_name(path) for path in ROOT.rglob("__init__.py"))


def test_the_walk_finds_the_library() -> None:
    assert {"errors", "operations", "liveness", "program", "builder", ""} <= set(MODULES)
    assert len(MODULES) == len(list(ROOT.rglob("*.py")))


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downward(name: str) -> None:
    assert level_failures(name, MODULES[name], name in PACKAGES, frozenset(MODULES)) == []


def test_imports_have_no_cycle() -> None:
    assert cycles(MODULES, PACKAGES) == []


@pytest.mark.parametrize("name", MODULES)
def test_house_rules(name: str) -> None:
    assert [failure for check in CHECKS for failure in check(name, MODULES[name])] == []


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_documented(name: str) -> None:
    assert docstring_failures(name, MODULES[name], CLASSES) == []


# -- a test of the tests -----------------------------------------------------------------------------------------------

KNOWN = frozenset({"errors", "operations", "program", "rewrite", "rewrite.carry", "rewrite.shift", "rewrite.engine"})


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("operations", "from flowgraph.program import Program", "may not import level 3"),
        ("operations", "import flowgraph.program", "may not import level 3"),
        ("operations", "from flowgraph import program", "may not import level 3"),
        ("operations", "from .program import Program", "may not import level 3"),
        ("operations", "from . import program", "may not import level 3"),
        ("operations", "import flowgraph", "may not import level 9"),
        ("operations", "from flowgraph.labels import X", "level 1 may not import level 1"),
        ("operations", "def f():\n    from flowgraph.builder import Builder", "operations:2"),
        ("operations", "if TYPE_CHECKING:\n    from flowgraph.builder import Builder", "operations:2"),
        ("rewrite.carry", "from flowgraph.rewrite.shift import x", "may not import level 5.5"),
        ("rewrite.carry", "from flowgraph.rewrite import shift", "may not import level 5.5"),
        ("rewrite.carry", "from . import shift", "may not import level 5.5"),
        ("rewrite.engine", "from flowgraph.rewrite.carry import x", "may not import"),
        ("symbolic", "from flowgraph.rewrite.engine import Rule", "must not use"),
        ("effects", "from flowgraph.rewrite import RULES", "must not use"),
        ("draw.svg", "def f():\n    import flowgraph.rewrite.carry", "must not use"),
        ("draw", "from flowgraph.rewrite import RULES", "must not use"),
        ("draw.svg", "from flowgraph.reproduce import x", "may not import level 8"),
        ("program", "from flowgraph.surprise import x", "place it in LEVELS"),
        ("surprise", "", "place it in LEVELS"),
        ("draw.deep.er", "", "place it in LEVELS"),
    ],
)
def test_an_import_upward_is_caught(name: str, source: str, says: str) -> None:
    failures = level_failures(name, source, name in ("rewrite", "draw"), KNOWN)
    assert failures
    assert says in failures[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("program", "from flowgraph.operations import OPERATIONS\nfrom flowgraph import errors\nimport numpy"),
        ("program", "from . import operations\nfrom .errors import X"),
        ("rewrite.carry", "from flowgraph.rewrite.engine import Rule\nfrom .engine import Rule\nfrom . import engine"),
        ("rewrite", "from flowgraph.rewrite import carry, shift\nfrom .carry import x"),
        ("draw.svg", "from flowgraph.draw.layout import x\nfrom flowgraph.modes import y"),
        ("", "from flowgraph.draw import x\nfrom flowgraph.reproduce import y"),
    ],
)
def test_an_import_downward_is_not_caught(name: str, source: str) -> None:
    assert level_failures(name, source, name in ("rewrite", ""), KNOWN) == []


def test_a_cycle_is_caught() -> None:
    texts = {
        "draw": "from flowgraph.draw.svg import x",
        "draw.svg": "from . import layout",
        "draw.layout": "def f():\n    from flowgraph.draw import svg",
    }
    assert cycles(texts, frozenset({"draw"})) != []
    assert cycles(texts | {"draw.layout": ""}, frozenset({"draw"})) == []


@pytest.mark.parametrize(
    "source",
    [
        "import sympy",
        "import numpy, sympy as sp",
        "import matplotlib.pyplot as plt",
        "from networkx import DiGraph",
        "try:\n    import graphviz\nexcept ImportError:\n    graphviz = None",
        "class A:\n    import sympy",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import sympy",
        "if True:\n    with x:\n        from sympy.core import Expr",
        "from flowgraph.explorer.notebook import Explorer",
        "from flowgraph.explorer import notebook",
        "import flowgraph.explorer.notebook",
        "from .explorer import notebook",
    ],
)
def test_an_eager_import_is_caught(source: str) -> None:
    assert lazy_failures("m", source)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import sympy",
        "if TYPE_CHECKING:\n    import sympy",
        "class A:\n    def f(self):\n        from matplotlib import pyplot",
        "from flowgraph.sympy_import import x",
        "from . import graphviz",
        "def f():\n    from flowgraph.explorer.notebook import Explorer",
        "from flowgraph.explorer import widget",
    ],
)
def test_a_lazy_import_is_not_caught(source: str) -> None:
    assert lazy_failures("m", source) == []


def test_a_module_that_is_imported_lazily_may_import_its_base_class() -> None:
    assert lazy_failures("explorer.notebook", "import anywidget\nimport traitlets") == []
    assert lazy_failures("explorer.notebook", "import anywidget\nimport sympy") != []
    assert lazy_failures("explorer.widget", "from flowgraph.explorer.notebook import Explorer") != []
    assert {f"flowgraph.{name}" for name in IN_LAZY} <= set(LAZY)


@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "def f():\n    print()",
        "eval('1')",
        "exec('1')",
        "import builtins\nbuiltins.eval('1')",
        "import pickle",
        "from pickle import loads",
        "sp.sympify('x')",
        "from sympy import sympify",
        "from numpy import *",
        "from flowgraph.errors import *",
    ],
)
def test_a_banned_call_or_import_is_caught(source: str) -> None:
    assert call_failures("m", source)


def test_the_command_line_may_print_and_nothing_more() -> None:
    assert call_failures("cli", "print(1)") == []
    assert call_failures("cli", "eval('1')")
    assert call_failures("m", "console.print(1)\nevaluate(1)\nx.executor()") == []


@pytest.mark.parametrize(
    "clause", ["except:", "except Exception:", "except BaseException as e:", "except (ValueError, Exception):"]
)
def test_a_catch_all_is_caught(clause: str) -> None:
    assert except_failures("m", f"def f():\n    try:\n        pass\n    {clause}\n        pass")
    assert except_failures("m", "try:\n    pass\nexcept (ValueError, KeyError):\n    pass") == []


def test_suppressing_everything_is_caught() -> None:
    assert except_failures("m", "with contextlib.suppress(Exception):\n    pass")
    assert except_failures("m", "with suppress(KeyError):\n    pass") == []


@pytest.mark.parametrize(
    "source",
    [
        "X = []",
        "X = {}",
        "X: dict[str, int] = {'a': 1}",
        "X = {1, 2}",
        "X = [k for k in y]",
        "X = {k: k for k in y}",
        "X = dict(a=1)",
        "X = collections.defaultdict(list)",
        "X = [1] + [2]",
        "X = {} if y else {1: 2}",
        "if y:\n    X = []",
        "class A:\n    cache = {}",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_a_mutable_global_is_caught(source: str) -> None:
    assert global_failures("m", source)


@pytest.mark.parametrize(
    "source",
    [
        "X = (1, 2)",
        "X = MappingProxyType({'a': 1})",
        "X = frozenset({1, 2})",
        "X = frozenset(y) | {1, 2}",
        "X = tuple([1, 2])",
        "__all__ = ['a']",
        "def f():\n    x = []",
    ],
)
def test_an_immutable_global_is_not_caught(source: str) -> None:
    assert global_failures("m", source) == []


def test_a_module_that_is_too_long_is_caught() -> None:
    assert length_failures("m", "x = 1\n" * (MOST_LINES + 1))
    assert length_failures("m", "x = 1\n" * MOST_LINES) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        '"""M."""\ndef f():\n    pass',
        '"""M."""\nclass A:\n    pass',
        '"""M."""\nclass A:\n    """A."""\n    def f(self):\n        pass',
        '"""M."""\nclass A:\n    """A."""\n    @property\n    def f(self):\n        return 1',
        '"""M."""\nclass B:\n    """B."""\nclass A(B):\n    """A."""\n    def f(self):\n        return 1',
    ],
)
def test_a_missing_docstring_is_caught(source: str) -> None:
    assert docstring_failures("m", source)


def test_private_things_need_no_docstring() -> None:
    source = '"""M."""\ndef _f():\n    pass\nclass _A:\n    def f(self):\n        pass\n'
    assert docstring_failures("m", source) == []
    assert docstring_failures("m", "") == []


def test_an_override_inherits_the_docstring_of_what_it_overrides() -> None:
    base = documented(["class A:\n    def f(self):\n        'F.'\nclass B(A):\n    pass"])
    source = "'M.'\nimport m\nclass C(m.B):\n    'C.'\n    def f(self):\n        return 1"
    assert docstring_failures("m", source, base) == []
    assert docstring_failures("m", source.replace("f(", "g("), base)
    assert docstring_failures("m", source)
