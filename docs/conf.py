"""The documentation site: MyST pages, executed as they are built (see docs/architecture.md)."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from flowgraph.version import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "flowgraph"
author = "The flowgraph developers"
copyright = "The flowgraph developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "from_the_library",
]
exclude_patterns = ["_build", "_extensions", "_ipython"]

# -- how it looks ------------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "flowgraph"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"footer_icons": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The whole of MathJax in one file (docs/_static/mathjax). Its menu could ask other servers, and is left out.
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "global"}}

# -- pages, executed anew in every build: their numbers are those of the run that built them ---------------------------

myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "smartquotes",
]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
# A cell may be the first to use the compiled backend, which then compiles itself, on a machine with other things to do.
nb_execution_timeout = 600
nb_execution_raise_on_error = False
nb_execution_show_tb = True
nb_merge_streams = True

# The kernels that execute the pages read their look from here, and find the command line of this environment.
os.environ["IPYTHONDIR"] = str(HERE / "_ipython")
# What commands print here goes to a page and no terminal, whatever they take it for.
os.environ |= {"COLUMNS": "96", "TTY_COMPATIBLE": "0"}
# Pages run side by side; threads of BLAS that wait for each other would be all that is measured.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
logging.getLogger("traitlets").setLevel(logging.WARNING)

# -- the reference, from docstrings ------------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
# Names of types say more than what they stand for.
_ALIASES = "Array ArrayLike Box Function IndexArray Label Mask Number Order Pipeline Point SparseRow VertexId Watcher"
autodoc_type_aliases = {alias: alias for alias in _ALIASES.split()}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Class attributes", "Attributes")]

# Every reference must lead somewhere; those to what is not of this project cannot, as no build asks other servers.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!flowgraph\b).*")]
