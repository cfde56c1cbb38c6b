"""flowgraph: graph rewriting for automatic differentiation, inverse accumulation included.

>>> import flowgraph as fg
>>> program = fg.parse("inputs x1, x2\\nz1 = f(x1, x2)\\noutputs z1, x2")
>>> print(fg.derive(program, "forward-inverse").graph)
inputs z1 x2, outputs x1 x2
x2 -> x1 : -b/a
z1 -> x1 : 1/a
>>> fg.verify(program).ok
True
"""

from flowgraph.errors import (
    DomainError,
    FlowgraphError,
    GraphError,
    InputError,
    NotApplicable,
    NotInvertible,
    ParseError,
    ProgramError,
    TraceError,
)
from flowgraph.graph import Edge, FlowGraph, Vertex
from flowgraph.language import format_program as format
from flowgraph.language import load, parse
from flowgraph.liveness import Kind, Liveness
from flowgraph.modes import Mode, OperationCount, count_operations, derive
from flowgraph.operations import OPERATIONS, Operation
from flowgraph.program import Program
from flowgraph.rewrite import RULES, Rule, Site
from flowgraph.rewrite.derivation import Derivation
from flowgraph.symbolic import jacobian, linear_map
from flowgraph.sympy_import import from_sympy
from flowgraph.trace import trace
from flowgraph.verify import Verification, verify
from flowgraph.version import __version__

__all__ = [
    "OPERATIONS",
    "RULES",
    "Derivation",
    "DomainError",
    "Edge",
    "FlowGraph",
    "FlowgraphError",
    "GraphError",
    "InputError",
    "Kind",
    "Liveness",
    "Mode",
    "NotApplicable",
    "NotInvertible",
    "Operation",
    "OperationCount",
    "ParseError",
    "Program",
    "ProgramError",
    "Rule",
    "Site",
    "TraceError",
    "Verification",
    "Vertex",
    "__version__",
    "count_operations",
    "derive",
    "format",
    "from_sympy",
    "jacobian",
    "linear_map",
    "load",
    "parse",
    "trace",
    "verify",
]
