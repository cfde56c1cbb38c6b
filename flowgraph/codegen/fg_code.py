"""The paper's notation. The inputs are those of the program and then v; the outputs are what the mode finds.

The notation has no vectors and no linear solve: register names stand on the ``inputs`` line, and systems are written
out as elimination.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from flowgraph.codegen.language import Language, function_names, one_line
from flowgraph.codegen.notation import ARITHMETIC, ATOM, POWER, SIGN, Notation, Spelling, call
from flowgraph.codegen.statements import Assign, Heading, Load, Routine, Statement
from flowgraph.codegen.terms import Apply, Call, Number, Term, names, parts
from flowgraph.errors import InputError
from flowgraph.expressions import KEYWORDS
from flowgraph.operations import NAMES, OPERATIONS, operation
from flowgraph.program import number_text

_SPELLINGS = MappingProxyType(
    {
        **{op.name: call(op.name, op.arity) for op in OPERATIONS},
        **ARITHMETIC,
        "power": Spelling("{0} ** {1}", POWER, (ATOM, SIGN)),
    }
)


def write(routine: Routine) -> str:
    """A program in the paper's notation."""
    return _Writer(routine).text()


class _Writer:
    def __init__(self, routine: Routine) -> None:
        self._routine = routine
        self._notation = Notation(
            spellings=_SPELLINGS,
            number=number_text,
            name=lambda name: name,
            function=function_names(routine),
        )

    def text(self) -> str:
        routine = self._routine
        loads = [statement for statement in routine.body if isinstance(statement, Load)]
        inputs, spare = [], 0
        for load in sorted(loads, key=lambda load: load.source == "v"):
            for target in load.targets:
                spare += target is None
                inputs.append(target or f"unused_{spare}")
        lines = [f"# {routine.mode.replace('-', ' ')} mode" if routine.mode != "primal" else "# primal"]
        lines.append(f"inputs {', '.join(inputs)}".rstrip())
        for statement in routine.body:
            lines += self._statement(statement)
        results = routine.values if routine.mode == "primal" else routine.result
        if not inputs or not results:
            raise InputError(
                "the notation has no programs without inputs or outputs",
                got=f"{len(inputs)} inputs and {len(results)} outputs",
                remedy="take another language",
            )
        outputs = []
        for k, term in enumerate(results):
            if isinstance(term, Number):
                lines.append(f"number_{k + 1} = {self._notation.text(term)}")
                outputs.append(f"number_{k + 1}")
            else:
                outputs.append(self._notation.text(term))
        return "\n".join([*lines, f"outputs {', '.join(outputs)}".rstrip()]) + "\n"

    def _statement(self, statement: Statement) -> list[str]:
        match statement:
            case Heading(words, _, _):
                return [f"# {one_line(words)}"]
            case Assign(target, value, meaning):
                _check_calls(value)
                _check_numbers(value)
                note = f"  # {one_line(f'∂{meaning.of}/∂{meaning.by}')}" if meaning else ""
                return [f"{target} = {self._notation.text(value)}{note}"]
            case _:
                return []


def _check_calls(value: Term) -> None:
    for part in parts(value):
        if isinstance(part, Call) and not names(part):
            raise InputError(
                f"the notation cannot call {part.function} with constants only",
                remedy="write the code in another language: --language numpy or c",
            )


def _check_numbers(value: Term) -> None:
    for part in parts(value):
        if not isinstance(part, Apply):
            continue
        numbers = [operand.value for operand in part.operands if isinstance(operand, Number)]
        if len(numbers) < len(part.operands):
            continue
        with np.errstate(all="ignore"):
            found = float(operation(part.operation).evaluate(*numbers))
        if not np.isfinite(found):
            raise InputError(
                "a partial is no finite number, whatever x",
                got=f"{part.operation}({', '.join(map(number_text, numbers))}) = {found}",
                remedy="write the code in another language: --language numpy or c",
            )


FG = Language(
    name="fg",
    title="the paper's notation",
    suffix=".fg",
    write=write,
    operations=frozenset(_SPELLINGS),
    reserved=frozenset({*KEYWORDS, *NAMES}),
    returns_values=False,
    checks_branches=False,
    solves=False,
)
"""The paper's notation."""
