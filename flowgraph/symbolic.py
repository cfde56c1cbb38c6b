"""The exact oracle: J from the program, and the linear map of a graph, in any label algebra.

Nothing here imports the rewriter, so that it can be held against it.

Reference: arXiv:2411.18786, sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.block_entries import block_entry
from flowgraph.errors import GraphError, InputError
from flowgraph.graph import FlowGraph, VertexId
from flowgraph.labels import (
    GENERIC,
    CountingLabels,
    FloatLabels,
    FractionLabels,
    Label,
    LabelAlgebra,
    SymbolicLabels,
)
from flowgraph.partials import exact
from flowgraph.program import Program, require_program

if TYPE_CHECKING:
    import sympy

Row = dict[Hashable, Label]
"""A sparse vector: label by unknown."""


def add_to(algebra: LabelAlgebra, row: Row, unknown: Hashable, label: Label) -> None:
    """row[unknown] += label, keeping the row free of zeros."""
    total = algebra.add(row[unknown], label) if unknown in row else label
    if algebra.is_zero(total):
        row.pop(unknown, None)
    else:
        row[unknown] = total


# -- the Jacobian of a program -------------------------------------------------------------------------------------


def jacobian(program: Program) -> sympy.ImmutableDenseMatrix:
    """J by SymPy alone: the outputs as composed expressions of the inputs, differentiated by ``sympy.diff``.

    Partials of uninterpreted functions come out as SymPy derivatives. Expressions grow with every reuse of a value, so
    this is for programs one can print.

    Returns:
        (m, n) matrix of expressions in the input names.

    Example:
        >>> from flowgraph.language import parse
        >>> jacobian(parse("inputs x, y\\nz = x * y\\noutputs z, y"))
        Matrix([
        [y, x],
        [0, 1]])
    """
    import sympy

    require_program(program)
    # Real symbols, so that |x| has the derivative sign x; the result is in plain ones, which are easier to name.
    inputs = [sympy.Symbol(name, real=True) for name in program.input_names]
    plain = {symbol: sympy.Symbol(symbol.name) for symbol in inputs}
    values: list[Any] = list(inputs)
    frozen: dict[Any, Any] = {}
    for step in program.steps():
        operands = [
            values[o] if o >= 0 else sympy.Rational(str(exact(float(program.constants[-1 - o])))) for o in step.operands
        ]
        for place in step.operation.inactive if step.operation else ():
            # No derivative flows through here, whatever SymPy would make of it.
            stand_in = sympy.Dummy(real=True)
            frozen[stand_in] = operands[place]
            operands[place] = stand_in
        function = step.operation.form if step.operation else None
        values.append(function(sympy, *operands) if function else sympy.Function(step.function)(*operands))
    outputs = sympy.Matrix([values[k] for k in program.outputs.tolist()])
    try:
        entries = [sympy.diff(y, x) for y in outputs for x in inputs]
    except RecursionError as error:
        raise InputError(
            "the composed expressions are nested too deeply for SymPy",
            got=f"{program.n_steps} steps",
            remedy="use linear_map on a derived graph, whose labels stay short",
        ) from error
    for stand_in, value in reversed(frozen.items()):
        entries = [entry.xreplace({stand_in: value}) for entry in entries]
    return sympy.ImmutableDenseMatrix(len(outputs), len(inputs), [entry.xreplace(plain) for entry in entries])


def vanishes(expression: Any) -> bool:
    """Decide exactly whether an expression in elementary functions is zero.

    Cases are decided one by one, exponentials replace the hyperbolic functions and the powers, and the rest is a normal
    form of rational functions.
    """
    import sympy

    if expression == 0:
        return True
    if expression.has(sympy.Piecewise):
        folded = sympy.piecewise_fold(expression)
        if isinstance(folded, sympy.Piecewise):
            return all(vanishes(branch) for branch, _ in folded.args)  # pyright: ignore[reportGeneralTypeIssues]
        return vanishes(folded)
    # Away from kinks, where every partial is claimed, sign x is x/|x|.
    expression = expression.replace(sympy.sign, lambda x: x / sympy.Abs(x))
    for form in (expression, expression.rewrite(sympy.exp)):
        if sympy.cancel(sympy.together(sympy.powsimp(sympy.expand(form, power_exp=True)))) == 0:
            return True
    return False


def partial_defects(
    program: Program,
    label: Callable[[int, int], Label],
    constant: Callable[[int, int], Fraction | None],
) -> tuple[int, str | None]:
    """Hold every partial a program uses against ``sympy.diff`` of the operation, exactly.

    Steps of one operation with the same constants and the same coincidences among their arguments are decided once.

    Args:
        program: straight-line code.
        label: the symbolic label of a step and operand place, in the names of the values.
        constant: the number that this partial is taken to be for every x, or None.

    Returns:
        How many different partials were decided, and the first that differs, or None.
    """
    import sympy

    decided: set[tuple[Any, ...]] = set()
    codes, starts = program.codes.tolist(), program.starts.tolist()
    operands_of, constants = program.operands.tolist(), program.constants.tolist()
    for k, slots in enumerate(active_slots(program)):
        if codes[k] < 0:
            continue
        mine = operands_of[starts[k] : starts[k + 1]]
        key = (codes[k], *((mine.index(o), None) if o >= 0 else (None, constants[-1 - o]) for o in mine))
        if key in decided:
            continue
        decided.add(key)
        step = program.step(k)
        if step.operation is None:
            continue
        first = {operand: place for place, operand in reversed(list(enumerate(step.operands)))}
        symbols = {operand: sympy.Symbol(f"x{place}", real=True) for operand, place in first.items()}
        operands = [
            symbols[o] if o >= 0 else sympy.Rational(str(exact(float(program.constants[-1 - o]))))
            for o in step.operands
        ]
        form = step.operation.form(sympy, *operands)
        renamed = {sympy.Symbol(program.name(value)): symbol for value, symbol in symbols.items() if value >= 0}
        for value in dict.fromkeys(value for _, value in slots):
            places = [place for place, v in slots if v == value]
            claims: list[Any] = [sum((label(k, place) for place in places), start=sympy.S.Zero).xreplace(renamed)]
            number = constant(k, places[0])
            claims += [] if number is None else [sympy.Rational(number.numerator, number.denominator)]
            theirs = sympy.diff(form, symbols[value])
            for ours in claims:
                if not vanishes(ours - theirs):
                    return len(decided), f"step {k + 1}: {step}: {ours} against {theirs}"
    return len(decided), None


def accumulate(
    program: Program, algebra: LabelAlgebra, partial: Callable[[int, int], Label], seeds: Sequence[Row]
) -> list[Row]:
    """Forward accumulation on the columns of a program: the tangents of all values for the given input tangents.

    Args:
        program: straight-line code.
        algebra: what the partials are.
        partial: the partial of a step with respect to an operand place.
        seeds: (n,) one sparse vector per input, over any unknowns.

    Returns:
        (n + T,) one sparse vector per value.
    """
    tangents: list[Row] = [dict(seed) for seed in seeds]
    for k, slots in enumerate(active_slots(program)):
        row: Row = {}
        for slot, value in slots:
            label = partial(k, slot)
            for unknown, x in tangents[value].items():
                add_to(algebra, row, unknown, algebra.mul(label, x))
        tangents.append(row)
    return tangents


def accumulate_adjoint(
    program: Program, algebra: LabelAlgebra, partial: Callable[[int, int], Label], cotangents: Sequence[Label]
) -> list[Label]:
    """Reverse accumulation on the columns of a program: Jᵀ w.

    Args:
        cotangents: (m,) w, one label per output.

    Returns:
        (n,) one label per input.
    """
    adjoint = [algebra.zero] * program.n_values
    for value, label in zip(program.outputs.tolist(), cotangents, strict=True):
        adjoint[value] = algebra.add(adjoint[value], label)
    for k, slots in reversed(list(enumerate(active_slots(program)))):
        result = adjoint[program.n_inputs + k]
        for slot, value in slots:
            adjoint[value] = algebra.add(adjoint[value], algebra.mul(partial(k, slot), result))
    return adjoint[: program.n_inputs]


def active_slots(program: Program) -> list[list[tuple[int, int]]]:
    """For every step its (operand place, value) pairs."""
    arguments = program.arguments().tolist()
    starts = program.starts.tolist()
    return [
        [(slot, value) for slot, value in enumerate(arguments[starts[k] : starts[k + 1]]) if value >= 0]
        for k in range(program.n_steps)
    ]


# -- the map of a graph --------------------------------------------------------------------------------------------


def topological_order(rows: Mapping[VertexId, Iterable[tuple[VertexId, Any, Any]]]) -> list[VertexId]:
    """The vertices, each after all that it reads.

    Raises:
        GraphError: there is a cycle.
    """
    waiting = {place: 0 for place in rows}
    readers: dict[VertexId, list[VertexId]] = {place: [] for place in rows}
    for target, row in rows.items():
        for source, _, _ in row:
            waiting[target] += 1
            readers[source].append(target)
    order = [place for place, count in waiting.items() if count == 0]
    for place in order:
        for target in readers[place]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) != len(waiting):
        raise GraphError("the graph has a cycle", remedy="a linear flow graph must be acyclic")
    return order


def push(
    algebra: LabelAlgebra,
    rows: Mapping[VertexId, Iterable[tuple[VertexId, Label, bool]]],
    inputs: Sequence[VertexId],
    outputs: Sequence[VertexId],
    seeds: Sequence[Row],
) -> list[Row]:
    """Push one sparse vector per input through a graph; returns one per output."""
    given: dict[VertexId, Row] = {}
    for place, seed in zip(inputs, seeds, strict=True):
        total = given.setdefault(place, {})
        for unknown, x in seed.items():
            add_to(algebra, total, unknown, x)
    value: dict[VertexId, Row] = {}
    for place in topological_order(rows):
        total = dict(given.get(place, {}))
        for source, label, _ in rows[place]:
            for unknown, x in value[source].items():
                add_to(algebra, total, unknown, algebra.mul(label, x))
        value[place] = total
    return [value[place] for place in outputs]


def graph_rows(graph: FlowGraph) -> dict[VertexId, list[tuple[VertexId, Label, bool]]]:
    """The edges of a graph by target."""
    rows: dict[VertexId, list[tuple[VertexId, Label, bool]]] = {vertex.id: [] for vertex in graph.vertices}
    for edge in graph.edges:
        rows[edge.target].append((edge.source, edge.label, edge.carry))
    return rows


def linear_map(
    graph: FlowGraph,
    labels: str | LabelAlgebra | Mapping[str, float] | None = None,
    values: Mapping[str, Label] | None = None,
) -> Any:
    """The matrix of a graph: row i, column j says how output i depends on input j.

    Args:
        graph: a linear flow graph.
        labels: None for the graph's own algebra; a number for every symbol in symbolic labels; ``"fractions"`` for the
            fraction field over the symbols (and whole function terms) in them; or another label algebra.
        values: with a label algebra, the element for each symbol (or function term, by its text) in the labels. In the
            counting algebra they are generic by default.

    Returns:
        (m, n) in the algebra's own kind: a SymPy matrix for symbolic labels, a float64 array for floats and numbers, a
        tuple of tuples otherwise.

    Entries of symbolic and fraction matrices grow with the number of paths, which can be exponential in the number of
    steps; numbers are cheap for any graph.

    Raises:
        GraphError: a symbol has no value, a label divides by zero, or the labels cannot be converted.

    Example:
        >>> import flowgraph as fg
        >>> graph = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "forward-inverse").graph
        >>> fg.linear_map(graph)
        Matrix([
        [1/a, -b/a],
        [  0,    1]])
        >>> fg.linear_map(graph, {"a": 2.0, "b": 3.0})
        array([[ 0.5, -1.5],
               [ 0. ,  1. ]])
        >>> from flowgraph.labels import ResidueLabels
        >>> fg.linear_map(graph, ResidueLabels(1), {"a": 2, "b": 3})[0][0] == pow(2, -1, 2**61 - 1)
        True
    """
    if labels is not None:
        graph = convert_labels(graph, labels, values)
    algebra = graph.algebra
    seeds: list[Row] = [{j: algebra.one} for j in range(len(graph.inputs))]
    rows = push(algebra, graph_rows(graph), graph.inputs, graph.outputs, seeds)
    n = len(graph.inputs)
    return algebra.matrix([[row.get(j, algebra.zero) for j in range(n)] for row in rows], n)


def convert_labels(
    graph: FlowGraph,
    labels: str | LabelAlgebra | Mapping[str, float],
    values: Mapping[str, Label] | None = None,
) -> FlowGraph:
    """The same graph with its symbolic labels in another algebra or as numbers (see ``linear_map``)."""
    if not isinstance(graph.algebra, SymbolicLabels):
        raise GraphError("only symbolic labels can be converted", got=graph.algebra.name, expected="symbolic")
    if isinstance(labels, Mapping):
        return _as_numbers(graph, labels)
    if isinstance(labels, FloatLabels):
        return _as_numbers(graph, values or {})
    if isinstance(labels, LabelAlgebra):
        return _in_algebra(graph, labels, values or {})
    if labels == "symbolic":
        return graph
    if labels != "fractions":
        raise InputError("there are no such labels", got=repr(labels), expected="'symbolic', 'fractions' or an algebra")
    names = tuple(dict.fromkeys(str(atom) for edge in graph.edges for atom in label_atoms(edge.label)))
    algebra = FractionLabels(names)
    return _in_algebra(graph, algebra, algebra.symbols)


def _in_algebra(graph: FlowGraph, algebra: LabelAlgebra, values: Mapping[str, Label]) -> FlowGraph:
    value: dict[Any, Label] = {}
    for edge in graph.edges:
        for atom in label_atoms(edge.label):
            if str(atom) in values:
                value[atom] = values[str(atom)]
            elif isinstance(algebra, CountingLabels):
                value[atom] = GENERIC
            else:
                raise GraphError(
                    "a symbol in the labels has no value",
                    got=f"values for {', '.join(map(str, values)) or 'nothing'}",
                    remedy=f"give a value for {atom}",
                )
    zeros = [f"{atom} = {algebra.text(x)}" for atom, x in value.items() if algebra.is_zero(x)]
    try:
        labels = [label_value(edge.label, algebra, value) for edge in graph.edges]
    except ZeroDivisionError as error:
        raise GraphError(
            "a label divides by zero at these values",
            got=", ".join(zeros) or None,
            remedy="an inverse mode needs every pivot different from 0, and every A of a lump to be invertible",
        ) from error
    return _with_labels(graph, algebra, labels)


def _with_labels(graph: FlowGraph, algebra: LabelAlgebra, labels: Sequence[Label]) -> FlowGraph:
    from dataclasses import replace

    edges = tuple(replace(edge, label=label) for edge, label in zip(graph.edges, labels, strict=True))
    return replace(graph, algebra=algebra, edges=edges)


def _as_numbers(graph: FlowGraph, numbers: Mapping[str, float]) -> FlowGraph:

    given = {str(name): _number(name, value) for name, value in numbers.items()}
    expressions = [edge.label for edge in graph.edges]
    symbols = sorted({s for e in expressions for s in e.free_symbols}, key=str)
    missing = [str(s) for s in symbols if str(s) not in given]
    if missing:
        raise GraphError(
            "a symbol in the labels has no number",
            got=f"numbers for {', '.join(given) or 'nothing'}",
            expected=f"numbers for {', '.join(str(s) for s in symbols)}",
            remedy=f"give a number for {', '.join(missing)}",
        )
    # As NumPy numbers they neither raise nor turn complex, and warn of nothing that is not reported below.
    numbers_of = {symbol: np.float64(given[str(symbol)]) for symbol in symbols}
    with np.errstate(all="ignore"):
        values = _numbers(expressions, numbers_of)
    wrong = [edge for edge, value in zip(graph.edges, values, strict=True) if value.imag or not np.isfinite(value)]
    if wrong:
        raise GraphError(
            "a label divides by zero, or is no finite real number, here",
            where=f"label {graph.label_text(wrong[0])}",
            got=", ".join(f"{s} = {given[str(s)]!r}" for s in symbols),
            remedy="give numbers inside the domain of every label; an inverse mode needs every pivot different from 0",
        )
    return _with_labels(graph, FloatLabels(), [value.real for value in values])


def _numbers(expressions: Sequence[Any], given: Mapping[Any, Any]) -> list[complex]:
    """Expressions as numbers; entries of A⁻¹B by LAPACK, once for each A and B. NaN where there is no number."""
    import sympy

    entries = sorted({entry for e in expressions for entry in e.atoms(block_entry())}, key=str)
    solved: dict[Any, Any] = {}
    for entry in entries:
        if entry.system not in solved:
            matrix, right = entry.system
            a, b = (np.array(_numbers(list(m), given)).reshape(m.shape) for m in (matrix, right))
            try:
                solved[entry.system] = np.linalg.solve(a, b) if np.isfinite(a).all() else np.full(b.shape, np.nan)
            except np.linalg.LinAlgError:
                solved[entry.system] = np.full(b.shape, np.nan)
    stand_ins = {entry: sympy.Dummy() for entry in entries}
    known = {**given, **{stand_ins[entry]: solved[entry.system][entry.index] for entry in entries}}
    function = sympy.lambdify(list(known), [e.xreplace(stand_ins) for e in expressions], modules=["scipy", "numpy"])
    try:
        return [complex(value) for value in function(*known.values())]
    except (ZeroDivisionError, OverflowError):
        return [complex("nan")] * len(expressions)


def _number(name: object, value: object) -> float:
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"the value of {name} is no number", got=repr(value), expected="a real number") from error


def _is_rational_node(expression: Any) -> bool:
    return expression.is_Add or expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer)


def label_atoms(expression: Any) -> list[Any]:
    """The parts of an expression that are neither rational numbers nor made by +, ·, integer powers, and A⁻¹B."""
    if expression.is_Rational:
        return []
    if isinstance(expression, block_entry()):
        return [atom for matrix in expression.system for part in matrix for atom in label_atoms(part)]
    if _is_rational_node(expression):
        return [atom for part in expression.args for atom in label_atoms(part)]
    return [expression]


def label_value(expression: Any, algebra: LabelAlgebra, value: dict[Any, Label]) -> Label:
    """A symbolic label in another algebra, from the values of its ``label_atoms``; those of A⁻¹B are added to them."""
    if expression.is_Rational:
        return algebra.number(Fraction(int(expression.p), int(expression.q)))
    if isinstance(expression, block_entry()):
        i, j = expression.index
        return _solution(expression.system, algebra, value)[i][j]
    if expression.is_Add or expression.is_Mul:
        parts = [label_value(part, algebra, value) for part in expression.args]
        combine = algebra.add if expression.is_Add else algebra.mul
        total = parts[0]
        for part in parts[1:]:
            total = combine(total, part)
        return total
    if _is_rational_node(expression):
        base = label_value(expression.base, algebra, value)
        exponent = int(expression.exp)
        base = algebra.reciprocal(base) if exponent < 0 else base
        total = algebra.one
        for _ in range(abs(exponent)):
            total = algebra.mul(total, base)
        return total
    return value[expression]


def _solution(system: tuple[Any, Any], algebra: LabelAlgebra, value: dict[Any, Label]) -> Label:
    """A⁻¹B in an algebra, found once and kept with the values."""
    if system not in value:
        a, b = (
            [[label_value(matrix[i, j], algebra, value) for j in range(matrix.cols)] for i in range(matrix.rows)]
            for matrix in system
        )
        value[system] = algebra.solve("", a, b, algebra.inverse("", a))
    return value[system]


def paths(graph: FlowGraph) -> np.ndarray[Any, Any]:
    """(m, n) how many paths lead from each input to each output, which bounds the terms of each entry of the map."""
    counts: dict[VertexId, list[int]] = {}
    rows = graph_rows(graph)
    n = len(graph.inputs)
    for place in topological_order(rows):
        total = [int(place == p) for p in graph.inputs]
        for source, _, _ in rows[place]:
            total = [a + b for a, b in zip(total, counts[source], strict=True)]
        counts[place] = total
    return np.array([counts[place] for place in graph.outputs], dtype=object).reshape(len(graph.outputs), n)
