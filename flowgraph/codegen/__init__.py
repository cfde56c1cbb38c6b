"""Straight-line code of the four modes, in several languages.

``build`` makes the statements of a mode once, without a language; ``tidy`` drops what nothing needs and names what is
left; each language only prints them. Adding a language is one file and one entry in ``languages.LANGUAGES``.

Reference: arXiv:2411.18786, Fig. 2 (d).
"""

from flowgraph.codegen.generate import MODES
from flowgraph.codegen.languages import LANGUAGES

__all__ = ["LANGUAGES", "MODES"]
