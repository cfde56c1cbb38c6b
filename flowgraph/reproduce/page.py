"""The page that shows a report: one HTML file that loads nothing from elsewhere and runs no script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType

from flowgraph.analysis import Analysis
from flowgraph.draw.scene import Ink
from flowgraph.draw.svg import COLOURS
from flowgraph.lump_report import largest, listed, place_of
from flowgraph.lumping import Lumping
from flowgraph.modes import Mode, OperationCount
from flowgraph.reproduce.findings import RANKED_STEPS, SINGULAR, block_counts, is_singular
from flowgraph.reproduce.report import FigureReport, ProgramReport, Report
from flowgraph.reproduce.style import STYLE
from flowgraph.rewrite.rules import RULES
from flowgraph.verification import Check

PAPER = "https://arxiv.org/abs/2411.18786"

CAPTIONS = MappingProxyType(
    {
        1: (
            "One atomic step and what becomes of it",
            "A step z = f(u, w) that overwrites u (a), its local graph in forward (b), reverse (c), forward inverse "
            "(d) and reverse inverse mode (e), and the local matrix below each. An inverse needs one division and has "
            "the zeros of the matrix it inverts. Above for numbers, below for vectors.",
        ),
        2: (
            "Four modes for one program",
            "The program (d) as data flow in three registers (a), and the graphs that compute J (b), Jᵀ (c), J⁻¹ (e) "
            "and J⁻ᵀ (f) times a vector. An edge multiplies by its label; a circled vertex adds what comes in. "
            "Reverse is forward with its edges turned round, and forward inverse is reverse inverse with its edges "
            "turned round.",
        ),
        3: (
            "How the reverse inverse graph is derived",
            "From the data flow (a): live values are carried from row to row (b), every layer is replaced by its "
            "inverse transpose (c), additions move one row up (d), and copies are merged (e), which leaves the graph "
            "of reverse inverse mode (f).",
        ),
        4: (
            "Lumps depend on the total order",
            "One partially ordered data flow graph (a), and its steps in two total orders (b, c). A grey line is a "
            "value that lives on, so the line between two rows is crossed by the w values alive there; the profile on "
            "the right is w, from w = n. Where w = n (black dots) one lump ends and the next begins. A lump replaces l "
            "values, and inverting it takes a system of l equations. The order in (c) has the most lumps of all.",
        ),
        5: (
            "What the order and the blocks gain",
            "Where v is shared and y lives on, every order has one lump only, with l = 3 (a); the blocks of the system "
            "that is solved are smaller, and each needs only values that earlier ones give: one is computed, one takes "
            "a division, one a system of two equations. (b) The work of solving for one vector, for the lumps of the "
            "given order (ring), of the best order (bar), and for the blocks (dot), in products with the Jacobian. "
            "This figure is not in the paper.",
        ),
        6: (
            "Discrete modes tend to continuous ones",
            "The four modes of T steps of a method against the four linear differential equations of its limit, over "
            "the step size h = t/T, for explicit (rings) and symplectic methods (dots): lines through the largest of "
            "the four relative errors, bars down to the smallest, and straight lines of the slope that the order "
            "demands in grey (a–d). Lotka–Volterra is in logarithms, Lorenz-96 has twenty variables. (e) Symplectic "
            "steps keep the volume for 100,000 steps, explicit ones do not. (f) The orders found, and what a step is "
            "made of: symplectic steps are lumps of size 1, so nothing is solved. This figure is not in the paper.",
        ),
    }
)
"""Title and text for each figure."""

_DEFINITIONS = re.compile(r"<defs>(.*?)</defs>\n?", re.DOTALL)
_OUTLINE = re.compile(r'<path id="([^"]+)"[^>]*/>')
_PAGE_COLOUR = re.compile(r'<rect width="100%" height="100%"[^>]*/>\n?')
_NUMBER = ' class="number"'
_LUMPS = 4
_WORDS = MappingProxyType({True: "holds", False: "fails"})


def page(report: Report) -> str:
    """The page of a report as HTML, with every drawing in it."""
    outlines: dict[str, str] = {}
    body = "\n".join(
        [
            _header(report),
            "<main>",
            _figures(report.figures, outlines),
            _matrix(report.programs),
            _programs(report.programs, outlines),
            "</main>",
            _footer(report),
        ]
    )
    # Letters are drawn as outlines, which many drawings share: the page has each of them once.
    shared = "\n".join(outlines[name] for name in sorted(outlines))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inverse accumulation mode, reproduced</title>
<link rel="icon" href="data:,">
<style>
{STYLE}</style>
</head>
<body>
<svg class="shared" aria-hidden="true"><defs>
{shared}
</defs></svg>
{body}
</body>
</html>
"""


