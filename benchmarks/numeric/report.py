"""The results of a run as text: the table of targets, one table a family, and the pages of the documentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.numeric.engine import BACKENDS
from benchmarks.numeric.families import FAMILIES
from benchmarks.numeric.peers import PEERS
from benchmarks.numeric.targets import (
    Target,
    against_merged_klu,
    break_even,
    exponent,
    ratio,
    seconds,
    targets,
)

Found = dict[str, Any]
Table = tuple[Sequence[str], list[Sequence[str]]]

_DASH = "–"


def number(value: float | None, digits: int = 3) -> str:
    """A number in few digits; a dash where there is none."""
    if value is None:
        return _DASH
    if math.isinf(value):
        return "never"
    if value != 0.0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def milliseconds(timing: Found | None) -> str:
    """Median and quartiles of a time in milliseconds."""
    if timing is None:
        return _DASH
    low, middle, high = (number(timing[key] * 1e3) for key in ("low", "median", "high"))
    return f"{middle} ({low}–{high})"


def why_not(found: Found) -> str | None:
    """Why a contender has no times, or None where it has."""
    for state in ("absent", "skipped", "failed"):
        if state in found:
            return f"{state}: {found[state]}"
    return None


def target_table(results: Found) -> Table:
    """What must be reached, and what the run reached."""
    rows = []
    for target in targets(results):
        sign = "≥" if target.at_least else "≤"
        rows.append(
            (target.title, f"{sign} {number(target.limit)} {target.unit}".strip(), _reached(target), target.verdict)
        )
    return ("target", "limit", "reached", ""), rows


def _reached(target: Target) -> str:
    return _DASH if target.reached is None else f"{number(target.reached)} {target.unit}".strip()


def time_table(results: Found, family: str) -> Table:
    """J⁻¹ v by every contender, everything that must be repeated at a new x included."""
    rows = []
    for label, contenders in results["family"][family].items():
        for name, found in contenders.items():
            reason = why_not(found)
            if reason is not None:
                rows.append((label, name, reason, "", "", ""))
                continue
            times = found["times"]
            forward = times.get("linearise + jvp", times.get("jvp"))
            rows.append(
                (
                    label,
                    name,
                    milliseconds(times.get("ijvp")) + _remark(found),
                    milliseconds(forward),
                    milliseconds(times.get("slogdet")),
                    number(found["setup"]),
                )
            )
    return ("size", "contender", "J⁻¹v, ms (quartiles)", "J v, ms", "log|det|, ms", "setup, s"), rows


def _remark(found: Found) -> str:
    if "converged" in found:
        state = "converged" if found["converged"] else "not converged"
        return f" {state} in {found['products']} products, error {found['error']:.0e}"
    return f" ({found['note']})" if "note" in found else ""


def ratio_table(results: Found, family: str) -> Table:
    """The engine's inverse against its forward mode, and against KLU, with residual and memory."""
    rows = []
    for label, contenders in results["family"][family].items():
        for backend in BACKENDS:
            found = contenders.get(backend, {})
            if "times" not in found:
                continue
            own = found["times"]["ijvp"]["median"]
            klu = seconds(results, family, label, "klu", "ijvp")
            rows.append(
                (
                    label,
                    backend,
                    f"{found['steps']:,}",
                    number(ratio(found, "ijvp")),
                    number(ratio(found, "ivjp")),
                    number(found["predicted"]),
                    number(klu and klu / own),
                    number(against_merged_klu(results, family, label, backend)),
                    number(break_even(results, family, label, backend)),
                    number(found["times"]["100 solves"]["median"] * 1e3 if "100 solves" in found["times"] else None),
                    number(max(found["residual"], found["residual_transposed"])),
                    number(found["bytes_per_step"]),
                )
            )
    head = (
        "size",
        "backend",
        "steps",
        "ijvp : jvp",
        "ivjp : vjp",
        "predicted",
        "KLU : ijvp",
        "KLU merged : ijvp",
        "dense pays from, rhs",
        "100 rhs, ms",
        "residual, ε",
        "bytes a step",
    )
    return head, rows


