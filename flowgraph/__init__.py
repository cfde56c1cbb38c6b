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
    from flowgraph import ode
    from flowgraph.analysis import Analysis, analyze
    from flowgraph.certificate import Certificate
    from flowgraph.codegen.generate import generate_code
    from flowgraph.errors import (
        AccuracyWarning,
        BranchError,
        DomainError,
        FlowgraphError,
        GraphError,
        InputError,
        NonFiniteTrajectory,
        NotApplicable,
        NotInvertible,
        ParseError,
        ProgramError,
        SingularJacobian,
        TraceError,
    )
    from flowgraph.example_programs import example
    from flowgraph.explorer.widget import explore
    from flowgraph.graph import Bundle, Edge, FlowGraph, Vertex
    from flowgraph.language import format_program as format
    from flowgraph.language import load, parse
    from flowgraph.liveness import Kind, Liveness
    from flowgraph.lumping import Lump, Lumping, best_order, lumps
    from flowgraph.modes import OperationCount, count_operations, derive
    from flowgraph.numeric.functions import ijvp, ivjp, jvp, linearize, vjp
    from flowgraph.numeric.linearization import Linearization
    from flowgraph.numeric.newton import newton, solve
    from flowgraph.numeric.plan import Plan, plan
    from flowgraph.numeric.tape_free import TapeFree, tape_free
    from flowgraph.operations import OPERATIONS, Operation
    from flowgraph.orders import count_orders, enumerate_orders, sample_orders
    from flowgraph.program import Program
    from flowgraph.rewrite import RULES, Rule, Site
    from flowgraph.rewrite.derivation import Derivation, Mode
    from flowgraph.structure import Block, Structure, decompose
    from flowgraph.symbolic import jacobian, linear_map
    from flowgraph.sympy_import import from_sympy
    from flowgraph.tracing import trace
    from flowgraph.verification import Verification, verify

_HOMES = MappingProxyType(
    {
        "flowgraph": ("ode",),
        "flowgraph.analysis": ("Analysis", "analyze"),
        "flowgraph.certificate": ("Certificate",),
        "flowgraph.codegen.generate": ("generate_code",),
        "flowgraph.errors": (
            "AccuracyWarning",
            "BranchError",
            "DomainError",
            "FlowgraphError",
            "GraphError",
            "InputError",
            "NonFiniteTrajectory",
            "NotApplicable",
            "NotInvertible",
            "ParseError",
            "ProgramError",
            "SingularJacobian",
            "TraceError",
        ),
        "flowgraph.example_programs": ("example",),
        "flowgraph.explorer.widget": ("explore",),
        "flowgraph.graph": ("Bundle", "Edge", "FlowGraph", "Vertex"),
        "flowgraph.language": ("load", "parse"),
        "flowgraph.liveness": ("Kind", "Liveness"),
        "flowgraph.lumping": ("Lump", "Lumping", "best_order", "lumps"),
        "flowgraph.modes": ("OperationCount", "count_operations", "derive"),
        "flowgraph.numeric.functions": ("ijvp", "ivjp", "jvp", "linearize", "vjp"),
        "flowgraph.numeric.linearization": ("Linearization",),
        "flowgraph.numeric.newton": ("newton", "solve"),
        "flowgraph.numeric.plan": ("Plan", "plan"),
        "flowgraph.numeric.tape_free": ("TapeFree", "tape_free"),
        "flowgraph.operations": ("OPERATIONS", "Operation"),
        "flowgraph.orders": ("count_orders", "enumerate_orders", "sample_orders"),
        "flowgraph.program": ("Program",),
        "flowgraph.rewrite": ("RULES", "Rule", "Site"),
        "flowgraph.rewrite.derivation": ("Derivation", "Mode"),
        "flowgraph.structure": ("Block", "Structure", "decompose"),
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
    "AccuracyWarning",
    "Analysis",
    "Block",
    "BranchError",
    "Bundle",
    "Certificate",
    "Derivation",
    "DomainError",
    "Edge",
    "FlowGraph",
    "FlowgraphError",
    "GraphError",
    "InputError",
    "Kind",
    "Linearization",
    "Liveness",
    "Lump",
    "Lumping",
    "Mode",
    "NonFiniteTrajectory",
    "NotApplicable",
    "NotInvertible",
    "Operation",
    "OperationCount",
    "ParseError",
    "Plan",
    "Program",
    "ProgramError",
    "Rule",
    "SingularJacobian",
    "Site",
    "Structure",
    "TapeFree",
    "TraceError",
    "Verification",
    "Vertex",
    "__version__",
    "analyze",
    "best_order",
    "count_operations",
    "count_orders",
    "decompose",
    "derive",
    "enumerate_orders",
    "example",
    "explore",
    "format",
    "from_sympy",
    "generate_code",
    "ijvp",
    "ivjp",
    "jacobian",
    "jvp",
    "linear_map",
    "linearize",
    "load",
    "lumps",
    "newton",
    "ode",
    "parse",
    "plan",
    "sample_orders",
    "solve",
    "tape_free",
    "trace",
    "verify",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home at first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'flowgraph' has no attribute {name!r}")
    home, original = _HOME[name]
    # A package is a public name of its own; asking this module for it would come back here.
    value = import_module(f"{home}.{original}") if home == __name__ else getattr(import_module(home), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
