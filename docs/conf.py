"""The documentation site: MyST pages, executed as they are built (see docs/architecture.md)."""

from __future__ import annotations

import os
from pathlib import Path

from flowgraph.version import __version__

HERE = Path(__file__).parent

project = "flowgraph"
author = "The flowgraph developers"
copyright = "The flowgraph developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_ipython"]

# Pages that are listed before they are written. TODO(site): remove when all have landed.
suppress_warnings = ["toc.not_readable"]

html_theme = "furo"
html_title = "flowgraph"
html_static_path = ["_static"]

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3

# Every page is executed anew in every build: its numbers are those of the run that built it.
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# The kernels that execute the pages read their look from here.
os.environ["IPYTHONDIR"] = str(HERE / "_ipython")