def exponent_table(results: Found) -> Table:
    """Growth of the time with the number of steps."""
    rows = []
    for family in results.get("family", {}):
        row = [FAMILIES[family].title]
        for name in (*BACKENDS, *PEERS):
            what = "jvp" if name == "jax" else "ijvp"
            found = [(point.steps, point.median) for point in series(results, family, name, what)]
            row.append(number(exponent([steps for steps, _ in found], [time for _, time in found]), 2))
        rows.append(tuple(row))
    return ("family", *BACKENDS, "jax (J v)", *(name for name in PEERS if name != "jax")), rows


class Point(NamedTuple):
    """One point of a plot: steps, seconds with quartiles, and whether the contender solved the system."""

    steps: float
    median: float
    low: float
    high: float
    solved: bool


def series(results: Found, family: str, contender: str, what: str) -> Iterator[Point]:
    """One contender's times over the sizes of a family."""
    for contenders in results["family"][family].values():
        steps = next((found["steps"] for found in contenders.values() if "steps" in found), None)
        timing = contenders.get(contender, {}).get("times", {}).get(what)
        if steps is not None and timing is not None:
            fine = contenders[contender].get("converged") is not False
            yield Point(steps, timing["median"], timing["low"], timing["high"], fine)


def accuracy_table(results: Found) -> Table:
    """Forward errors."""
    rows = []
    for row in results["accuracy"].get("rows", ()):
        if "absent" in row:
            rows.append((row["method"], f"absent: {row['absent']}", "", ""))
        else:
            rows.append((row["method"], *(f"{row[key]:.1e}" for key in ("random", "image", "recovered"))))
    return ("method", "random v", "v = J x₀ rounded, exact solution", "v = J x₀ rounded, against x₀"), rows


def engine_table(results: Found) -> Table:
    """The measurements of the engine alone."""
    rows: list[Sequence[str]] = []
    for measurement, backends in results.get("engine", {}).items():
        for backend, found in backends.items():
            reason = why_not(found)
            rows.extend(
                (measurement, backend, what, value)
                for what, value in ([("", reason)] if reason is not None else _lines(measurement, found))
            )
    return ("measurement", "backend", "what", "value"), rows


def _lines(measurement: str, found: Found) -> Iterable[tuple[str, str]]:
    if measurement == "small":
        times = found["times"]
        yield "linearise + ijvp, one x at a time", f"{number(times['ijvp']['median'] * 1e6)} µs"
        yield "linearise + jvp, one x at a time", f"{number(times['linearise + jvp']['median'] * 1e6)} µs"
        yield (
            f"a batch of {found['members']:,}, per member",
            f"{number(times['batch']['median'] * 1e6 / found['members'])} µs",
        )
    elif measurement == "ten-million":
        for part in ("trace", "plan", "linearise", "solve"):
            yield part, f"{number(found[part])} s"
        yield "peak of the whole process", f"{number(found['peak'] / 1e6)} MB for {found['steps']:,} steps"
    else:
        for row in found["rows"]:
            what = f"{row['mode']}, {row['steps']:,} steps"
            value = (
                f"{number(row['memory'] / 1e6)} MB, {milliseconds(row['time'])} ms, differs by {row['difference']:.0e}"
            )
            yield what, value


def plain(table: Table) -> str:
    """A table with aligned columns."""
    head, rows = table
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(table: Table) -> str:
    """A table in Markdown."""
    head, rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def text(results: Found) -> str:
    """The whole run for a terminal."""
    parts = []
    for title, table in _sections(results):
        parts.append(f"{title}\n\n{plain(table)}")
    return "\n\n".join(parts) + "\n"


