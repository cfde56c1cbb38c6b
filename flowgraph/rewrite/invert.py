"""Rule 2: replace one layer of a layered graph by its inverse transpose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from flowgraph.block_entries import matrix_latex
from flowgraph.errors import NotApplicable
from flowgraph.graph import Bundle, RowEntry, VertexId, Workspace
from flowgraph.labels import Label, Matrix
from flowgraph.rewrite.engine import Effect, Rule, Site


@final
class Invert(Rule):
    """Atomic inversion: the layer of z = f(u, w), in which u dies, becomes J_t⁻ᵀ on the same vertices.

    u→z : a, w→z : b, w→w : 1   becomes   u→z : 1/a, u→w : −b/a, w→w : 1.

    For a lump u and z are vectors, a is the matrix A and b the matrix B: u→z : A⁻¹, u→w : −A⁻¹B.

    Site: (z,), the vertex that the step computes; for a lump all vertices that it computes.
    """

    name = "invert"
    title = "Atomic inversion"
    tooltip = "Replace one step's local Jacobian by its inverse transpose; the pattern of the matrix stays the same."
    reference = "arXiv:2411.18786, Fig. 1 (e) and Fig. 3 (b) to (c)"
    effect = Effect.INVERTS

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        return tuple(Site(group) for group in _groups(work) if _applies(work, group))

    def run(self, work: Workspace) -> Iterator[Site]:
        # A step that cannot be inverted must stop the run: passing over it would leave a graph of no mode.
        for group in _groups(work):
            self.rewrite(work, Site(group))
            yield Site(group)

    def rewrite(self, work: Workspace, site: Site) -> None:
        layer = _layer(work, site.vertices)
        if len(layer.results) == 1:
            _invert_scalar(work, layer)
        else:
            _invert_lump(work, layer)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One step of a layered graph: z = A u + B w.

    Attributes:
        results: z.
        dying: u, as many.
        living: w, each with its copy after the step.
        a: A, one row per result.
        b: B.
    """

    results: tuple[VertexId, ...]
    dying: tuple[VertexId, ...]
    living: tuple[tuple[VertexId, VertexId], ...]
    a: Matrix
    b: Matrix


def _groups(work: Workspace) -> list[tuple[VertexId, ...]]:
    """The vertices that each step computes, in order of time: those that a bundle holds together, or one alone."""
    lumps = {place: bundle.targets for bundle in work.bundles for place in bundle.targets}
    computed = (place for place, row in work.rows.items() if any(not carry for _, _, carry in row))
    in_order = sorted(computed, key=lambda place: (place[1], place[0]))
    return list(dict.fromkeys(lumps.get(place, (place,)) for place in in_order))


def _applies(work: Workspace, group: Sequence[VertexId]) -> bool:
    try:
        layer = _layer(work, group)
        _pivot(work, layer)
    except NotApplicable:
        return False
    return True


def _name(work: Workspace, layer: _Layer) -> str:
    """What the matrix A of a layer is called."""
    ends = (layer.dying, layer.results)
    return next((bundle.text for bundle in work.bundles if (bundle.sources, bundle.targets) == ends), "A")


def _pivot(work: Workspace, layer: _Layer) -> Matrix:
    """A⁻¹.

    Raises:
        NotApplicable: A is singular.
    """
    algebra, z = work.algebra, layer.results[0]
    try:
        if len(layer.results) == 1:
            return ((algebra.reciprocal(layer.a[0][0]),),)
        return algebra.inverse(f"{_name(work, layer)}inv", layer.a)
    except ZeroDivisionError:
        names = ", ".join(work.vertices[u].value for u in layer.dying)
        if len(layer.results) == 1:
            what = f"the partial with respect to {names}, which dies there, is zero"
        else:
            what = f"the matrix of partials with respect to {names}, which die there, is singular"
        raise NotApplicable(what, place=z, where=", ".join(work.vertices[p].name for p in layer.results)) from None


def _invert_scalar(work: Workspace, layer: _Layer) -> None:
    algebra = work.algebra
    ((pivot,),) = _pivot(work, layer)
    (z,), (u,) = layer.results, layer.dying
    work.set_row(z, ((u, pivot, False),))
    for (source, copy), b in zip(layer.living, layer.b[0], strict=True):
        work.set_row(copy, ((source, algebra.one, True), (u, algebra.mul(algebra.neg(b), pivot), False)))


