"""The rewrite rules, the engine that runs them, and the record of what they did."""

from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.derivation import Application, Derivation
from flowgraph.rewrite.engine import Effect, Rule, Site, Step
from flowgraph.rewrite.expand import Expand
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.lump import Lump
from flowgraph.rewrite.reverse import Reverse
from flowgraph.rewrite.rules import RULES
from flowgraph.rewrite.shift import Shift
from flowgraph.rewrite.unlayer import Unlayer

__all__ = [
    "RULES",
    "Application",
    "Carry",
    "Derivation",
    "Effect",
    "Expand",
    "Invert",
    "Lump",
    "Reverse",
    "Rule",
    "Shift",
    "Site",
    "Step",
    "Unlayer",
]
