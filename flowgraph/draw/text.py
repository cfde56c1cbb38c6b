"""Text of drawings: what it measures, its outlines, and how names are written in LaTeX.

Text is LaTeX: plain words with mathematics between dollar signs. Outlines and measures come from matplotlib's mathtext
in Computer Modern, once per text, so that no writer needs a font.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from flowgraph.draw.scene import Box, Ink, Label, Point

_UNIT = 10.0
"""Font size at which outlines and measures are kept; both are proportional to the size."""

_CLOSE = 79
"""matplotlib's path code for closing a contour; its vertex means nothing."""

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
).split()

_ACCENTS = MappingProxyType({"": "{}", "dot": "\\dot{{{}}}", "bar": "\\bar{{{}}}"})
_LONG_ACCENTS = MappingProxyType({"": "{}", "dot": "\\dot{{{}}}", "bar": "\\overline{{{}}}"})


@dataclass(frozen=True, slots=True)
class Extent:
    """The rectangle of a text's ink, from the start of its baseline, y downward."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Its width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Its height."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Outline:
    """The contours of a text at font size 10, y upward, in matplotlib's vertices and codes."""

    vertices: tuple[Point, ...]
    codes: tuple[int, ...]


def _for_mathtext(text: str) -> str:
    """The text as one formula: mathtext sets words outside mathematics in another family than Computer Modern."""
    # mathtext draws no bar for \left| and none is lost by the plain sign.
    text = re.sub(r"\\(?:left|right)\|", "|", text)
    parts = []
    for part in re.split(r"(\$[^$]*\$)", text):
        if part.startswith("$"):
            parts.append(part[1:-1])
        elif part:
            # The underscore is not in the text font; as a symbol of mathematics it is.
            words = re.sub(r"([\\{}])", r"\\\1", part).replace("_", "}\\_\\text{")
            parts.append(f"\\text{{{words}}}")
    return f"${' '.join(parts)}$"


@lru_cache(maxsize=16384)
def outline(text: str) -> Outline:
    """The contours of a text at font size 10.

    Raises:
        ValueError: mathtext cannot read the text.
    """
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=_UNIT, math_fontfamily="cm")
    settings: dict[Any, Any] = {"mathtext.default": rcParamsDefault["mathtext.default"], "text.hinting": "none"}
    with rc_context(settings):
        vertices, codes = text_to_path.get_text_path(font, _for_mathtext(text), ismath=True)
    scale = _UNIT / text_to_path.FONT_SCALE
    return Outline(tuple((float(x) * scale, float(y) * scale) for x, y in vertices), tuple(int(code) for code in codes))


@lru_cache(maxsize=16384)
def _unit_extent(text: str) -> Extent:
    contours = outline(text)
    inked = [p for p, code in zip(contours.vertices, contours.codes, strict=True) if code != _CLOSE]
    if not inked:
        return Extent(0.0, 0.0, 0.0, 0.0)
    xs = [p[0] for p in inked]
    ys = [p[1] for p in inked]
    return Extent(min(xs), -max(ys), max(xs), -min(ys))


def measure(text: str, size: float) -> Extent:
    """The rectangle that the ink of a text fills, from the start of its baseline.

    Args:
        text: plain words and mathematics between dollar signs.
        size: font size in points.

    Raises:
        ValueError: mathtext cannot read the text.

    Example:
        >>> round(measure("$x$", 20.0).width / measure("$x$", 10.0).width, 6)
        2.0
    """
    unit, scale = _unit_extent(text), size / _UNIT
    return Extent(unit.left * scale, unit.top * scale, unit.right * scale, unit.bottom * scale)


def claimed_width(text: str, size: float) -> float:
    """The width to keep free for a text: LaTeX sets small formulas wider than outlines scaled down from size 10."""
    # \\nulldelimiterspace, 1.2 pt on either side of a fraction.
    return 1.1 * measure(text, size).width + (2.4 if "\\frac" in text else 0.0)


