"""The files of the front end, which the server hands out one by one and a notebook gets all at once."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""Where the front end is."""

ENTRY = "explorer.js"
"""The module of the front end that has ``mount``."""

STYLES = ("explorer.css", "views.css")
"""Its style sheets, in order; ``page.js`` takes the same."""

_BESIDE = re.compile(r"""^\s*(?:import|export)\b(?:[^;"']*?\bfrom)?\s*["']\./([\w.-]+)["']""", re.MULTILINE)


def front_end(folder: Path = STATIC, entry: str = ENTRY) -> tuple[tuple[str, str], ...]:
    """The modules of the front end, each after those it imports, so that ``entry`` is the last.

    Args:
        folder: where they are.
        entry: the file that is imported in the end.

    Returns:
        (file name, text) of each module that ``entry`` needs.

    Raises:
        graphlib.CycleError: modules import each other.
        FileNotFoundError: a module that is imported is not there.

    Example:
        >>> [name for name, _ in front_end()][-1]
        'explorer.js'
    """
    texts: dict[str, str] = {}
    todo = [entry]
    while todo:
        name = todo.pop()
        if name not in texts:
            texts[name] = (folder / name).read_text(encoding="utf-8")
            todo.extend(beside(texts[name]))
    graph: Mapping[str, tuple[str, ...]] = {name: beside(text) for name, text in sorted(texts.items())}
    return tuple((name, texts[name]) for name in TopologicalSorter(graph).static_order())


def styles() -> str:
    """The style sheets of the front end as one.

    Example:
        >>> ":host" in styles()
        True
    """
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)


def math_font() -> str:
    """The font of the mathematics in the paper and in the figures, in base64. Its letters are where Unicode has them.

    Example:
        >>> len(math_font()) > 20_000
        True
    """
    import matplotlib

    return b64encode((Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "cmmi10.ttf").read_bytes()).decode()


def beside(text: str) -> tuple[str, ...]:
    """The files beside a module that it imports, as ``static/widget.js`` finds them too.

    Example:
        >>> beside('import { h } from "./dom.js";\\nimport "./a.js";\\nexport { b } from "./b.js";')
        ('dom.js', 'a.js', 'b.js')
    """
    return tuple(_BESIDE.findall(text))
