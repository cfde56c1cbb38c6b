"""Running a function with a view of NumPy whose new arrays accept traced values.

``y = np.zeros(3); y[0] = x[0] * x[1]`` cannot be traced through a plain NumPy array, which holds numbers only. So the
function under trace, and the functions of the user's that it names, run as copies: same code, same closures, but ``np``
is a stand-in whose ``zeros``, ``empty``, ``array`` and so on return traced arrays, and whose every other name is
NumPy's own. NumPy itself is not touched, and nothing outlives the trace.

What is reached: the function itself (also a bound method, a callable object, ``functools.partial`` and what it binds by
position), the functions and objects named in its globals and its closures, the methods of such objects, and the
functions that an object of the library holds (``with_functions`` says which), each in turn. An object is replaced by
one of a subclass that shares its attributes, a module by one that asks it. What is not reached: functions in other
attributes of objects, objects that the function creates, installed packages, functions that assign globals,
``super()``. There, creating an array and assigning a traced value into it is an error that names the remedy.
"""

from __future__ import annotations

import builtins
import dis
import functools
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.structure import CREATORS, array_of

_FOREIGN = sys.stdlib_module_names | {"builtins", "numpy", "scipy", "flowgraph"}
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_SIDE_EFFECTS = frozenset({"__del__", "__init_subclass__"})
_SETS_GLOBALS = frozenset({dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]})