def inline(svg: bytes, outlines: dict[str, str]) -> str:
    """A drawing as part of the page, in the page's colours, with its outlines moved to those that the page shares."""
    text = svg.decode()
    for block in _DEFINITIONS.findall(text):
        outlines.update((match[1], match[0]) for match in _OUTLINE.finditer(block))
    text = _PAGE_COLOUR.sub("", _DEFINITIONS.sub("", text), count=1)
    for ink, colour in COLOURS.items():
        shade = "currentColor" if ink is Ink.INK else f"var(--{ink.value})"
        text = text.replace(f'"{colour}"', f'"{shade}"')
    return text


def _header(report: Report) -> str:
    held, failed, skipped = report.checks
    count = len(report.programs)
    if failed:
        verdict = f"{failed} of {held + failed} checks fail"
    else:
        verdict = f"All {held} checks on {count} programs hold"
    note = f" {skipped} could not be made." if skipped else ""
    return f"""<header>
<h1>Inverse accumulation mode, reproduced</h1>
<p>Figures 1–4 of Pearlmutter and Siskind, <cite>Automatic Differentiation: Inverse Accumulation Mode</cite>
(<a href="{PAPER}">arXiv:2411.18786</a>), drawn from what flowgraph derived, a fifth on what has to be solved, a sixth
on differential equations, and the modes of every example program held against an independent
Jacobian{_without_inverse(report.programs)}.</p>
<p class="verdict {"bad" if failed else "good"}"><b>{"✗" if failed else "✓"}</b> {verdict}.{note}</p>
<nav><a href="#figures">Figures</a> <a href="#verification">Verification</a> <a href="#programs">Programs</a>
<a href="verification.json">JSON</a></nav>
</header>"""


def _without_inverse(programs: Iterable[ProgramReport]) -> str:
    names = [
        f'<a href="#{_anchor(p)}">{escape(p.example.name)}</a>'
        for p in programs
        if p.ok and p.analysis is not None and is_singular(p.analysis)
    ]
    if not names:
        return ""
    return f"; {', '.join(names)} {'has' if len(names) == 1 else 'have'} no inverse, with the reason"


# -- figures ----------------------------------------------------------------------------------------------------------


def _figures(figures: Iterable[FigureReport], outlines: dict[str, str]) -> str:
    shown = "\n".join(_figure(item, outlines) for item in figures)
    return f'<section id="figures">\n<h2>Figures</h2>\n<div class="figures">\n{shown}\n</div>\n</section>'


def _figure(item: FigureReport, outlines: dict[str, str]) -> str:
    title, text = CAPTIONS[item.number]
    links = " ".join(f'<a href="{escape(path)}" download>{escape(name)}</a>' for name, path in item.files.items())
    return f"""<figure id="figure-{item.number}">
{inline(item.svg, outlines)}<figcaption><b>Figure {item.number}. {title}.</b> {text}
<span class="links">{links}</span></figcaption>
</figure>"""


# -- the table of all programs ----------------------------------------------------------------------------------------


def claim(subject: str) -> tuple[str, str]:
    """The group and the short heading of a claim.

    Example:
        >>> claim("rule carry keeps the map"), claim("forward-inverse = J⁻¹"), claim("reverse in NumPy")
        (('Rules', 'carry'), ('Exact maps', 'J⁻¹'), ('NumPy', 'Jᵀ'))
    """
    if subject == SINGULAR:
        return "Structure", "sing."
    first, second, *_ = subject.split()
    if first == "rule":
        return "Rules", second
    if first == "labels":
        return "Labels", "∂"
    way = {"NumPy": "NumPy", "symbols": "Symbols"}
    return way.get(subject.split()[-1], "Exact maps"), Mode(first).symbol


def _checks(program: ProgramReport) -> tuple[Check, ...]:
    return program.verification.checks if program.verification else ()


