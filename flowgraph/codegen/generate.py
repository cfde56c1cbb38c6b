"""``generate_code``."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from flowgraph.codegen.build import build
from flowgraph.codegen.derivatives import PARTIALS
from flowgraph.codegen.language import Language
from flowgraph.codegen.languages import LANGUAGES
from flowgraph.codegen.pivots import check_matrices, written_out
from flowgraph.codegen.statements import Routine, Solve
from flowgraph.codegen.tidy import named, without_dead_code
from flowgraph.codegen.triangular import in_blocks
from flowgraph.errors import InputError
from flowgraph.modes import Order, in_order
from flowgraph.operations import OPERATIONS
from flowgraph.program import Program, require_program
from flowgraph.rewrite.derivation import Mode

PRIMAL = "primal"
"""The mode that computes f(x) only."""

MODES = (PRIMAL, *map(str, Mode))
"""What code can be generated for."""

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"[rv][0-9]+|[AB][0-9]*_[0-9]+_[0-9]+|[AB]|unused_[0-9]+|number_[0-9]+")


def generate_code(
    program: Program,
    mode: str = "forward",
    language: str = "numpy",
    *,
    name: str | None = None,
    order: Order | None = None,
) -> str:
    """The straight-line code of a mode, with registers reused in place.

    Value z of a step overwrites the register of an operand that dies, r1, r2, … in the primal and v1, v2, … in the
    sweep. Forward and reverse inverse mode run beside the primal and need no tape. Reverse and forward inverse mode
    run after it, on partials that it has kept. A step that is one row of J is undone by the scalar formulas of the
    paper; a lump of l ≥ 2 values has A = ∂z/∂u and B = ∂z/∂w accumulated, and is solved with A, one irreducible block
    of A after the other. Lumps are those of the best order, as in ``derive``.

    Languages:

    - ``numpy``: ``mode(x, v) -> (y, result)``; uninterpreted functions and their partials are keyword arguments.
      Entries of x and v may be arrays of one shape: many points, or many vectors, at once. A branch that is taken
      otherwise than it was traced raises ``ValueError``.
    - ``c``: C99, ``int mode(x, v, y, result)``, which returns 0, or 1 for such a branch. Uninterpreted functions are
      declared ``extern``.
    - ``latex``: an ``align*`` for amsmath or MathJax.
    - ``fg``: a program in the paper's notation whose inputs are those of the program and then v, and whose outputs
      are the result, so that ``parse`` reads it. Systems are written out, with pivots that are non-zero for almost all
      x but not chosen by size: that loses digits for some x. There are no branches in the notation.

    The partials are in the forms that do not cancel. Nothing is checked but branches: outside the domain of an
    operation, and where a pivot is zero, the code gives what IEEE arithmetic gives, NaN or infinity; in NumPy a lump
    whose A is exactly singular raises ``LinAlgError``.

    Args:
        program: straight-line code; dead code is left out.
        mode: ``"forward"``, ``"reverse"``, ``"forward-inverse"``, ``"reverse-inverse"`` or ``"primal"``.
        language: ``"numpy"``, ``"c"``, ``"latex"`` or ``"fg"``.
        name: what the function is called; the mode by default.
        order: step numbers from 0, or names of results, as in ``derive``.

    Returns:
        The text, which ends with a line break.

    Raises:
        NotInvertible: an inverse mode of a program whose J is not square, or singular for every x.
        InputError: no such mode, language or order; or a program that the language cannot express, or too long a code.

    Reference: arXiv:2411.18786, Fig. 2 (d).

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x1, x2\\nz = x1 * x2\\noutputs z, x2")
        >>> print(generate_code(program, "reverse-inverse", "fg"))
        # reverse inverse mode
        inputs r1, r2, v1, v2
        # z = x1 * x2
        v1 = v1 / r2
        v2 = v2 - r1 * v1
        outputs v1, v2
        <BLANKLINE>
    """
    require_program(program)
    if mode not in MODES:
        raise InputError("there is no such mode", got=repr(mode), expected=", ".join(MODES))
    if language not in LANGUAGES:
        raise InputError("there is no such language", got=repr(language), expected=", ".join(LANGUAGES))
    chosen = LANGUAGES[language]
    own = _checked(mode.replace("-", "_") if name is None else name, chosen)
    kind = None if mode == PRIMAL else Mode(mode)
    program = in_order(program, order, inverse=kind is not None and kind.inverse)
    if program.guards and not chosen.checks_branches:
        raise InputError(
            f"{chosen.title} has no branches, and this program was traced through some",
            got=f"{len(program.guards)} branches",
            remedy="take numpy or c, whose code checks that they are taken as they were when traced",
        )
    _check_arities(program)
    _check_operations(program, chosen)
    code = build(program, kind)
    wanted = (*code.values, *code.result) if chosen.returns_values or kind is None else code.result
    body = without_dead_code(code.body, wanted)
    if any(isinstance(statement, Solve) for statement in body):
        check_matrices(body)
        body = in_blocks(body)
        if not chosen.solves:
            body = without_dead_code(written_out(body), wanted)
    functions = _spelled(program.functions, chosen.reserved | {own})
    # Headings speak of the program's values, so no temporary has the name of one.
    taken = {own, *chosen.reserved, *(spelled for _, spelled in functions)}
    body = named(body, wanted, taken | {program.name(value) for value in range(program.n_values)})
    routine = Routine(own, mode, program.n_inputs, program.n_outputs, body, code.values, code.result, functions)
    return chosen.write(routine)


def _check_arities(program: Program) -> None:
    arities: dict[int, int] = {}
    for step in np.flatnonzero(program.codes < 0).tolist():
        code, arity = int(program.codes[step]), int(program.starts[step + 1] - program.starts[step])
        if arities.setdefault(code, arity) != arity:
            raise InputError(
                f"the function {program.functions[-1 - code]} is used with different numbers of arguments",
                where=f"step {step + 1}",
                got=str(arity),
                expected=f"{arities[code]}, as before",
                remedy="use two function names",
            )


def _check_operations(program: Program, language: Language) -> None:
    used = {OPERATIONS[code].name for code in np.unique(program.codes).tolist() if code >= 0}
    missing = sorted(used - (language.operations & PARTIALS.keys()))
    if missing:
        raise InputError(
            f"{language.title} has no code for the operation {missing[0]}",
            remedy="add its partials to flowgraph/codegen/derivatives.py, and its spelling to the file of the language",
        )


def _checked(name: str, language: Language) -> str:
    fits = isinstance(name, str) and _IDENTIFIER.fullmatch(name)
    if not fits or name in language.reserved or _VARIABLE.fullmatch(name):
        raise InputError(
            "the function cannot have this name",
            got=repr(name),
            expected=f"letters, digits and underscores, no word that means something in {language.title}",
            remedy="choose another name",
        )
    return name


def _spelled(functions: Collection[str], reserved: Collection[str]) -> tuple[tuple[str, str], ...]:
    """How each uninterpreted function is spelled: neither it nor a partial of it has the name of anything else."""
    used: set[str] = set()
    found = []
    for function in functions:
        stem = "_".join(re.findall("[A-Za-z0-9]+", function)) or "function"
        text = stem if _IDENTIFIER.fullmatch(stem) else f"f_{stem}"
        # f_1 is the partial of f, so no function may be called so beside f.
        while text in reserved or _VARIABLE.fullmatch(text) or any(_collide(text, other) for other in used):
            text += "_"
        used.add(text)
        found.append((function, text))
    return tuple(found)


def _collide(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long == short or re.fullmatch(re.escape(short) + "_[0-9]+", long) is not None
