"""The table of rewrite rules. Adding a rule is one file and one entry here."""

from collections.abc import Mapping
from types import MappingProxyType

from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.engine import Rule
from flowgraph.rewrite.expand import Expand
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.lump import Lump
from flowgraph.rewrite.reverse import Reverse
from flowgraph.rewrite.shift import Shift
from flowgraph.rewrite.unlayer import Unlayer

RULES = MappingProxyType(
    {rule.name: rule for rule in (Carry(), Lump(), Invert(), Expand(), Shift(), Unlayer(), Reverse())}
)
"""Every rule by name, in the order in which a derivation uses them."""


def with_carry(*, sparse: bool) -> Mapping[str, Rule]:
    """The table with live values carried into every row, or only where they are read (see ``Carry``)."""
    return MappingProxyType({**RULES, "carry": Carry(sparse)})
