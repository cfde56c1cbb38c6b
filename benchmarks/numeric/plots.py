"""Log-log plots of time against the number of steps, one a family, all contenders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.numeric.engine import BACKENDS
from benchmarks.numeric.families import FAMILIES
from benchmarks.numeric.peers import PEERS
from benchmarks.numeric.report import series

Found = dict[str, Any]

_STYLES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "compiled": ("#0b5cad", "o", "-"),
        "numpy": ("#4fa3e0", "s", "-"),
        "jax": ("#777777", "^", ":"),
        "jax-dense": ("#c0392b", "v", "--"),
        "gmres": ("#e08e0b", "D", "--"),
        "casadi": ("#7d3c98", "P", "--"),
        "superlu": ("#2e7d32", "X", "--"),
        "klu": ("#6b8e23", "<", "--"),
        "klu-merged": ("#1b998b", ">", "--"),
    }
)


def plot(results: Found, family: str, path: Path) -> None:
    """Draw one family to a file. Bars are quartiles; at hollow marks GMRES did not converge."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    ticks: set[float] = set()
    for name in (*BACKENDS, *PEERS):
        what = "jvp" if name == "jax" else "ijvp"
        found = list(series(results, family, name, what))
        if not found:
            continue
        steps, middle, low, high, solved = (list(column) for column in zip(*found, strict=True))
        colour, marker, line = _STYLES[name]
        spread = (
            [m - b for m, b in zip(middle, low, strict=True)],
            [t - m for m, t in zip(middle, high, strict=True)],
        )
        ticks.update(steps)
        wrong = [(step, time) for step, time, fine in zip(steps, middle, solved, strict=True) if not fine]
        axes.errorbar(
            steps,
            middle,
            yerr=spread,
            color=colour,
            marker=marker,
            linestyle=line,
            markersize=6,
            linewidth=2.2 if name in BACKENDS else 1.3,
            capsize=2,
            label=_label(name, bool(wrong)),
        )
        for step, time in wrong:
            axes.scatter(step, time, s=22, marker=marker, facecolors="white", edgecolors=colour, zorder=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted(ticks), [_short(step) for step in sorted(ticks)])
    axes.minorticks_off()
    axes.set_xlabel("scalar steps")
    axes.set_ylabel("seconds for J⁻¹v at a new x")
    axes.set_title(FAMILIES[family].title, fontsize=11)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.7)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a date and with fixed ids, the same numbers give the same file.
    with mpl.rc_context({"svg.hashsalt": "flowgraph", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _label(name: str, wrong: bool) -> str:
    if name in BACKENDS:
        return f"flowgraph, {name}"
    if name == "jax":
        return "jax, J v"
    return f"{name} (hollow: not converged)" if wrong else name


def _short(steps: float) -> str:
    """A number of steps in three digits: 516k."""
    scale, unit = next((pair for pair in ((1e6, "M"), (1e3, "k")) if steps >= pair[0]), (1.0, ""))
    return f"{steps / scale:.3g}{unit}"


def plot_all(results: Found, folder: Path) -> None:
    """Draw every family of the results."""
    for family in results.get("family", {}):
        plot(results, family, folder / f"{family}.svg")
