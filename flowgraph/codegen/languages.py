"""The languages. Adding one is writing one file and adding one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flowgraph.codegen.c_code import C
from flowgraph.codegen.fg_code import FG
from flowgraph.codegen.language import Language
from flowgraph.codegen.latex_code import LATEX
from flowgraph.codegen.numpy_code import NUMPY

LANGUAGES: Mapping[str, Language] = MappingProxyType({language.name: language for language in (NUMPY, C, LATEX, FG)})
"""The languages by name."""
