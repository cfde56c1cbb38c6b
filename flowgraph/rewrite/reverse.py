"""Rule 5: turn every edge round."""

from __future__ import annotations

from typing import final

from flowgraph.graph import Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site


@final
class Reverse(Rule):
    """Edge reversal: every edge is turned round, and inputs and outputs change places.

    Site: (), the whole graph.
    """

    name = "reverse"
    title = "Reverse all edges"
    tooltip = "Turn every edge round and swap inputs and outputs, which transposes the map."
    reference = "arXiv:2411.18786, Fig. 2 (b) to (c) and (f) to (e)"
    effect = Effect.TRANSPOSES

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        return (Site(),)

    def rewrite(self, work: Workspace, site: Site) -> None:
        site.places(0)
        work.turn_round()