class _NumPy(ModuleType):
    """NumPy with other functions that create arrays."""

    def __init__(self, creators: dict[Any, Callable[..., Any]]) -> None:
        super().__init__("numpy")
        self.__dict__.update({function.__name__: stand_in for function, stand_in in creators.items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class _UserModule(ModuleType):
    """A module of the user's whose functions are replaced when they are asked for."""

    def __init__(self, module: ModuleType, replace: Callable[[Any], Any]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update(_module=module, _replace=replace)

    def __getattr__(self, name: str) -> Any:
        return self._replace(getattr(self._module, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)


def rebound(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the stand-in for NumPy in place of NumPy.

    Args:
        recorder: the trace.
        function: the user's function.

    Returns:
        A copy, or the function itself where there is nothing to replace.
    """
    return _Rebinder(recorder, function).entry(function)


def _creator(recorder: Recorder, function: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def create(*arguments: Any, **keywords: Any) -> Any:
        return array_of(recorder, function, arguments, keywords)

    return create


class _Rebinder:
    def __init__(self, recorder: Recorder, entry: Any) -> None:
        self._creators = {function: _creator(recorder, function) for function in CREATORS}
        self._types = {type(function) for function in CREATORS}
        self._numpy = _NumPy(self._creators)
        self._home = _package(entry)
        self._functions: dict[FunctionType, FunctionType] = {}
        self._globals: dict[int, dict[str, Any]] = {}
        self._cells: dict[int, CellType] = {}
        self._modules: dict[str, ModuleType] = {}
        self._objects: dict[int, Any] = {}

    def entry(self, value: Any) -> Any:
        """As ``replace``; a callable object becomes its ``__call__``."""
        replaced = self.replace(value)
        call = type(replaced).__call__
        return MethodType(self.replace(call), replaced) if isinstance(call, FunctionType) else replaced

    def replace(self, value: Any) -> Any:
        """What stands for this value under trace; the value itself where nothing has to."""
        if value is np:
            return self._numpy
        if type(value) in self._types and value in self._creators:
            return self._creators[value]
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, MethodType):
            return MethodType(self.replace(value.__func__), self.replace(value.__self__))
        if type(value) is functools.partial:
            arguments = map(self.replace, value.args)
            return functools.partial(self.replace(value.func), *arguments, **value.keywords)
        if isinstance(value, ModuleType):
            return value if _foreign(value.__name__, getattr(value, "__file__", None)) else self._module(value)
        if _holds_functions(value):
            return value.with_functions(self.replace)
        return self._object(value) if _has_plain_class(value) else value

    def _function(self, function: FunctionType) -> FunctionType:
        if function in self._functions:
            return self._functions[function]
        codes = tuple(_nested(function.__code__))
        if self._is_foreign(function) or any(_SETS_GLOBALS & set(code.co_code[::2]) for code in codes):
            return function
        variables = self._globals.get(id(function.__globals__))
        if variables is None:
            variables = self._globals[id(function.__globals__)] = dict(function.__globals__)
            variables["__builtins__"] = {**vars(builtins), "__import__": self._import}
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        copy = FunctionType(function.__code__, variables, function.__name__, function.__defaults__, cells)
        copy.__qualname__, copy.__module__ = function.__qualname__, function.__module__
        copy.__kwdefaults__ = function.__kwdefaults__
        copy.__dict__.update(function.__dict__)
        # Known before what it refers to is replaced: functions may call themselves and each other.
        self._functions[function] = copy
        for name in {name for code in codes for name in code.co_names} & function.__globals__.keys():
            variables[name] = self.replace(function.__globals__[name])
        for old, new in zip(function.__closure__ or (), cells, strict=True):
            if new is not old and _content(new) is None:
                new.cell_contents = self.replace(old.cell_contents)
        return copy

    def _module(self, module: ModuleType) -> ModuleType:
        return self._modules.setdefault(module.__name__, _UserModule(module, self.replace))

    def _object(self, value: Any) -> Any:
        """An object with the same attributes, the very same ``__dict__``, whose methods are replaced."""
        if id(value) in self._objects:
            return self._objects[id(value)]
        kind = type(value)
        methods = {
            name: method
            for base in reversed(kind.__mro__[:-1])
            if _package(base) not in _FOREIGN
            for name, method in vars(base).items()
            if isinstance(method, (FunctionType, staticmethod, classmethod, property))
        }
        functions = [function for method in methods.values() for function in _functions(method)]
        if not any(map(self._creates, functions)):
            return value
        metaclass: Any = type(kind)
        twin = object.__new__(metaclass(kind.__name__, (kind,), {"__module__": kind.__module__}))
        self._objects[id(value)] = twin
        object.__setattr__(twin, "__dict__", value.__dict__)
        for name, method in methods.items():
            copies = [self._function(function) for function in _functions(method)]
            if isinstance(method, property):
                accessors = iter(copies)
                fget, fset, fdel = (next(accessors) if part else None for part in _accessors(method))
                copy = property(fget, fset, fdel)
            else:
                copy = copies[0] if isinstance(method, FunctionType) else type(method)(copies[0])
            setattr(type(twin), name, copy)
        return twin

    def _creates(self, function: FunctionType) -> bool:
        """Whether a function names NumPy, one of its functions that create arrays, or code of the user's that might."""
        names = {name for code in _nested(function.__code__) for name in code.co_names}
        named = [function.__globals__[name] for name in names & function.__globals__.keys()]
        return "numpy" in names or any(self._may_create(value) for value in named)

    def _may_create(self, value: Any) -> bool:
        if isinstance(value, FunctionType):
            return value in self._creators or not self._is_foreign(value)
        if isinstance(value, ModuleType):
            return value is np or not _foreign(value.__name__, getattr(value, "__file__", None))
        return type(value) in self._types and value in self._creators

    def _cell(self, cell: CellType) -> CellType:
        """The same cell, so that ``nonlocal`` works, unless what it holds is to be replaced."""
        content = _content(cell)
        kinds = (FunctionType, MethodType, functools.partial, *self._types)
        if isinstance(content, (ModuleType, *kinds)) or _has_plain_class(content) or _holds_functions(content):
            return self._cells.setdefault(id(cell), CellType())
        return cell

    def _is_foreign(self, function: FunctionType) -> bool:
        home = _package(function) == self._home and self._home not in _FOREIGN
        return not home and _foreign(function.__module__ or "", function.__code__.co_filename)

    def _import(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        module = builtins.__import__(name, *arguments, **keywords)
        return self._numpy if module is np and name == "numpy" else module


def _foreign(module: str, file: str | None) -> bool:
    """Whether a module is no code of the user's: the standard library, NumPy, SciPy, flowgraph, what is installed."""
    return module.partition(".")[0] in _FOREIGN or not _INSTALLED.isdisjoint(PurePath(file or "").parts)


def _package(function: Any) -> str:
    return (getattr(function, "__module__", None) or "").partition(".")[0]


def _has_plain_class(value: Any) -> bool:
    """Whether a value is an object of a class of the user's that can be subclassed without side effects."""
    kind = type(value)
    bases = kind.__mro__[:-1]
    module = sys.modules.get(kind.__module__)
    return (
        type(kind) in (type, ABCMeta)
        and not _foreign(kind.__module__, getattr(module, "__file__", None))
        and kind.__new__ is object.__new__
        and hasattr(value, "__dict__")
        and not any(vars(base).get("__slots__") or _SIDE_EFFECTS & vars(base).keys() for base in bases)
    )


def _holds_functions(value: Any) -> bool:
    """Whether a value is an object of the library's that holds functions of the user's, such as a ``Flow``."""
    return _package(type(value)) == "flowgraph" and hasattr(type(value), "with_functions")


def _accessors(attribute: property) -> tuple[Any, ...]:
    return attribute.fget, attribute.fset, attribute.fdel


def _functions(method: Any) -> list[FunctionType]:
    """The functions in an attribute of a class."""
    if isinstance(method, property):
        return [accessor for accessor in _accessors(method) if isinstance(accessor, FunctionType)]
    function = method if isinstance(method, FunctionType) else method.__func__
    return [function] if isinstance(function, FunctionType) else []


def _content(cell: CellType) -> Any:
    """What a cell holds, None where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _nested(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