def _invert_lump(work: Workspace, layer: _Layer) -> None:
    algebra = work.algebra
    a = _name(work, layer)
    b = "B" + a[1:]
    inverse = _pivot(work, layer)
    # The graph is that of the transpose: the edge u_i → z_j has the entry (i, j) of A⁻¹.
    for j, z in enumerate(layer.results):
        work.set_row(z, _entries(work, ((u, inverse[i][j]) for i, u in enumerate(layer.dying))))
    added = [Bundle(layer.dying, layer.results, f"{a}inv", matrix_latex(f"{a}inv"))]
    if layer.living:
        solved = algebra.solve(f"{a}inv{b}", layer.a, layer.b, inverse)
        for j, (source, copy) in enumerate(layer.living):
            moved = _entries(work, ((u, algebra.neg(solved[i][j])) for i, u in enumerate(layer.dying)))
            work.set_row(copy, ((source, algebra.one, True), *moved))
        copies = tuple(copy for _, copy in layer.living)
        latex = "-" + matrix_latex(f"{a}inv{b}")
        added.append(Bundle(layer.dying, copies, f"-{a}inv*{b}", latex))
    for bundle in added:
        work.add_bundle(bundle)


def _entries(work: Workspace, found: Iterator[tuple[VertexId, Label]]) -> tuple[RowEntry, ...]:
    return tuple((source, label, False) for source, label in found if not work.algebra.is_zero(label))


def _layer(work: Workspace, results: Sequence[VertexId]) -> _Layer:
    """The layer of the step that computes some vertices.

    Raises:
        NotApplicable: they are not the results of one step of a layered graph that makes as many values as die in it.
    """
    if not results or len(set(results)) < len(results):
        raise NotApplicable("the site is none of this rule", got=f"{len(results)} vertices", expected="different ones")
    targets = set(results)
    labels: dict[tuple[VertexId, VertexId], Label] = {}
    for z in results:
        _check_result(work, z)
        labels |= {(z, source): label for source, label, _ in work.rows[z]}
    name = ", ".join(work.vertices[z].name for z in results)
    dying: list[VertexId] = []
    living: list[tuple[VertexId, VertexId]] = []
    earliest = min(time for _, time in results)
    for source in dict.fromkeys(source for _, source in labels):
        if source[1] >= earliest:
            raise NotApplicable("the results do not all lie below all that is read", where=name)
        copies = [t for t in work.readers[source] if t not in targets]
        if not copies and source not in work.output_places:
            dying.append(source)
            continue
        carried = len(copies) == 1 and copies[0][1] > source[1] and source not in work.output_places
        if not carried or copies[0] in work.input_places or work.rows[copies[0]] != ((source, work.algebra.one, True),):
            raise NotApplicable(
                "an argument that lives on is read by more than its own carry edge",
                where=f"{name}, argument {work.vertices[source].name}",
                remedy="carry live values first",
            )
        living.append((source, copies[0]))
    if len(dying) != len(results):
        raise NotApplicable(
            "the step is not equasive" if len(results) == 1 else "the step does not make as many values as die in it",
            where=name,
            got=f"{len(dying)} dying argument{'' if len(dying) == 1 else 's'}",
            expected="exactly one" if len(results) == 1 else str(len(results)),
        )
    dying.sort(key=lambda place: (place[1], place[0]))
    zero = work.algebra.zero
    return _Layer(
        results=tuple(results),
        dying=tuple(dying),
        living=tuple(living),
        a=tuple(tuple(labels.get((z, u), zero) for u in dying) for z in results),
        b=tuple(tuple(labels.get((z, w), zero) for w, _ in living) for z in results),
    )


def _check_result(work: Workspace, z: VertexId) -> None:
    """Raise ``NotApplicable`` unless a vertex is computed by a step from values of earlier rows."""
    if z not in work.vertices:
        raise NotApplicable("there is no vertex at the site", where=str(z))
    name = work.vertices[z].name
    row = work.rows[z]
    if not row or any(carry for _, _, carry in row) or z in work.input_places:
        raise NotApplicable("the vertex is not computed by a step", where=name)
    if any(source[1] >= z[1] for source, _, _ in row) or len({source for source, _, _ in row}) < len(row):
        raise NotApplicable("the edges into the vertex are not one from each argument, from earlier rows", where=name)
