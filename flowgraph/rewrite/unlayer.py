"""Rule 4: contract a carry edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import VertexId, Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site, name_list


@final
class Unlayer(Rule):
    """Contract the carry edge p→q when q only copies p, or when only q reads p. The merged vertex keeps p's place.

    q copies p: the carry is the only edge into q, and q is no input. Only q reads p: the carry is the only edge out of
    p, and p is no output.

    Site: (p, q).
    """

    name = "unlayer"
    title = "Contract a carry edge"
    tooltip = "Merge a carried copy with its original."
    reference = "arXiv:2411.18786, Fig. 3 (d) to (f)"
    effect = Effect.KEEPS

    def site_text(self, work: Workspace, site: Site) -> str:
        return " → ".join(name_list(work, (place,)) for place in site.vertices)

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        return tuple(
            Site((source, target))
            for target in sorted(work.rows, key=lambda place: (place[1], place[0]))
            for source, _, carry in work.rows[target]
            if carry and _contractible(work, source, target)
        )

    def run(self, work: Workspace) -> Iterator[Site]:
        # Copies of a value that each add something are merged in pairs, and those in pairs again: merged one after the
        # other into the first, every merge would copy all edges that came before.
        changed = True
        while changed:
            changed = False
            grown: set[VertexId] = set()
            for target in sorted(work.rows, key=lambda place: (place[1], place[0])):
                if target in grown:
                    continue
                for source, _, carry in work.rows[target]:
                    if carry and source not in grown and _contractible(work, source, target):
                        adds = len(work.rows[target]) > 1
                        site = Site((source, target))
                        self.rewrite(work, site)
                        yield site
                        changed = True
                        if adds:
                            grown.add(source)
                        break

    def rewrite(self, work: Workspace, site: Site) -> None:
        p, q = site.places(2)
        if p not in work.vertices or q not in work.vertices:
            raise NotApplicable("there is no vertex at the site", where=f"{p} -> {q}")
        where = f"{work.vertices[p].name} -> {work.vertices[q].name}"
        if not any(source == p and carry for source, _, carry in work.rows[q]):
            raise NotApplicable("no carry edge leads there", where=where)
        if not _contractible(work, p, q):
            raise NotApplicable("the copy adds something, and the original is read elsewhere", where=where)
        others = tuple(entry for entry in work.rows[q] if entry[0] != p)
        work.set_row(q, ())
        if others:
            work.set_row(p, (*work.rows[p], *others))
        work.replace_source(q, p)
        work.remove_vertex(q)


def _contractible(work: Workspace, p: VertexId, q: VertexId) -> bool:
    if q in work.input_places:
        return False
    copies = len(work.rows[q]) == 1
    alone = work.readers[p] == {q: 1} and p not in work.output_places
    return copies or alone
