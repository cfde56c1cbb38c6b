"""What pages take from the library as it is: docstrings under public names, the commands, the figures.

A page that has the line ``% commands`` or ``% figures`` gets them in its place. The directive ``pictures``
stands for the pictures of all other pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.parallel import make_chunks

import flowgraph as fg
from flowgraph.cli import main

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

PACKAGES = ("draw", "ode", "codegen", "rewrite")

_ARXIV = re.compile(r"(?<![`/])arXiv:(\d{4}\.\d{5})")
# A DOI may have brackets, < and >, and marks that do not end it.
_DOI = re.compile(r"(?<![`/])doi:(10\.\d{4,}/(?:\([^\s()]*\)|[,;.](?=[^\s)])|[^\s,;.()])+)")
_ADDRESS = r"((?:https?:)?//[^\"' >)]+)"
_ELEMENT = r"<(?:script|link|img|source|iframe|video|audio|embed|object|use)\b"
_LOADED = re.compile(
    rf"{_ELEMENT}[^>]*?\s(?:src|href|data|srcset)=[\"']?{_ADDRESS}" rf"|(?:url\(|@import )\s*[\"']?{_ADDRESS}"
)
_LITERAL = re.compile(r"(``.*?``)")
_FORWARD = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
_REFERENCE = re.compile(r"^Reference: ")


def prepare(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Links for what a docstring cites; a bar in its prose is one of |x|, and no substitution."""
    example = False
    for k, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if example:
            continue
        line = "".join(map(_part, _LITERAL.split(line)))
        line = _REFERENCE.sub("**Reference:** ", line)
        line = _ARXIV.sub(r"`arXiv:\1 <https://arxiv.org/abs/\1>`__", line)
        lines[k] = _DOI.sub(_doi, line)


def signature(app: Sphinx, what: str, name: str, subject: Any, options: Any, given: Any, back: Any) -> Any:
    """Write the names of types inside other types as they are written in the source."""
    return tuple(text and _FORWARD.sub(r"\1", text) for text in (given, back))


def _doi(found: re.Match[str]) -> str:
    name = found[1].replace("<", "\\<").replace(">", "\\>")
    return f"`doi:{name} <https://doi.org/{quote(found[1], safe='/:;().')}>`__"


def _part(text: str) -> str:
    """A literal, linked where it is a public name; or what stands between two of them."""
    if not text.startswith("``"):
        return text.replace("|", r"\|")
    name = text.strip("`")
    return f":py:obj:`{name} <flowgraph.{name}>`" if name in fg.__all__ else text


@cache
def public_names() -> dict[str, str]:
    """The public name of everything that has one, by the name under which annotations know it."""
    found = {}
    for module, owner in (("flowgraph", fg), *((f"flowgraph.{p}", import_module(f"flowgraph.{p}")) for p in PACKAGES)):
        for name in owner.__all__:
            value = getattr(owner, name)
            if hasattr(value, "__qualname__"):
                found.setdefault(f"{value.__module__}.{value.__qualname__}", f"{module}.{name}")
                found.setdefault(value.__qualname__, f"{module}.{name}")
    return found


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> nodes.Node | None:
    """Lead from the home of a class in its module to its entry under its public name."""
    if node.get("refdomain") != "py":
        return None
    target = public_names().get(node["reftarget"])
    if target is None or target == node["reftarget"]:
        return None
    domain = env.domains["py"]
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)


def commands() -> Iterator[str]:
    """Every command with its help, in Markdown."""
    context = click.Context(main, info_name="flowgraph", max_content_width=100)
    yield f"```text\n{main.get_help(context)}\n```\n"
    for name in main.list_commands(context):
        command = main.commands[name]
        help_text = command.get_help(click.Context(command, info_name=name, parent=context, max_content_width=100))
        yield f"## flowgraph {name}\n\n```text\n{help_text}\n```\n"


