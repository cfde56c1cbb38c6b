"""Rule 7: write a block label as scalar edges."""

from __future__ import annotations

from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site, name_list


@final
class Expand(Rule):
    """Scalar expansion: the edges of a bundle with matrix label M become edges of their own, labelled by M's entries.

    Site: the sources, then the targets of the bundle.
    """

    name = "expand"
    title = "Write a block label as scalar edges"
    tooltip = "Replace a matrix label by its entries, one edge for each that is not zero."
    reference = "arXiv:2411.18786, Fig. 1 (scalar and vector versions)"
    effect = Effect.KEEPS

    def site_text(self, work: Workspace, site: Site) -> str:
        for bundle in work.bundles:
            if site.vertices == (*bundle.sources, *bundle.targets):
                return f"{name_list(work, bundle.sources)} → {name_list(work, bundle.targets)}"
        return super().site_text(work, site)

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        return tuple(Site((*bundle.sources, *bundle.targets)) for bundle in work.bundles)

    def rewrite(self, work: Workspace, site: Site) -> None:
        for bundle in work.bundles:
            if site.vertices == (*bundle.sources, *bundle.targets):
                work.remove_bundle(bundle)
                return
        raise NotApplicable("no bundle of edges leads from and to these vertices", where=str(site.vertices))
