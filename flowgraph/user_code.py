"""Programs from where users keep them: a file in the paper's notation, or a function in a Python file."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from flowgraph.errors import FlowgraphError, InputError, TraceError
from flowgraph.language import parse, read_file
from flowgraph.program import Program
from flowgraph.tracing import trace

_FUNCTION = re.compile(r"(.+\.py):(.*)", re.DOTALL)
_FORMS = "a file in the paper's notation, such as program.fg, or a function, such as path.py:function"
_HERE = str(Path(__file__).resolve().parent)


def is_python(source: str) -> bool:
    """Whether a program is named as a function in a Python file.

    Example:
        >>> is_python("polar.py:polar"), is_python("polar.fg")
        (True, False)
    """
    return source.endswith(".py") or _FUNCTION.fullmatch(source) is not None


def open_program(source: str, *, n: int | None = None, at: Sequence[float] | None = None) -> Program:
    """Read a ``.fg`` file, or trace a function in a Python file, which is imported for it.

    What the imported file prints goes to standard error.

    Args:
        source: ``path.fg`` or ``path.py:function``; the function may be an attribute, as in ``path.py:model.step``.
        n: the number of inputs of the function; not needed where it has several parameters or ``at`` is given.
        at: the point at which the function takes its branches.

    Raises:
        InputError: there is no such file or function, importing it raises an error, or n is not known.
        ParseError: the file is not in the paper's notation.
        TraceError: the function cannot be traced, or raises an error.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/model.py"
        ...     _ = Path(path).write_text("def f(u, w): return u * w, w")
        ...     print([str(step) for step in open_program(f"{path}:f").steps()])
        ['t1 = u * w']
    """
    if not is_python(source):
        return parse(read_text(source), file=str(Path(source)))
    with open_function(source) as function:
        point: Any = at if at is not None else n if n is not None else number_of_parameters(function, source)
        if at is not None and n not in (None, len(at)):
            raise InputError("the point does not have n entries", got=f"{len(at)} entries, n = {n}")
        with user_errors(source):
            return trace(function, point)


def read_text(source: str) -> str:
    """The text of a ``.fg`` file as it stands, which need not be a program.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(f"{folder}/half.fg").write_text("inputs x, ")
        ...     read_text(f"{folder}/half.fg")
        'inputs x, '
    """
    path = Path(source)
    if "\0" not in source and path.is_dir():
        raise InputError(
            "this is a directory", where=source, expected=_FORMS, remedy=f"name its files, e.g. {path / '*.fg'}"
        )
    if path.suffix != ".fg":
        raise InputError(
            "this names no program", got=repr(source), expected=_FORMS, remedy="programs in text have the ending .fg"
        )
    return read_file(path)


@contextmanager
def open_function(source: str) -> Iterator[Callable[..., Any]]:
    """A function in a Python file, which is imported for it and stays so inside the ``with``.

    What is printed inside goes to standard error.

    Args:
        source: ``path.py:function``.

    Raises:
        InputError: there is no such file or function, or importing it raises an error.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/model.py"
        ...     _ = Path(path).write_text("def f(u, w): return u * w, w")
        ...     with open_function(f"{path}:f") as f:
        ...         found = f(2, 3)
        >>> found
        (6, 3)
    """
    path, name = _parts(source)
    names = _functions(path)
    if not name:
        raise InputError(
            "a Python file holds many functions",
            where=str(path),
            got=source,
            expected=f"{path}:function",
            remedy=f"name one of its functions: {', '.join(names[:10])}" if names else "it defines no function",
        )
    with _module(path) as module:
        yield _attribute(path, module, name, names)


def user_errors(source: str) -> AbstractContextManager[None]:
    """While the function ``path.py:function`` runs, what it raises becomes a ``TraceError`` that names the line.

    Example:
        >>> with user_errors("model.py:f"):
        ...     raise InputError("errors of flowgraph stay as they are")
        Traceback (most recent call last):
        flowgraph.errors.InputError: errors of flowgraph stay as they are
    """
    path, name = _parts(source)
    return _Watched(path, f"{name} raised", TraceError)


def _parts(source: str) -> tuple[Path, str]:
    match = _FUNCTION.fullmatch(source)
    return (Path(match[1]), match[2]) if match else (Path(source), "")


def _functions(path: Path) -> list[str]:
    """Names of the functions that a Python file defines, without running it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            "the file cannot be read",
            where=str(path),
            got=error.strerror or str(error),
            remedy="give the path of a Python file, as in path.py:function",
        ) from error
    except ValueError as error:
        raise InputError("this is no path", where=repr(str(path)), got=str(error), expected=_FORMS) from error
    try:
        tree = ast.parse(data, str(path))
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else str(path)
        raise InputError("the file is not Python", where=where, got=f"{type(error).__name__}: {error.msg}") from error
    except ValueError as error:
        raise InputError("the file is not Python", where=str(path), got=str(error)) from error
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@contextmanager
def _module(path: Path) -> Iterator[ModuleType]:
    """The module in a file, imported; the files beside it can be imported while it is in use."""
    resolved = path.resolve()
    name = f"_flowgraph_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise InputError("the file cannot be imported", where=str(path))
    module = importlib.util.module_from_spec(spec)
    folder = str(resolved.parent)
    writes = sys.dont_write_bytecode
    sys.modules[name] = module
    sys.path.insert(0, folder)
    # Looking at a user's file leaves nothing behind in its folder.
    sys.dont_write_bytecode = True
    try:
        with redirect_stdout(sys.stderr):
            with _Watched(path, "importing the file raised", InputError):
                spec.loader.exec_module(module)
            yield module
    finally:
        sys.dont_write_bytecode = writes
        if folder in sys.path:
            sys.path.remove(folder)
        sys.modules.pop(name, None)


