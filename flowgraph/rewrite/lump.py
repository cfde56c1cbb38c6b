"""Rule 6: make the steps of a lump one vector step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

from flowgraph.block_entries import matrix_latex
from flowgraph.errors import NotApplicable
from flowgraph.graph import Bundle, RowEntry, VertexId, Workspace
from flowgraph.labels import Label
from flowgraph.rewrite.engine import Effect, Rule, Site

Rows = Mapping[int, Sequence[VertexId]]
"""The vertices of a layered graph by time."""


@final
class Lump(Rule):
    """Lump: consecutive steps of a layered graph become one step z = f(u, w) with block labels A = ∂z/∂u and B = ∂z/∂w.

    All that lies between the row before the steps and the values that outlive them is eliminated: every value that
    outlives the steps is read off the row before them, a result with the sum of the products of the labels along all
    paths, and a value that lives on with its carry edge. Where as many values die as are made, l ≥ 2, the edges u→z are
    bundled as A and the edges w→z as B.

    Site: the vertices that the steps compute, in order of time. ``sites`` and ``run`` take the runs between consecutive
    rows in which as many values live as the graph has inputs.
    """

    name = "lump"
    title = "Make a lump one vector step"
    tooltip = "Group the steps between two rows of n live values into one step with matrix labels A and B."
    reference = "arXiv:2411.18786, section on lumps, Fig. 1 (vector version) and Fig. 4"
    effect = Effect.KEEPS

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        rows = _by_time(work)
        return tuple(site for site in _runs(work, rows) if _applies(work, site.vertices, rows))

    def run(self, work: Workspace) -> Iterator[Site]:
        rows = _by_time(work)
        for site in _runs(work, rows):
            if _applies(work, site.vertices, rows):
                _group(work, site.vertices, rows)
                yield site

    def rewrite(self, work: Workspace, site: Site) -> None:
        rows = _by_time(work)
        trouble = _trouble(work, site.vertices, rows)
        if trouble:
            raise trouble
        _group(work, site.vertices, rows)


def _by_time(work: Workspace) -> Rows:
    rows: dict[int, list[VertexId]] = {}
    for place in sorted(work.vertices, key=lambda place: (place[1], place[0])):
        rows.setdefault(place[1], []).append(place)
    return rows


def _is_computed(work: Workspace, place: VertexId) -> bool:
    """Whether a step computes the vertex: it is no input and no copy."""
    row = work.rows[place]
    return place not in work.input_places and not (len(row) == 1 and row[0][2])


def _runs(work: Workspace, rows: Rows) -> Iterator[Site]:
    """The computed vertices between consecutive rows of full width, where there are two or more of them."""
    last = max(rows, default=0)
    born: dict[str, int] = {}
    gone: dict[str, int] = {}
    for time, places in rows.items():
        for place in places:
            value = work.vertices[place].value
            born.setdefault(value, time)
            readers = [reader[1] for reader in work.readers[place]]
            end = last + 1 if place in work.output_places else max(readers, default=-1)
            gone[value] = max(gone.get(value, -1), end)
    change = [0] * (last + 2)
    for value, time in born.items():
        if gone[value] >= 0:
            change[time] += 1
            change[gone[value]] -= 1
    width, run = 0, []
    for time in range(last + 1):
        run += [place for place in rows.get(time, ()) if _is_computed(work, place)]
        width += change[time]
        if width == len(work.inputs) or time == last:
            if len(run) > 1:
                yield Site(tuple(run))
            run = []


def _applies(work: Workspace, places: Sequence[VertexId], rows: Rows) -> bool:
    return _trouble(work, places, rows) is None


def _trouble(work: Workspace, places: Sequence[VertexId], rows: Rows) -> NotApplicable | None:
    """Why the steps cannot be grouped, or None."""
    if len(places) < 2 or len(set(places)) < len(places):
        return NotApplicable("a lump needs two different steps or more", got=f"{len(set(places))}")
    for place in places:
        if place not in work.vertices:
            return NotApplicable("there is no vertex at the site", where=str(place))
        if not _is_computed(work, place):
            return NotApplicable("the vertex is not computed by a step", where=work.vertices[place].name)
    window = _window(work, places, rows)
    between = [place for place in window if _is_computed(work, place) and place not in set(places)]
    if between:
        return NotApplicable(
            "a step between those of the lump is missing", where=work.vertices[between[0]].name, remedy="group them all"
        )
    inside = set(window)
    for place in window:
        row = work.rows[place]
        mixed = len(row) > 1 and any(carry for _, _, carry in row)
        if place in work.input_places or mixed or any(source[1] >= place[1] for source, _, _ in row):
            return NotApplicable(
                "an edge does not come from an earlier row, or adds to a copy",
                where=work.vertices[place].name,
                remedy="group the steps of a layered graph, before it is inverted",
            )
    for place in window:
        readers = work.readers[place]
        if not inside.isdisjoint(readers) and (place in work.output_places or not inside.issuperset(readers)):
            return NotApplicable(
                "a value that outlives the lump is read in it, and not by a copy of its own only",
                where=work.vertices[place].name,
                remedy="carry live values first",
            )
    if any(source in inside for place in window for source, _, _ in work.rows[place]):
        return None
    if all(work.is_bundled(place) for place in places) or not _is_square(*_ends(work, places), places):
        return NotApplicable("the steps are one step already", where=work.vertices[places[0]].name)
    return None


def _window(work: Workspace, places: Sequence[VertexId], rows: Rows) -> list[VertexId]:
    """The vertices of the rows of a lump.

    Steps that are lumps already may read a value and a copy of it in an earlier row: then they begin with that row.
    """
    first, last = min(time for _, time in places), max(time for _, time in places)
    while True:
        window = [place for time in range(first, last + 1) for place in rows.get(time, ()) if place in work.vertices]
        inside = set(window)
        read = {source for place in window for source, _, _ in work.rows[place] if source not in inside}
        copies = [p for p in read if p not in work.input_places and len(work.rows[p]) == 1 and work.rows[p][0][2]]
        early = [time for register, time in copies if work.rows[register, time][0][0] in read]
        if not early:
            return window
        first = min(early)


def _group(work: Workspace, places: Sequence[VertexId], rows: Rows) -> None:
    window = _window(work, places, rows)
    inside = set(window)
    algebra = work.algebra
    # Every vertex of the window in terms of vertices before it; a copy of one of them as that vertex alone.
    form: dict[VertexId, dict[VertexId, Label]] = {}
    copied: dict[VertexId, VertexId] = {}
    for place in window:
        row = work.rows[place]
        if not _is_computed(work, place):
            ((source, _, _),) = row
            if source not in inside:
                copied[place] = source
            elif source in copied:
                copied[place] = copied[source]
            form[place] = {source: algebra.one} if source not in inside else form[source]
            continue
        total: dict[VertexId, Label] = {}
        for source, label, _ in row:
            for origin, x in ((source, algebra.one),) if source not in inside else form[source].items():
                term = algebra.mul(label, x)
                total[origin] = algebra.add(total[origin], term) if origin in total else term
        form[place] = total
    outlive = [
        place
        for place in window
        if place in work.output_places or any(reader not in inside for reader in work.readers[place])
    ]
    birth = {work.vertices[place].value: k for k, place in enumerate(places)}
    going_on = {copied[place] for place in outlive if place in copied}
    before = {source for place in window for source, _, _ in work.rows[place] if source not in inside}
    dying = {
        source
        for source in before
        if source not in going_on and source not in work.output_places and inside.issuperset(work.readers[source])
    }
    for place in outlive:
        if place in copied:
            entries: tuple[RowEntry, ...] = ((copied[place], algebra.one, True),)
        else:
            # A label of A that cancels stays, as a zero: what dies in the lump is to be seen in the graph.
            entries = tuple(
                (origin, label, False)
                for origin, label in sorted(form[place].items(), key=_by_place)
                if origin in dying or not algebra.is_zero(label)
            )
        if entries != work.rows[place]:
            work.set_row(place, entries)
    kept = set(outlive)
    for place in reversed(window):
        if place not in kept:
            work.remove_vertex(place)
    made = sorted((place for place in outlive if place not in copied), key=lambda p: birth[work.vertices[p].value])
    for place in made:
        # A copy has become the place where the value is born.
        work.rename(place, work.vertices[place].value)
    _bundle(work, made)


def _by_place(item: tuple[VertexId, Any]) -> tuple[int, int]:
    return item[0][1], item[0][0]


def _ends(work: Workspace, made: Sequence[VertexId]) -> tuple[list[VertexId], list[VertexId]]:
    """What the results read: the values that die with that, and those that live on."""
    targets = set(made)
    sources = sorted({s for z in made for s, _, _ in work.rows[z]}, key=lambda place: (place[1], place[0]))
    dying = [s for s in sources if targets.issuperset(work.readers[s]) and s not in work.output_places]
    return dying, [source for source in sources if source not in dying]


def _is_square(dying: Sequence[VertexId], living: Sequence[VertexId], made: Sequence[VertexId]) -> bool:
    return len(dying) == len(made) >= 2 and not set(living) & set(made)


def _bundle(work: Workspace, made: Sequence[VertexId]) -> None:
    """Say which edges are A and which are B, where A is square and has two rows or more."""
    dying, living = _ends(work, made)
    if not _is_square(dying, living, made):
        return
    number = 1 + sum(bundle.text.startswith("A") for bundle in work.bundles)
    for letter, ends in (("A", dying), ("B", living)):
        if ends:
            name = f"{letter}{number}"
            work.add_bundle(Bundle(tuple(ends), tuple(made), name, matrix_latex(name)))
