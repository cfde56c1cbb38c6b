"""How the pages draw: sharp pictures of one size and one palette, whichever page makes them."""

c = get_config()  # noqa: F821  # pyright: ignore[reportUndefinedVariable]

# The kernels listen on this machine only, to the build that started them.
c.IPKernelApp.log_level = "ERROR"

c.InlineBackend.figure_formats = ["svg"]
c.InlineBackend.rc = {
    "figure.figsize": (6.4, 3.4),
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.prop_cycle": "cycler('color', ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'])",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "flowgraph",
}
