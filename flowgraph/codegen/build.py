"""From a program to the statements of a mode.

A sweep in the primal's direction (forward, reverse inverse) runs beside the primal: partials are found just before a
step overwrites what they need, and kept only while they are read. A sweep against it (reverse, forward inverse) comes
after the primal, which keeps the partials until then.

A step z = f(u, w) that overwrites u has the four local forms of the paper, with a = ∂z/∂u and b = ∂z/∂w:

| mode            | statements                |
|-----------------|---------------------------|
| forward         | u ← a·u + b·w             |
| reverse         | w ← w + b·u, u ← a·u      |
| forward inverse | u ← (u − b·w)/a           |
| reverse inverse | u ← u/a, w ← w − b·u      |

Lumps of several steps have their A = ∂z/∂u and B = ∂z/∂w accumulated, and are solved with A.

Reference: arXiv:2411.18786, Fig. 1 and Fig. 2 (d).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from flowgraph.codegen.derivatives import FROM_RESULT, from_result, partial
from flowgraph.codegen.registers import assign_registers
from flowgraph.codegen.statements import Assign, Check, Heading, Load, Partial, Solve, Statement
from flowgraph.codegen.terms import (
    ONE,
    ZERO,
    Apply,
    Call,
    Name,
    Number,
    Term,
    is_atom,
    minus,
    negative,
    over,
    plus,
    times,
    total,
)
from flowgraph.errors import DomainError, InputError, NotApplicable
from flowgraph.lumping import Lump, lumps
from flowgraph.modes import zero_pivot
from flowgraph.partials import ConstantPartials, edge_slots
from flowgraph.program import Program, Step
from flowgraph.rewrite.derivation import Mode

MOST_STATEMENTS = 100_000
"""Longer code is refused: no compiler takes it in reasonable time, and nobody reads it."""


@dataclass(frozen=True, slots=True)
class Code:
    """The statements of a mode, temporaries not yet named.

    Attributes:
        body: the statements.
        values: the outputs of the program.
        result: what the mode finds.
    """

    body: tuple[Statement, ...]
    values: tuple[Term, ...]
    result: tuple[Term, ...]


def build(program: Program, mode: Mode | None) -> Code:
    """The statements of a mode.

    Args:
        program: its steps in the order in which they are to run, without dead code; invertible for an inverse mode.
        mode: the mode, None for the primal alone.

    Raises:
        NotInvertible: the partial with respect to the value that dies at a step is 0 for every x.
        InputError: there would be more than ``MOST_STATEMENTS`` statements.
    """
    writer = _Writer(program)
    if mode is None:
        result = writer.primal()
    elif not mode.inverse:
        result = writer.forward() if mode is Mode.FORWARD else writer.reverse()
    else:
        result = writer.reverse_inverse() if mode is Mode.REVERSE_INVERSE else writer.forward_inverse()
    return Code(tuple(writer.body), tuple(writer.r(value) for value in program.outputs.tolist()), result)


@dataclass(frozen=True, slots=True)
class _Linear:
    """z = A u + B w, with names and numbers as entries: by row, the entry of each value that it is not 0 for.

    Attributes:
        step: the step that it is the linear part of, None for a lump of several.
        heading: the lump, in words.
        name: the name of A, where it is larger than 1×1.
        consumed: u.
        produced: z.
        read: w.
        rows: for each z, by value of u and w, the entry.
    """

    step: Step | None
    heading: str
    name: str
    consumed: tuple[int, ...]
    produced: tuple[int, ...]
    read: tuple[int, ...]
    rows: tuple[dict[int, Term], ...]


@final
class _Writer:
    def __init__(self, program: Program) -> None:
        self.body: list[Statement] = []
        self._program = program
        self._n = program.n_inputs
        self._registers = assign_registers(program)
        self._live = program.liveness()
        self._constants = ConstantPartials(program)
        self._edges = dict(edge_slots(program))
        self._temporaries = 0
        self._held = {f"r{k + 1}": k for k in range(program.n_inputs)}
        self._guards: dict[int, list[Check]] = {}
        for guard in program.guards:
            where = f"line {guard.line}: " if guard.line else ""
            for value, positive in zip(guard.values.tolist(), guard.outcomes.tolist(), strict=True):
                text = f"{where}the branch for {program.name(value)} {'> 0' if positive else '<= 0'}"
                check = Check(self.r(value).text, bool(positive), text)
                self._guards.setdefault(value, []).append(check)

    # -- registers --------------------------------------------------------------------------------------------------

    def r(self, value: int) -> Name:
        """The register of a value."""
        return Name(f"r{self._registers.place[value] + 1}")

    def v(self, value: int) -> Name:
        """The register of its tangent or cotangent."""
        return Name(f"v{self._registers.place[value] + 1}")

    def _add(self, statement: Statement) -> None:
        self.body.append(statement)
        if len(self.body) > MOST_STATEMENTS:
            raise InputError(
                "the code would be too long",
                got=f"more than {MOST_STATEMENTS:,} statements for {self._program.n_steps:,} steps",
                remedy="take flowgraph.linearize, which has no such limit, or a smaller program",
            )

    def _set(self, target: Name, value: Term) -> None:
        if value != target:
            self._add(Assign(target.text, value))

    def _temporary(self, value: Term, meaning: Partial | None = None) -> Name:
        self._temporaries += 1
        name = Name(f"%{self._temporaries}")
        self._add(Assign(name.text, value, meaning))
        return name

    # -- the primal -------------------------------------------------------------------------------------------------

    def _begin(self, *, sweep: bool) -> None:
        self._add(Load(tuple(f"r{k + 1}" for k in range(self._n)), "x"))
        if sweep:
            self._add(Load(tuple(f"v{k + 1}" for k in range(self._n)), "v"))
        for value in range(self._n):
            self._check(value)

    def _check(self, value: int) -> None:
        for check in self._guards.get(value, ()):
            self._add(check)

    def _operands(self, step: Step) -> tuple[Term, ...]:
        constants = self._program.constants
        return tuple(self.r(o) if o >= 0 else Number(float(constants[-1 - o])) for o in step.operands)

    def _step(self, step: Step) -> None:
        """The step itself, and the branches that its result decides, unless it is written already."""
        result = self._n + step.index
        if self._held.get(self.r(result).text) == result:
            return
        operands = self._operands(step)
        if step.operation is None:
            value: Term = Call(step.function, 0, operands)
        elif all(isinstance(operand, Number) for operand in operands):
            value = Apply("constant", (Number(_evaluated(step, operands)),))
        else:
            value = Apply(step.function, operands)
        self._add(Assign(self.r(result).text, value))
        self._held[self.r(result).text] = result
        self._check(result)

    def _head(self, step: Step, level: int) -> None:
        names = tuple(
            Name(self._program.name(o)) if o >= 0 else operand
            for o, operand in zip(step.operands, self._operands(step), strict=True)
        )
        right = Call(step.function, 0, names) if step.operation is None else Apply(step.function, names)
        self._add(Heading(str(step), level, Assign(step.name, right)))

    def primal(self) -> tuple[Term, ...]:
        """The program itself."""
        self._begin(sweep=False)
        for step in self._program.steps():
            self._head(step, 1)
            self._step(step)
        return ()

    # -- partials ---------------------------------------------------------------------------------------------------

    def _partials(self, step: Step, until: int) -> dict[int, Term]:
        """By argument the partial: a name or a number that keeps its value until step ``until`` writes its result."""
        return {
            argument: self._kept(value, until, self._meaning(step, argument))
            for argument, value in self._raw_partials(step).items()
        }

    def _raw_partials(self, step: Step) -> dict[int, Term]:
        """By argument the partial, an expression in what the registers hold now.

        Where partials are best computed from the result, the step is written first.
        """
        found: dict[int, Term] = {}
        edges = self._edges.get(step.index, ())
        if edges and step.function in FROM_RESULT and step.operation is not None:
            self._step(step)
            ((argument, _),) = edges
            return {argument: from_result(step.function, self.r(self._n + step.index))}
        operands = self._operands(step)
        shared: dict[Term, Term] = {}

        def hold(term: Term) -> Term:
            if term not in shared:
                shared[term] = self._temporary(term)
            return shared[term]

        for argument, slots in edges:
            constant = self._constants.find(step.index, slots[0])
            if constant is not None:
                found[argument] = Number(float(constant))
            elif step.operation is None:
                found[argument] = total([Call(step.function, slot + 1, operands) for slot in slots])
            else:
                found[argument] = total([partial(step.function, slot, operands, hold) for slot in slots])
        return found

    def _meaning(self, step: Step, argument: int) -> Partial:
        of = step.function if step.operation is None else step.name
        return Partial(of, self._program.name(argument))

    def _kept(self, value: Term, until: int, meaning: Partial) -> Term:
        """The value itself where it is a number, or a name that keeps its value until then; else a temporary.

        What is kept may have a minus sign.
        """
        if isinstance(value, Number):
            return value
        if _is_signed_name(value):
            return negative(self._kept(negative(value), until, meaning))
        if isinstance(value, Name):
            held = self._held.get(value.text)
            if held is None or self._registers.overwritten[held] >= until:
                return value
        return self._temporary(value, meaning)

    # -- forward and reverse ----------------------------------------------------------------------------------------

    def forward(self) -> tuple[Term, ...]:
        """J v, beside the primal."""
        self._begin(sweep=True)
        for step in self._program.steps():
            self._head(step, 1)
            if self._live.active[step.index]:
                partials = self._partials(step, step.index)
                terms = [times(a, self.v(argument)) for argument, a in partials.items()]
                self._set(self.v(self._n + step.index), total(terms))
            self._step(step)
        return tuple(self.v(value) for value in self._program.outputs.tolist())

    def reverse(self) -> tuple[Term, ...]:
        """Jᵀ v, after the primal."""
        program, n = self._program, self._n
        self._add(Heading("the primal, which keeps the partials", 0))
        self._begin(sweep=False)
        kept = []
        for step in program.steps():
            self._head(step, 1)
            kept.append((step, self._partials(step, program.n_steps)))
            self._step(step)
        self._add(Heading("back from the outputs to the inputs", 0))
        self._load_outputs()
        for step, partials in reversed(kept):
            if partials:
                self._head(step, 1)
            own = self.v(n + step.index)
            # What dies here has no cotangent yet. The argument whose register z has taken comes last.
            for argument, a in sorted(partials.items(), key=lambda item: self.v(item[0]) == own):
                dies = self._live.last_use[argument] == step.index
                term = times(a, own)
                self._set(self.v(argument), term if dies else plus(self.v(argument), term))
        return tuple(self.v(k) if self._live.last_use[k] >= 0 else ZERO for k in range(n))

    def _load_outputs(self) -> None:
        """Take v into the registers of the outputs; an output that stands there twice gets the sum."""
        targets: list[str] = []
        again: list[tuple[Name, Name]] = []
        for value in self._program.outputs.tolist():
            name = self.v(value)
            if name.text in targets:
                self._temporaries += 1
                again.append((name, Name(f"%{self._temporaries}")))
                name = again[-1][1]
            targets.append(name.text)
        self._add(Load(tuple(targets), "v"))
        for name, other in again:
            self._set(name, plus(name, other))

    # -- inverse modes ----------------------------------------------------------------------------------------------

    def reverse_inverse(self) -> tuple[Term, ...]:
        """J⁻ᵀ v, beside the primal."""
        self._begin(sweep=True)
        for lump in lumps(self._program):
            self._linear_part(lump, lump.steps[-1] + 1, beside=True)
        return tuple(self.v(value) for value in self._program.outputs.tolist())

    def forward_inverse(self) -> tuple[Term, ...]:
        """J⁻¹ v, after the primal."""
        self._add(Heading("the primal, which keeps the partials", 0))
        self._begin(sweep=False)
        found = [self._linear_part(lump, self._program.n_steps, beside=False) for lump in lumps(self._program)]
        self._add(Heading("back from the outputs to the inputs", 0))
        self._load_outputs()
        for linear in reversed(found):
            if linear is None:
                continue
            if linear.step is None:
                self._add(Heading(linear.heading, 1))
            else:
                self._head(linear.step, 1)
            self._undo(linear)
        return tuple(self.v(k) for k in range(self._n))

    def _linear_part(self, lump: Lump, until: int, *, beside: bool) -> _Linear | None:
        """Write the steps of a lump, and find A and B.

        With ``beside`` the sweep is written as well, and None is returned: for a lump of one active step it comes
        between its partials and the step itself, else after the lump.
        """
        program, n = self._program, self._n
        steps = [program.step(k) for k in lump.steps]
        active = [step for step in steps if self._live.active[step.index]]
        ends = (lump.consumed, lump.produced, lump.read)
        if len(active) == 1:
            linear = None
            for step in steps:
                self._head(step, 1)
                if step is active[0]:
                    partials = self._partials(step, step.index if beside else until)
                    linear = _Linear(step, "", "", *ends, (partials,))
                    if beside:
                        self._undo_transposed(linear)
                self._step(step)
            return None if beside else linear
        heading = self._lump_text(lump)
        name = ("A" if beside else f"A{lump.index + 1}") if lump.size > 1 else ""
        self._add(Heading(heading, 1))
        rows: dict[int, dict[int, Term]] = {value: {value: ONE} for value in (*lump.consumed, *lump.read)}
        for step in steps:
            self._head(step, 2)
            if self._live.active[step.index]:
                rows[n + step.index] = self._row(step, rows, lump, until, name)
            self._step(step)
        linear = _Linear(None, heading, name, *ends, tuple(rows[value] for value in lump.produced))
        if beside:
            self._add(Heading(f"sweep over lump {lump.index + 1}", 2))
            self._undo_transposed(linear)
        return None if beside else linear

    def _row(self, step: Step, rows: dict[int, dict[int, Term]], lump: Lump, until: int, name: str) -> dict[int, Term]:
        """The partials of a result in a lump with respect to what the lump reads, by the chain rule."""
        value = self._n + step.index
        terms: dict[int, list[Term]] = {}
        for argument, a in self._raw_partials(step).items():
            if len(rows[argument]) > 1:
                # It is read more than once, all before the step overwrites a register.
                a = self._kept(a, step.index, self._meaning(step, argument))
            for source, b in rows[argument].items():
                terms.setdefault(source, []).append(times(a, b))
        row: dict[int, Term] = {}
        for source, found in terms.items():
            entry = self._entry(total(found), value, source, lump, until, name)
            if entry != ZERO:
                row[source] = entry
        return row

    def _entry(self, entry: Term, value: int, source: int, lump: Lump, until: int, name: str) -> Term:
        meaning = Partial(self._program.name(value), self._program.name(source))
        if is_atom(entry) or _is_signed_name(entry) or not name or value not in lump.produced:
            return self._kept(entry, until, meaning)
        columns, letter = (lump.consumed, name) if source in lump.consumed else (lump.read, "B" + name[1:])
        target = Name(f"{letter}_{lump.produced.index(value) + 1}_{columns.index(source) + 1}")
        self._add(Assign(target.text, entry, meaning))
        return target

    def _lump_text(self, lump: Lump) -> str:
        def listed(values: Sequence[int]) -> str:
            return ", ".join(self._program.name(value) for value in values)

        beside = f", {listed(lump.read)} beside" if lump.read else ""
        return f"lump {lump.index + 1}: {listed(lump.consumed)} -> {listed(lump.produced)}{beside}"

    def _matrix(self, linear: _Linear) -> tuple[tuple[Term, ...], ...]:
        return tuple(tuple(row.get(u, ZERO) for u in linear.consumed) for row in linear.rows)

    def _pivot(self, linear: _Linear) -> Term:
        ((pivot,),) = self._matrix(linear)
        if pivot == ZERO:
            step = linear.produced[0] - self._n
            died = self._program.name(linear.consumed[0])
            what = f"the partial with respect to {died}, which dies there, is zero"
            raise zero_pivot(self._program, NotApplicable(what, place=(0, step + 1)))
        return pivot

    def _undo(self, linear: _Linear) -> None:
        """u ← A⁻¹ (z − B w)."""
        right = []
        for value, row in zip(linear.produced, linear.rows, strict=True):
            term: Term = self.v(value)
            for w in linear.read:
                term = minus(term, times(row.get(w, ZERO), self.v(w)))
            right.append(term)
        if len(right) == 1:
            self._set(self.v(linear.consumed[0]), over(right[0], self._pivot(linear)))
            return
        targets = tuple(self.v(u).text for u in linear.consumed)
        self._add(Solve(targets, linear.name, self._matrix(linear), False, tuple(right)))

    def _undo_transposed(self, linear: _Linear) -> None:
        """z ← A⁻ᵀ u, w ← w − Bᵀ z."""
        given = tuple(self.v(u) for u in linear.consumed)
        if len(given) == 1:
            self._set(self.v(linear.produced[0]), over(given[0], self._pivot(linear)))
        else:
            targets = tuple(self.v(z).text for z in linear.produced)
            self._add(Solve(targets, linear.name, self._matrix(linear), True, given))
        for w in linear.read:
            term: Term = self.v(w)
            for value, row in zip(linear.produced, linear.rows, strict=True):
                term = minus(term, times(row.get(w, ZERO), self.v(value)))
            self._set(self.v(w), term)


def _is_signed_name(term: Term) -> bool:
    return isinstance(term, Apply) and term.operation == "neg" and isinstance(term.operands[0], Name)


def _evaluated(step: Step, operands: Sequence[Term]) -> float:
    """The value of a step of constants."""
    assert step.operation is not None
    with np.errstate(all="ignore"):
        value = float(step.operation.evaluate(*(o.value for o in operands if isinstance(o, Number))))
    if not np.isfinite(value):
        raise DomainError(
            "the value of a constant step is not finite",
            step=step.index + 1,
            where=f"step {step.index + 1}: {step}",
            got=repr(value),
            expected=step.operation.domain.text,
        )
    return value
