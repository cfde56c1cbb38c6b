"""Rule 3: let an addition happen one time step earlier."""

from __future__ import annotations

from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import VertexId, Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site, name_list


@final
class Shift(Rule):
    """Time shift: an edge s→q into the copy q of p goes to p instead, when the carry p→q is all that reads p.

    Site: (s, q).
    """

    name = "shift"
    title = "Shift one step earlier"
    tooltip = "Add into a value before it is carried rather than after, where only the carry edge reads it."
    reference = "arXiv:2411.18786, Fig. 3 (c) to (d)"
    effect = Effect.KEEPS

    def site_text(self, work: Workspace, site: Site) -> str:
        return " → ".join(name_list(work, (place,)) for place in site.vertices)

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        found = (
            Site((source, target))
            for target in sorted(work.rows, key=lambda place: (place[1], place[0]))
            if len(work.rows[target]) > 1
            for source, _, carry in work.rows[target]
            if not carry and source[1] < target[1] and _carrier(work, target) is not None
        )
        return tuple(dict.fromkeys(found))  # parallel edges move together

    def rewrite(self, work: Workspace, site: Site) -> None:
        source, target = site.places(2)
        if target not in work.vertices or source not in work.vertices:
            raise NotApplicable("there is no vertex at the site", where=f"{source} -> {target}")
        where = f"{work.vertices[source].name} -> {work.vertices[target].name}"
        moved = tuple(entry for entry in work.rows[target] if entry[0] == source and not entry[2])
        if not moved or source[1] >= target[1]:
            raise NotApplicable("no edge leads there from an earlier row", where=where)
        before = _carrier(work, target)
        if before is None:
            raise NotApplicable("the target is not a copy that alone reads its original", where=where)
        kept = tuple(entry for entry in work.rows[target] if entry[0] != source or entry[2])
        work.set_row(target, kept)
        work.set_row(before, (*work.rows[before], *moved))


def _carrier(work: Workspace, target: VertexId) -> VertexId | None:
    """The vertex that is carried to ``target`` and read by nothing else."""
    for source, _, carry in work.rows[target]:
        if carry and work.readers[source] == {target: 1} and source not in work.output_places:
            return source
    return None