def figures() -> Iterator[str]:
    """Every figure with its title, in Markdown."""
    from flowgraph.draw import FIGURES, figure

    for number in FIGURES:
        stem = f"../figures/figure-{number}"
        files = " · ".join(f"[{ending.upper()}]({stem}.{ending})" for ending in ("svg", "pdf", "png", "tex"))
        title = figure(number).title
        heading, _, words = title.partition(": ")
        yield f"### {heading}\n\n{words[0].upper()}{words[1:]}. {files}\n\n![{title}]({stem}.svg)\n"


GENERATED: dict[str, Callable[[], Iterator[str]]] = {"% commands": commands, "% figures": figures}


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what is generated in the place of the lines that ask for it."""
    lines = source[0].split("\n")
    source[0] = "\n".join("\n".join(GENERATED[line]()) if line in GENERATED else line for line in lines)


def loaded_from_elsewhere(text: str) -> list[str]:
    """What a page of HTML, or a style sheet, would load from another server; links that a reader follows are none."""
    return [found[1] or found[2] for found in _LOADED.finditer(text)]


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn, and so fail, where a page that was built asks another server for anything."""
    if error is None and app.builder.format == "html":
        for path in sorted(path for path in app.outdir.rglob("*") if path.suffix in (".html", ".css")):
            for address in loaded_from_elsewhere(path.read_text(encoding="utf-8")):
                logger.warning("%s loads %s", path.relative_to(app.outdir), address)


def spread(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Share the pages with much to execute among the processes that read: each is given a run of neighbours."""
    processes = max(app.parallel, 1)
    cells = {page: env.doc2path(page).read_text(encoding="utf-8").count("{code-cell}") for page in pages}
    rooms = [len(chunk) for chunk in make_chunks(pages, processes)]
    shares: list[list[str]] = [[] for _ in rooms]
    for page in sorted(pages, key=lambda page: -cells[page]):
        open_ones = [k for k, room in enumerate(rooms) if len(shares[k]) < room][:processes]
        shares[min(open_ones, key=lambda k: sum(cells[other] for other in shares[k]))].append(page)
    pages[:] = [page for share in shares for page in share]


class Pictures(SphinxDirective):
    """The place of all pictures of all other pages, in the order of the site."""

    def run(self) -> list[nodes.Node]:
        """An empty container, filled once every page has been read."""
        return [nodes.container(classes=["pictures"])]


def hang(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Fill the place of the pictures: each with the section that it stands in, to which it leads."""
    for place in doctree.findall(lambda node: isinstance(node, nodes.container) and node["classes"] == ["pictures"]):
        place.extend(_hung(app, page, at, picture) for at, picture in _pictures(app.env, besides=page))


def _pictures(env: BuildEnvironment, besides: str) -> Iterator[tuple[str, nodes.image]]:
    pages = [page for page in env.toctree_includes.get(env.config.root_doc, ()) if page != besides]
    while pages:
        page = pages.pop(0)
        pages = [*env.toctree_includes.get(page, ()), *pages]
        yield from ((page, image) for image in env.get_doctree(page).findall(nodes.image))


def _hung(app: Sphinx, page: str, at: str, picture: nodes.image) -> nodes.Node:
    section = picture.parent
    while not isinstance(section, nodes.section):
        section = section.parent
    title = section[0].astext()
    address = f"{app.builder.get_relative_uri(page, at)}#{section['ids'][0]}"
    link = nodes.reference("", "", refuri=address, internal=True)
    link += nodes.image("", uri=picture["uri"], candidates=picture["candidates"], alt=picture.get("alt", title))
    link += nodes.inline("", title)
    return nodes.container("", nodes.paragraph("", "", link), classes=["picture"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above to the build."""
    app.connect("autodoc-process-docstring", prepare)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", resolve)
    app.connect("source-read", fill_in)
    app.connect("env-before-read-docs", spread)
    app.connect("build-finished", check)
    app.add_directive("pictures", Pictures)
    app.connect("doctree-resolved", hang)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
