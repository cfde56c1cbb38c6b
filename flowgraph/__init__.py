"""flowgraph: graph rewriting for automatic differentiation, inverse accumulation included.

Names are imported from their modules when they are first used, so that the command line starts at once.

>>> import flowgraph as fg
>>> program = fg.parse("inputs x1, x2\\nz1 = f(x1, x2)\\noutputs z1, x2")
>>> print(fg.derive(program, "forward-inverse").graph)
inputs z1 x2, outputs x1 x2
x2 -> x1 : -b/a
z1 -> x1 : 1/a
>>> fg.verify(program).ok
True
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flowgraph.version import __version__

if TYPE_CHECKING:
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
    from flowgraph.modes import OperationCount, count_operations, derive
    from flowgraph.operations import OPERATIONS, Operation
    from flowgraph.program import Program
    from flowgraph.rewrite import RULES, Rule, Site
    from flowgraph.rewrite.derivation import Derivation, Mode
    from flowgraph.symbolic import jacobian, linear_map
    from flowgraph.sympy_import import from_sympy
    from flowgraph.tracing import trace
    from flowgraph.verification import Verification, verify

_HOMES = MappingProxyType(
    {
        "flowgraph.errors": (
            "DomainError",
            "FlowgraphError",
            "GraphError",
            "InputError",
            "NotApplicable",
            "NotInvertible",
            "ParseError",
            "ProgramError",
            "TraceError",
        ),
        "flowgraph.graph": ("Edge", "FlowGraph", "Vertex"),
        "flowgraph.language": ("load", "parse"),
        "flowgraph.liveness": ("Kind", "Liveness"),
        "flowgraph.modes": ("OperationCount", "count_operations", "derive"),
        "flowgraph.operations": ("OPERATIONS", "Operation"),
        "flowgraph.program": ("Program",),
        "flowgraph.rewrite": ("RULES", "Rule", "Site"),
        "flowgraph.rewrite.derivation": ("Derivation", "Mode"),
        "flowgraph.symbolic": ("jacobian", "linear_map"),
        "flowgraph.sympy_import": ("from_sympy",),
        "flowgraph.tracing": ("trace",),
        "flowgraph.verification": ("Verification", "verify"),
    }
)
_HOME = MappingProxyType(
    {name: (home, name) for home, names in _HOMES.items() for name in names}
    | {"format": ("flowgraph.language", "format_program")}
)

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


def __getattr__(name: str) -> Any:
    """Import a public name from its home at first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'flowgraph' has no attribute {name!r}")
    home, original = _HOME[name]
    value = getattr(import_module(home), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
