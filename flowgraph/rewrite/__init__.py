"""The rewrite rules, by name."""

from types import MappingProxyType

from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.engine import Effect, Rule, Site, Step
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.reverse import Reverse
from flowgraph.rewrite.shift import Shift
from flowgraph.rewrite.unlayer import Unlayer

RULES = MappingProxyType({rule.name: rule for rule in (Carry(), Invert(), Shift(), Unlayer(), Reverse())})
"""Every rule, in the order in which a derivation uses them."""

__all__ = ["RULES", "Carry", "Effect", "Invert", "Reverse", "Rule", "Shift", "Site", "Step", "Unlayer"]