def _attribute(path: Path, module: ModuleType, dotted: str, names: Sequence[str]) -> Callable[..., Any]:
    found: Any = module
    for k, part in enumerate(dotted.split(".")):
        if not hasattr(found, part):
            known = list(names) if k == 0 else [name for name in dir(found) if not name.startswith("_")]
            close = get_close_matches(part, known, n=1)
            raise InputError(
                f"there is no {part} in {'.'.join(dotted.split('.')[:k]) or path.name}",
                where=str(path),
                got=dotted,
                expected=f"one of {', '.join(known[:10])}" if known else None,
                remedy=f"did you mean {close[0]}?" if close else "name a function that the file defines",
            )
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{dotted} is no function", where=str(path), got=type(found).__name__)
    return found


def number_of_parameters(function: Callable[..., Any], source: str) -> int:
    """The number of inputs, where the parameters of a function tell it.

    Args:
        function: the function.
        source: how the user named it, for the error.

    Raises:
        InputError: they do not tell it.

    Example:
        >>> number_of_parameters(lambda u, v: (u * v, v), "model.py:f")
        2
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        parameters = ()
    required = [
        p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    if len(required) > 1 and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return len(required)
    raise InputError(
        "the number of inputs is not known",
        where=source,
        got=f"a function of ({', '.join(map(str, parameters))})",
        remedy="say how long the vector is: --n N, or the point itself: --at X1,X2,...",
    )


class _Watched:
    """Turns what the user's code raises, whatever it is, into an error that names the line.

    What raises without a line of the user's on the stack is a fault of flowgraph, and passes through.
    """

    def __init__(self, path: Path, doing: str, kind: type[FlowgraphError]) -> None:
        self._path = path
        self._doing = doing
        self._kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, FlowgraphError) or not isinstance(error, (Exception, SystemExit)):
            return
        place = self._place(error, trail)
        if place is None:
            return
        raise self._kind(
            f"{self._doing} {type(error).__name__}",
            where=place,
            got=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
            remedy="mend the function; --traceback shows how Python came there",
        ) from error

    def _place(self, error: BaseException, trail: TracebackType | None) -> str | None:
        own = str(self._path.resolve())
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._path if error.filename == own else error.filename}, line {error.lineno}"
        lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trail)]
        theirs = [line for file, line in lines if file == own]
        if theirs:
            return f"{self._path}, line {theirs[-1]}"
        others = [(file, line) for file, line in lines if not file.startswith((_HERE, "<frozen"))]
        return f"{others[-1][0]}, line {others[-1][1]}" if others else None