@lru_cache(maxsize=16384)
def readable(text: str) -> bool:
    """Whether mathtext can draw a text.

    Example:
        >>> readable("$-\\\\frac{b}{a}$"), readable("$\\\\begin{cases} 1 \\\\end{cases}$")
        (True, False)
    """
    try:
        outline(text)
    except ValueError:
        return False
    return True


def write(
    text: str,
    at: Point,
    size: float,
    *,
    anchor: str = "middle",
    ink: Ink = Ink.INK,
    title: str = "",
    host: str = "",
) -> Label:
    """A label with its baseline at a point; ``anchor`` says which part of its ink is there."""
    extent = measure(text, size)
    left = {"start": 0.0, "middle": -extent.width / 2, "end": -extent.width}[anchor] + at[0]
    box: Box = (left, at[1] + extent.top, left + extent.width, at[1] + extent.bottom)
    return Label(at, text, size, box, anchor, ink, title or plain(text), host)


def centred(text: str, centre: Point, size: float, *, ink: Ink = Ink.INK, title: str = "") -> Label:
    """A label whose ink has its centre at a point."""
    extent = measure(text, size)
    baseline = centre[1] - (extent.top + extent.bottom) / 2
    return write(text, (centre[0], baseline), size, ink=ink, title=title)


def plain(text: str) -> str:
    """A text without its LaTeX, roughly as one reads it.

    Example:
        >>> plain("(a) $z_{1} := f(x_{1})$")
        '(a) z1 := f(x1)'
    """
    return re.sub(r"\$[^$]*\$", lambda match: _plain_formula(match[0]), text)


def _plain_formula(text: str) -> str:
    text = re.sub(r"\\(?:dot|bar|overline|mathit|mathrm|mathbf|operatorname|left|right)\b", "", text)
    text = text.replace("\\partial", "∂").replace("\\,", " ").replace("\\", "")
    return re.sub(r"[${}]|_(?=[{\w])", "", text)


def _letter(word: str) -> str | None:
    """A single letter or a Greek name in LaTeX, else None."""
    if len(word) == 1:
        if word.isascii():
            return word
        try:
            spelled = unicodedata.name(word)
        except ValueError:
            return None
        match = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", spelled)
        if match is None:
            return None
        word = match[2].lower().replace("lamda", "lambda")
        word = word.capitalize() if match[1] == "CAPITAL" else word
    return f"\\{word}" if word in _GREEK else None


def _words(text: str) -> str:
    """Letters that stand for themselves, with what mathtext's fonts do not have spelled by its code."""
    parts = [_letter(c) or f"u{ord(c):x}" if not c.isascii() else c.replace("_", "\\_") for c in text]
    return "".join(f"{part} " if part.startswith("\\") and part != "\\_" else part for part in parts)


@lru_cache(maxsize=16384)
def name_latex(name: str, accent: str = "") -> str:
    """A name of a program as mathematics: one letter with subscripts, Greek spelled out, longer words upright.

    Args:
        name: an identifier.
        accent: ``"dot"`` for a tangent, ``"bar"`` for a cotangent, or empty.

    Example:
        >>> name_latex("x12"), name_latex("alpha_1", "bar"), name_latex("speed_in")
        ('x_{12}', '\\\\bar{\\\\alpha}_{1}', '\\\\mathit{speed}_{\\\\mathrm{in}}')
    """
    name = unicodedata.normalize("NFKC", name)
    match = re.fullmatch(r"([^\W\d_]+)_?(\d*)((?:(?<=[\w])_[^\W_]+)*)", name)
    if match is None:
        return _LONG_ACCENTS[accent].format(f"\\mathrm{{{_words(name)}}}")
    letter = _letter(match[1])
    base = letter or f"\\mathit{{{_words(match[1])}}}"
    base = (_ACCENTS if letter else _LONG_ACCENTS)[accent].format(base)
    parts = [part for part in (match[2], *match[3].split("_")) if part]
    parts = [p if p.isdigit() or _letter(p) == p else f"\\mathrm{{{_words(p)}}}" for p in parts]
    return f"{base}_{{{','.join(parts)}}}" if parts else base
