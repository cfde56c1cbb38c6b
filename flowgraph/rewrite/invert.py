"""Rule 2: replace one layer of a layered graph by its inverse transpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import VertexId, Workspace
from flowgraph.labels import Label
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
        return tuple(Site((z,)) for z in _computed(work) if _applies(work, z))

    def run(self, work: Workspace) -> Iterator[Site]:
        # A step that cannot be inverted must stop the run: passing over it would leave a graph of no mode.
        for z in _computed(work):
            self.rewrite(work, Site((z,)))
            yield Site((z,))

    def rewrite(self, work: Workspace, site: Site) -> None:
        (z,) = site.places(1)
        u, pivot, passive = _layer(work, z)
        algebra = work.algebra
        work.set_row(z, ((u, pivot, False),))
        for source, copy, b in passive:
            work.set_row(copy, ((source, algebra.one, True), (u, algebra.mul(algebra.neg(b), pivot), False)))


def _computed(work: Workspace) -> list[VertexId]:
    """The vertices that steps compute, in order of time."""
    computed = (place for place, row in work.rows.items() if any(not carry for _, _, carry in row))
    return sorted(computed, key=lambda place: (place[1], place[0]))


def _applies(work: Workspace, z: VertexId) -> bool:
    try:
        _layer(work, z)
    except NotApplicable:
        return False
    return True


def _layer(work: Workspace, z: VertexId) -> tuple[VertexId, Label, list[tuple[VertexId, VertexId, Label]]]:
    """The layer of the step that computes z: the argument that dies, 1/a, and (w, its copy, b) for every other one.

    Raises:
        NotApplicable: z is not the result of an equasive step in a layered graph, or a is zero.
    """
    if z not in work.vertices:
        raise NotApplicable("there is no vertex at the site", where=str(z))
    name = work.vertices[z].name
    row = work.rows[z]
    if not row or any(carry for _, _, carry in row) or z in work.input_places:
        raise NotApplicable("the vertex is not computed by a step", where=name)
    if any(source[1] >= z[1] for source, _, _ in row) or len({source for source, _, _ in row}) < len(row):
        raise NotApplicable("the edges into the vertex are not one from each argument, from earlier rows", where=name)
    dying: list[tuple[VertexId, Label]] = []
    passive: list[tuple[VertexId, VertexId, Label]] = []
    for source, label, _ in row:
        copies = [t for t in work.readers[source] if t != z]
        if not copies and source not in work.output_places:
            dying.append((source, label))
            continue
        carried = len(copies) == 1 and copies[0][1] == z[1] and source not in work.output_places
        if not carried or copies[0] in work.input_places or work.rows[copies[0]] != ((source, work.algebra.one, True),):
            raise NotApplicable(
                "an argument that lives on is read by more than its own carry edge",
                where=f"{name}, argument {work.vertices[source].name}",
                remedy="carry live values first",
            )
        passive.append((source, copies[0], label))
    if len(dying) != 1:
        raise NotApplicable(
            "the step is not equasive",
            where=name,
            got=f"{len(dying)} dying argument{'' if len(dying) == 1 else 's'}",
            expected="exactly one",
        )
    ((u, a),) = dying
    try:
        return u, work.algebra.reciprocal(a), passive
    except ZeroDivisionError:
        raise NotApplicable(
            f"the partial with respect to {work.vertices[u].value}, which dies there, is zero", place=z, where=name
        ) from None
