"""Rule 2: replace one layer of a layered graph by its inverse transpose."""

from __future__ import annotations

from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import RowEntry, VertexId, Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site


@final
class Invert(Rule):
    """Atomic inversion: the layer of step z = f(u, w), in which u dies, becomes J_t⁻ᵀ on the same vertices.

    u→z : a, w→z : b, w→w : 1   becomes   u→z : 1/a, u→w : −b/a, w→w : 1.

    Site: (z,), the vertex that the step computes.
    """

    name = "invert"
    title = "Atomic inversion"
    tooltip = "Replace one step's local Jacobian by its inverse transpose; the pattern of the matrix stays the same."
    reference = "arXiv:2411.18786, Fig. 1 (e) and Fig. 3 (b) to (c)"
    effect = Effect.INVERTS

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        computed: dict[int, list[VertexId]] = {}
        for place, row in work.rows.items():
            if any(not carry for _, _, carry in row):
                computed.setdefault(place[1], []).append(place)
        return tuple(Site(tuple(computed[time])) for time in sorted(computed) if len(computed[time]) == 1)

    def rewrite(self, work: Workspace, site: Site) -> None:
        (z,) = site.vertices
        if z not in work.vertices:
            raise NotApplicable("there is no vertex at the site", where=str(z))
        name = work.vertices[z].name
        row = work.rows[z]
        if not row or any(carry for _, _, carry in row):
            raise NotApplicable("the vertex is not computed by a step", where=name)
        passive: list[tuple[VertexId, VertexId, RowEntry]] = []
        dying: list[RowEntry] = []
        for entry in row:
            source = entry[0]
            copies = [t for t in work.readers[source] if t != z]
            if not copies and source not in work.output_places:
                dying.append(entry)
                continue
            carried = len(copies) == 1 and copies[0][1] == z[1]
            if not carried or work.rows[copies[0]] != ((source, work.algebra.one, True),):
                raise NotApplicable(
                    "an argument that lives on is read by more than its own carry edge",
                    where=f"{name}, argument {work.vertices[source].name}",
                    remedy="carry live values first",
                )
            passive.append((source, copies[0], entry))
        if len(dying) != 1:
            raise NotApplicable(
                "the step is not equasive",
                where=name,
                got=f"{len(dying)} dying arguments",
                expected="exactly one",
            )
        ((u, a, _),) = dying
        algebra = work.algebra
        try:
            pivot = algebra.reciprocal(a)
        except ZeroDivisionError:
            raise NotApplicable(
                f"the partial with respect to {work.vertices[u].value}, which dies there, is zero", place=z, where=name
            ) from None
        work.set_row(z, ((u, pivot, False),))
        for source, copy, (_, b, _) in passive:
            work.set_row(copy, ((source, algebra.one, True), (u, algebra.mul(algebra.neg(b), pivot), False)))