def _sections(results: Found) -> Iterator[tuple[str, Table]]:
    yield "What must be reached", target_table(results)
    for family in results.get("family", {}):
        yield FAMILIES[family].title, time_table(results, family)
        yield f"{FAMILIES[family].title}: ratios", ratio_table(results, family)
    yield "Growth of the time with the number of steps (exponent)", exponent_table(results)
    if "rows" in results.get("accuracy", {}):
        condition = results["accuracy"]["condition"]
        yield f"Relative forward error, cond(J) = {condition:.1e}, against 50 digits", accuracy_table(results)
    yield "The engine alone", engine_table(results)


def losses(results: Found) -> list[str]:
    """Where another contender takes less time than the engine's better backend, by the numbers of the run."""
    found = []
    for family, sizes in results.get("family", {}).items():
        for label in sizes:
            own = [t for backend in BACKENDS if (t := seconds(results, family, label, backend, "ijvp")) is not None]
            if not own:
                continue
            for name in PEERS:
                if name == "jax":
                    continue
                peer = seconds(results, family, label, name, "ijvp")
                wrong = sizes[label].get(name, {}).get("converged") is False
                if peer is not None and peer < min(own) and not wrong:
                    times = f"{number(peer * 1e3)} ms against {number(min(own) * 1e3)} ms"
                    found.append(f"{FAMILIES[family].title}, {label}: {name} takes {times}.")
    return found


_INTRODUCTION = """\
# The numeric engine against other ways to J⁻¹v

Written by `python -m benchmarks.numeric --output docs` (part of `make bench`); every number on this page comes from
that one run. Unlike the other pages it is not measured anew when the site is built: JAX, CasADi and KLU would have to
be there. {machine}. Each contender ran in a process of its own, in float64. Times are medians with quartiles of at
least five runs (one run where a single one takes seconds), after one to warm up.

What is compared, at a *new* x each time:

- **compiled**, **numpy**: flowgraph's two backends; J⁻¹v is linearise + ijvp, J v is linearise + jvp, at two points in
  turn.
- **jax**: `jax.jit(jax.jvp)`. **jax-dense**: `solve(jacfwd)`. **gmres**: SciPy's GMRES(50) on JAX's J v.
- **casadi**: SX functions; J⁻¹v is its sparse J with the `csparse` solver.
- **superlu**: SciPy's `splu` on the extended system E, which cannot keep its analysis.
- **klu**: KLU on E with one row a step, analysed once; refactor + solve. **klu-merged**: the same with the values that
  are read once merged into their readers. Both are *given* the partials at x, and the second also their products:
  evaluating and merging is in flowgraph's time and not in theirs. "KLU merged : ijvp" in the tables adds flowgraph's
  linearise to it, which compares the solves alone.
- Setup is planning, compiling, or analysing, once a program. "Predicted" is the ratio of operation counts that
  `fg.analyze` states. "Dense pays from" is the number of right-hand sides at one x, in blocks of 100, from which a
  dense factorisation of `jacfwd` is cheaper.
"""


def page(results: Found) -> str:
    """The page of the documentation."""
    where = results["machine"]
    packages = ", ".join(f"{name} {number_}" for name, number_ in where["packages"].items())
    about = f"{where['cores']} cores, {where['system']}, Python {where['python']}, {packages}"
    parts = [_INTRODUCTION.format(machine=about)]
    for title, table in _sections(results):
        parts.append(f"## {title}\n")
        plot = next((name for name in results.get("family", {}) if FAMILIES[name].title == title), None)
        if plot is not None:
            parts.append(f"{FAMILIES[plot].about[0].upper()}{FAMILIES[plot].about[1:]}.\n")
            parts.append(f"![time against size: {title}](benchmarks/{plot}.svg)\n")
        parts.append(markdown(table) + "\n")
    parts.append("## Where this method does not win\n")
    found = losses(results)
    parts.append("\n".join(f"- {line}" for line in found) + "\n" if found else "Nowhere in this run.\n")
    return "\n".join(parts)