def _matrix(programs: Iterable[ProgramReport]) -> str:
    programs = tuple(programs)
    found = {claim(check.subject) for program in programs for check in _checks(program)}
    claims = [item for item in _columns() if item in found]
    groups = {group: sum(item[0] == group for item in claims) for group, _ in claims}
    heads = "".join(f'<th colspan="{n}" scope="colgroup">{group}</th>' for group, n in groups.items() if n)
    edges = {claims.index(next(c for c in claims if c[0] == group)) for group, n in groups.items() if n}
    names = "".join(f'<th scope="col"{_edge(k in edges)}>{name}</th>' for k, (_, name) in enumerate(claims))
    rows = "\n".join(_matrix_row(program, claims, edges) for program in programs)
    return f"""<section id="verification">
<h2>Verification</h2>
<p>One row per program, one column per claim. <i>Structure</i>: J is singular for every x, because a few values separate
more inputs or outputs from all that they are joined with; up to {RANKED_STEPS} steps, the rank of J at random partials
in a prime field must agree. No inverse mode is claimed there. <i>Rules</i>: every single application of a rewrite rule
has the effect on the map that the rule claims. <i>Exact maps</i>: the graph of each mode has its map, decided over the
fraction field of the edge labels, or in a prime field where a program is long. <i>Symbols</i>: where a program has
lumps, the graphs with A⁻¹ in symbols agree at a random point of a prime field. <i>Labels</i>: they are SymPy’s partial
derivatives. <i>NumPy</i>: the graphs, evaluated by NumPy at random points, agree to rounding with a Jacobian that SymPy
evaluated to 30 digits or more.</p>
<p class="legend"><span class="good">✓</span> holds <span class="bad">✗</span> fails <span class="none">○</span> nothing
to check <span class="none">–</span> not claimed</p>
<div class="wide"><table class="matrix">
<thead><tr><th rowspan="2" scope="col">Program</th><th rowspan="2" scope="col">n</th>
<th rowspan="2" scope="col">steps</th>{heads}</tr>
<tr>{names}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
</section>"""


def _columns() -> list[tuple[str, str]]:
    """Every claim that has a column, in order."""
    maps = [mode.symbol for mode in Mode]
    groups = {
        "Structure": ["sing."],
        "Rules": [*RULES],
        "Exact maps": maps,
        "Symbols": maps,
        "Labels": ["∂"],
        "NumPy": maps,
    }
    return [(group, name) for group, names in groups.items() for name in names]


def _edge(first: bool) -> str:
    return ' class="first"' if first else ""


def _matrix_row(program: ProgramReport, claims: list[tuple[str, str]], edges: set[int]) -> str:
    found = {claim(check.subject): check for check in _checks(program)}
    name = escape(program.example.name)
    head = f'<th scope="row"><a href="#{_anchor(program)}">{name}</a></th>'
    if program.error is not None:
        text = escape(program.error.what)
        return f'<tr>{head}<td colspan="{len(claims) + 2}" class="bad first">✗ {text}</td></tr>'
    cells = "".join(_cell(found.get(item), k in edges) for k, item in enumerate(claims))
    return f'<tr>{head}<td class="number">{program.n}</td><td class="number">{program.steps}</td>{cells}</tr>'


def _cell(check: Check | None, first: bool) -> str:
    edge = " first" if first else ""
    if check is None:
        return f'<td class="none{edge}" title="not claimed">–</td>'
    mark, kind, word = _mark(check)
    return f'<td class="{kind}{edge}" title="{escape(check.subject)}: {word}">{mark}</td>'


def _mark(check: Check) -> tuple[str, str, str]:
    if check.skipped:
        return "○", "none", "could not be made"
    return ("✓" if check.ok else "✗"), ("good" if check.ok else "bad"), _WORDS[check.ok]


# -- one program ------------------------------------------------------------------------------------------------------


def _anchor(program: ProgramReport) -> str:
    return "program-" + re.sub(r"[^\w.-]", "-", program.example.name)


def _programs(programs: Iterable[ProgramReport], outlines: dict[str, str]) -> str:
    shown = "\n".join(_program(program, outlines) for program in programs)
    return f'<section id="programs">\n<h2>Programs</h2>\n{shown}\n</section>'


def _program(program: ProgramReport, outlines: dict[str, str]) -> str:
    mark, kind = ("✓", "good") if program.ok else ("✗", "bad")
    name = escape(program.example.name)
    # The anchor is inside, because a browser opens the folds around what a link leads to.
    parts = [
        f'<details class="program">\n<summary><span class="{kind}">{mark}</span> <code>{name}</code> '
        f"<span>{escape(program.example.summary)}</span></summary>",
        f'<div class="program-body" id="{_anchor(program)}">',
        f"<pre>{escape(program.example.text.rstrip())}</pre>",
    ]
    if program.analysis is not None:
        parts += _analysis(program.analysis)
    if program.error is not None:
        parts.append(f'<pre class="bad">{escape(str(program.error))}</pre>')
    else:
        parts += [_check_table(_checks(program)), _operation_table(program.operations)]
        parts += [_drawing(mode, svg, outlines) for mode, svg in program.drawings.items()]
    return "\n".join([*parts, "</div>", "</details>"])


