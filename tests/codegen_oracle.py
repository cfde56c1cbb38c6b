"""An oracle for generated code: values and the dense Jacobian step by step, and stand-ins for uninterpreted functions.

A stand-in is ϕ(a) = Σ cᵢaᵢ + 0.1 sin(Σ dᵢaᵢ), with coefficients that its name decides, in NumPy and in C.
"""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.program import Program

Array = NDArray[Any]

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-O2")
"""What generated C has to bear."""


def coefficients(function: str, arity: int) -> tuple[list[float], list[float]]:
    """c and d of a stand-in."""
    random = Random(f"{function}/{arity}")
    return [random.uniform(0.5, 1.5) for _ in range(arity)], [random.uniform(-1, 1) for _ in range(arity)]


def stand_in(function: str, slot: int, a: Sequence[Any]) -> Any:
    """The value of a stand-in, or of its partial with respect to operand ``slot`` from 1."""
    c, d = coefficients(function, len(a))
    inner = sum((p * x for p, x in zip(d, a, strict=True)), 0.0 * math.pi)
    if slot:
        return c[slot - 1] + 0.1 * d[slot - 1] * np.cos(inner)
    return sum((p * x for p, x in zip(c, a, strict=True)), 0.0) + 0.1 * np.sin(inner)


def in_c(name: str, function: str, slot: int, arity: int) -> str:
    """The same in C, as a function of that name."""
    c, d = coefficients(function, arity)
    names = [f"a{k}" for k in range(arity)]
    inner, outer = (" + ".join(f"({p!r}) * {a}" for p, a in zip(q, names, strict=True)) or "0.0" for q in (d, c))
    value = f"{c[slot - 1]!r} + 0.1 * ({d[slot - 1]!r}) * cos({inner})" if slot else f"{outer} + 0.1 * sin({inner})"
    return f"static double {name}({', '.join(f'double {n}' for n in names) or 'void'}) {{ return {value}; }}"


def linearised(program: Program, x: Array) -> tuple[Array, Array]:
    """y = f(x) and J, by the chain rule in the order of the steps."""
    n = program.n_inputs
    values, rows = [float(entry) for entry in x], list(np.eye(n))
    with np.errstate(all="ignore"):
        for step in program.steps():
            a = [values[o] if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]
            row = np.zeros(n)
            for k, operand in enumerate(step.operands):
                if operand >= 0:
                    if step.operation is None:
                        row = row + stand_in(step.function, k + 1, a) * rows[operand]
                    elif k not in step.operation.inactive:
                        row = row + float(step.operation.partials[k](*a)) * rows[operand]
            values.append(
                float(stand_in(step.function, 0, a) if step.operation is None else step.operation.evaluate(*a))
            )
            rows.append(row)
    outputs = program.outputs.tolist()
    return np.array([values[k] for k in outputs]), np.array([rows[k] for k in outputs]).reshape(len(outputs), n)


def evaluated(program: Program, x: Array) -> Array:
    """The outputs of a program in whose text partials of uninterpreted functions stand as f_1, f_2, …"""
    values = [float(entry) for entry in x]
    for step in program.steps():
        a = [values[o] if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]
        values.append(float(_called(step.function, a) if step.operation is None else step.operation.evaluate(*a)))
    return np.array([values[k] for k in program.outputs.tolist()])


def result_of(mode: str, jacobian: Array, v: Array) -> Array:
    """What a mode finds."""
    if mode == "forward":
        return jacobian @ v
    if mode == "reverse":
        return jacobian.T @ v
    return np.linalg.solve(jacobian if mode == "forward-inverse" else jacobian.T, v)


# -- running -----------------------------------------------------------------------------------------------------------


def python_function(text: str, name: str) -> Callable[..., Any]:
    """The function of generated Python, its uninterpreted functions replaced by stand-ins."""
    space: dict[str, Any] = {}
    exec(compile(text, "generated.py", "exec"), space)
    function = space[name]
    keywords = {
        word: (lambda *a, word=word: _called(word, a))
        for word in function.__code__.co_varnames[function.__code__.co_argcount :][
            : function.__code__.co_kwonlyargcount
        ]
    }
    return lambda *vectors: function(*vectors, **keywords)


def _called(word: str, a: Sequence[Any]) -> Any:
    return stand_in(*_meaning(word), a)


def _meaning(word: str) -> tuple[str, int]:
    """Which function of the program a name in the code stands for, and which partial of it, 0 for none."""
    match = re.fullmatch(r"(.*)_(\d+)", word)
    function, slot = (match[1], int(match[2])) if match else (word, 0)
    return function.rstrip("_"), slot


EXTERN = re.compile(r"extern double (\w+)\(([^)]*)\);")


def with_definitions(text: str, number: int) -> str:
    """Generated C with stand-ins defined before it, under names that no other unit of the same file has."""
    names, definitions = [], []
    for name, parameters in EXTERN.findall(text):
        arity = 0 if parameters == "void" else parameters.count(",") + 1
        definitions.append(in_c(name, *_meaning(name), arity))
        names.append(name)
    before = [f"#define {name} unit{number}_{name}" for name in names]
    after = [f"#undef {name}" for name in names]
    return "\n".join(["#include <math.h>", *before, *definitions, text, *after, ""])


def compiled(source: str, folder: Path, *flags: str) -> Path:
    """A shared library. Any warning is an error."""
    compiler = shutil.which("cc")
    assert compiler is not None
    file, library = folder / "generated.c", folder / "generated.so"
    file.write_text(source, encoding="utf-8")
    command = [compiler, *WARNINGS, *flags, "-shared", "-fPIC", str(file), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return library


def from_c(library: ctypes.CDLL, name: str, vectors: Sequence[Array], sizes: Sequence[int]) -> tuple[int, list[Array]]:
    """The status that a compiled function returns, and the vectors that it has written; NaN where it has not."""
    written = [np.full(size, np.nan) for size in sizes]
    pointers = [
        array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
        for array in (*map(np.ascontiguousarray, vectors), *written)
    ]
    return getattr(library, name)(*pointers), written
