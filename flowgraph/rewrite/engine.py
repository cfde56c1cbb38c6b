"""The rewrite engine: rules, sites, steps and derivations.

A rule acts on a ``Workspace``; ``find`` and ``apply`` give the pure view on frozen graphs. A derivation records which
rule acted where. It keeps the graphs at the ends of its stages and replays the ones between, so it is small, and
reading one back from JSON repeats it.

Reference: arXiv:2411.18786, Fig. 3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowgraph.errors import NotApplicable
from flowgraph.graph import FlowGraph, VertexId, Workspace


class Effect(StrEnum):
    """What one application of a rule does to the linear map of the graph."""

    KEEPS = "keeps the map"
    INVERTS = "replaces one layer by its inverse transpose"
    TRANSPOSES = "transposes the map"


_MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Site:
    """Where a rule applies: the places of the vertices it needs, in an order each rule documents."""

    vertices: tuple[VertexId, ...] = ()

    def places(self, count: int) -> tuple[VertexId, ...]:
        """The places, as many as the rule at hand documents.

        Raises:
            NotApplicable: the site has more or fewer.
        """
        if len(self.vertices) != count:
            raise NotApplicable(
                "the site is none of this rule", got=f"{len(self.vertices)} vertices", expected=f"{count} of them"
            )
        return self.vertices


class Rule(ABC):
    """A rewrite rule.

    Class attributes:
        name: one word, as in JSON.
        title: what people read.
        tooltip: one line.
        reference: where it comes from.
        effect: what one application does to the map.
    """

    name: str
    title: str
    tooltip: str
    reference: str
    effect: Effect

    @abstractmethod
    def sites(self, work: Workspace) -> tuple[Site, ...]:
        """All places where the rule applies now, in deterministic order."""

    @abstractmethod
    def rewrite(self, work: Workspace, site: Site) -> None:
        """Apply the rule at a site, in place.

        Raises:
            NotApplicable: the conditions do not hold there; the workspace is unchanged.
        """

    def site_text(self, work: Workspace, site: Site) -> str:
        """A site as people read it, such as ``"x1@1 → z1"``, in the graph before the application.

        By default the names of the vertices, the first few of many.
        """
        return name_list(work, site.vertices) or "the whole graph"

    def run(self, work: Workspace) -> Iterator[Site]:
        """Apply the rule throughout, yielding each site just after its application.

        By default at every site that ``sites`` names, once. A rule whose applications make new sites overrides this.
        """
        for site in self.sites(work):
            self.rewrite(work, site)
            yield site

    def find(self, graph: FlowGraph) -> tuple[Site, ...]:
        """All places where the rule applies to a graph, in deterministic order."""
        return self.sites(Workspace.of(graph))

    def apply(self, graph: FlowGraph, site: Site) -> FlowGraph:
        """The graph after one application.

        Raises:
            NotApplicable: the conditions do not hold there.
        """
        work = Workspace.of(graph)
        self.rewrite(work, site)
        return work.freeze()


def name_list(work: Workspace, places: Sequence[VertexId]) -> str:
    """Names of vertices with commas between them, the first few of many."""
    names = [work.vertices[place].name if place in work.vertices else str(place) for place in places[:_MOST_NAMES]]
    return ", ".join(names) + (f", … ({len(places)})" if len(places) > _MOST_NAMES else "")


@dataclass(frozen=True, slots=True)
class Step:
    """One application of a rule.

    Attributes:
        stage: name of the stage that it leads to.
        rule: the rule's name.
        site: where.
    """

    stage: str
    rule: str
    site: Site