def _analysis(analysis: Analysis) -> list[str]:
    """What the structure says: a sentence, and a table where the best order has lumps of several steps."""
    program, counts, best = analysis.program, analysis.operation_counts, analysis.best_lumps
    if analysis.lumps is None or best is None:
        size = max(program.n_inputs, program.n_outputs)
        why = escape(str(analysis.certificate))
        return [f'<p class="analysis">Structural rank {analysis.structure.rank} of {size}: {why}.</p>']
    scalar, systems = block_counts(analysis)
    several = int((best.lengths > 1).sum())
    words = _plural(len(analysis.lumps), "lump")
    if len(best) != len(analysis.lumps):
        words += f", {len(best)} in the best order"
    words += f", {several} with more than one step" if several else ", every one a single step"
    words += f"; {_plural(scalar, 'scalar block')}" + (f" and {_plural(systems, 'linear system')}" if systems else "")
    words += "."
    if analysis.ratio is not None:
        operations = round(analysis.ratio * counts.jvp.total)
        how = "With every A factored, J⁻¹v" if several else "J⁻¹v"
        words += f" {how} takes {operations} operations, {analysis.ratio:.2f} times those of J v."
    return [f'<p class="analysis">{words}</p>', *_lump_table(analysis, best)]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _lump_table(analysis: Analysis, best: Lumping) -> list[str]:
    program, counted = analysis.program, analysis.operation_counts.best
    cost = {piece.index: piece.cost for piece in counted.pieces} if counted else {}
    several = int((best.lengths > 1).sum())
    shown = [best[k] for k in largest(best, counted) if best.lengths[k] > 1][:_LUMPS]
    if not shown:
        return []
    rows = []
    for lump in shown:
        found = cost.get(lump.index)
        matrix, total = (found.structure, str(found.total.total)) if found else ("", "not counted")
        rows.append(
            f'<tr><td class="number">{lump.index + 1}</td><td>{escape(place_of(program, lump.steps))}</td>'
            f'<td class="number">{len(lump.steps)}</td><td class="number">{lump.size}</td>'
            f"<td>{escape(listed(program, lump.consumed))} → {escape(listed(program, lump.produced))}</td>"
            f'<td>{matrix}</td><td class="number">{total}</td></tr>'
        )
    title = "Lumps of several steps" if len(shown) == several else f"Largest lumps, {len(shown)} of {several}"
    heads = "".join(
        f'<th scope="col"{kind}>{head}</th>'
        for head, kind in (
            ("lump", _NUMBER),
            ("from", ""),
            ("steps", _NUMBER),
            ("l", _NUMBER),
            ("replaces", ""),
            ("matrix A", ""),
            ("operations", _NUMBER),
        )
    )
    body = "\n".join(rows)
    return [
        f"""<div class="wide"><table class="lumps"><caption>{title}, best order</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{body}
</tbody></table></div>"""
    ]


def _check_table(checks: Iterable[Check]) -> str:
    rows = "\n".join(
        f'<tr><td class="{kind}" title="{word}">{mark}</td><th scope="row">{escape(check.subject)}</th>'
        f"<td>{escape(check.method)}</td><td>{escape(check.detail)}{_witness(check)}</td></tr>"
        for check in checks
        for mark, kind, word in (_mark(check),)
    )
    return f"""<div class="wide"><table class="checks"><caption>Checks</caption>
<thead><tr><th></th><th scope="col">claim</th><th scope="col">decided by</th><th scope="col">over</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _witness(check: Check) -> str:
    return f'<br><span class="bad">{escape(check.witness)}</span>' if check.witness else ""


def _operation_table(operations: Mapping[Mode, OperationCount]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{mode.value} ({mode.symbol})</th>'
        + "".join(
            f'<td class="number">{part.multiplications}</td><td class="number">{part.additions}</td>'
            f'<td class="number">{part.divisions}</td>'
            for part in (count.labels, count.sweep)
        )
        + "</tr>"
        for mode, count in operations.items()
    )
    signs = '<th scope="col">×</th><th scope="col">+</th><th scope="col">÷</th>'
    return f"""<div class="wide"><table class="operations"><caption>Operations beyond the partial derivatives</caption>
<thead><tr><th rowspan="2" scope="col">mode</th><th colspan="3" scope="colgroup">labels, once per point</th>
<th colspan="3" scope="colgroup">sweep, once per vector</th></tr>
<tr>{signs * 2}</tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _drawing(mode: Mode, svg: bytes, outlines: dict[str, str]) -> str:
    return (
        f"<details><summary>Graph of {mode.value} mode, {mode.symbol}</summary>\n"
        f'<div class="wide drawing">{inline(svg, outlines)}</div></details>'
    )


def _footer(report: Report) -> str:
    versions = ", ".join(f"{escape(name)}&nbsp;{escape(number)}" for name, number in report.versions.items())
    return f"""<footer>
<p>Made by <code>{escape(report.command)}</code> with {versions}. Nothing on this page is typed in: it is written from
<a href="verification.json">verification.json</a> and the derivations.</p>
</footer>"""
