"""Command lines and Python lines that give what is to be seen, as they stand."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowgraph.explorer.derived import case, own_order
from flowgraph.explorer.exports import file_name, stem_of
from flowgraph.language import format_program, parse
from flowgraph.modes import Mode
from flowgraph.program import Program
from flowgraph.structure import decompose

_OPTION = re.compile(r"\s+(--n|--at)(?:\s+|=)(\S+)$")
_END = "END_OF_PROGRAM"


@dataclass(frozen=True, slots=True)
class Commands:
    """How to get the same without the explorer.

    Attributes:
        shell: lines for a shell, one command each; a command may go over several lines.
        python: a program.
    """

    shell: tuple[str, ...]
    python: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"shell": list(self.shell), "python": self.python}


@dataclass(frozen=True, slots=True)
class Source:
    """What the command line calls a program.

    Attributes:
        path: a file, or path.py:function.
        n: the number of inputs of a function, where it has to be said.
        at: the point at which it is traced, where it has to be said.
    """

    path: str
    n: int | None = None
    at: tuple[float, ...] | None = None

    @staticmethod
    def read(text: str) -> Source:
        """The parts of such a text as ``"polar.py:polar --n 2"``.

        Example:
            >>> Source.read("my models/polar.py:polar --n 2")
            Source(path='my models/polar.py:polar', n=2, at=None)
        """
        options: dict[str, str] = {}
        while match := _OPTION.search(text):
            options[match[1]] = match[2]
            text = text[: match.start()]
        point = options.get("--at")
        return Source(
            text,
            int(options["--n"]) if "--n" in options else None,
            None if point is None else tuple(float(x) for x in point.split(",")),
        )

    @property
    def words(self) -> str:
        """The same as words of a shell."""
        # What begins with a dash would be read as an option.
        path = f"./{self.path}" if self.path.startswith("-") else self.path
        words = [shlex.quote(path)]
        if self.n is not None:
            words += ["--n", str(self.n)]
        if self.at is not None:
            words += ["--at", shlex.quote(",".join(map(repr, self.at)))]
        return " ".join(words)

    @property
    def is_function(self) -> bool:
        """Whether it is a function in a Python file."""
        return ".py:" in self.path


def commands(
    program: Program,
    order: tuple[int, ...] | None,
    mode: Mode | str,
    position: int,
    tab: str,
    name: str,
    source: str | None,
) -> Commands:
    """The lines that reproduce what is to be seen.

    Args:
        program: straight-line code.
        order: step numbers without those of dead code; None is the program's own order.
        mode: the mode of the derivation.
        position: how many applications of rules have been made.
        tab: ``"order"``, ``"derivation"`` or ``"check"``.
        name: what the program is called.
        source: what the command line calls it; None where it is in no file.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nu = f(x)\\nv = g(y)\\noutputs u, v")
        >>> print("\\n".join(commands(program, (1, 0), "reverse", 2, "derivation", "a.fg", "a b.fg").shell))
        flowgraph show 'a b.fg' --mode reverse --order v,u --step 2
        flowgraph show 'a b.fg' --mode reverse --order v,u --step 2 -o a-reverse-step-2.svg
        flowgraph show 'a b.fg' --mode reverse --order v,u --sequence -o a-reverse-sequence.pdf
        >>> print(commands(program, None, "reverse", 0, "check", "a.fg", "a.fg").python, end="")
        import flowgraph as fg
        <BLANKLINE>
        program = fg.load("a.fg")
        order = range(program.n_steps)  # the program's own order
        print(fg.verify(program, order=order))
    """
    at = case(program, order, mode)
    own = at.order == own_order(program)
    text = format_program(program)
    file = f"{stem_of(name)}-copy.fg" if name else "program.fg"
    # A program that is written down may have its names spelled anew.
    written = parse(text) if source is None else program
    names = _step_names(program, written, at.order, text if source is None else None)
    found = Source(file) if source is None else Source.read(source)
    known = "--order given" if own else f"--order {shlex.quote(','.join(names))}"
    first = () if source is not None else (_here_document(text, file),)
    singular = tab == "check" and decompose(program).certificate is not None
    view = _View(at.mode, position, tab, name, singular)
    lines = [line.format(program=found.words, order=known) for line in view.shell()]
    order_line = "range(program.n_steps)  # the program's own order" if own else _listed(names)
    opened, imports = _opened(None if source is None else found, text)
    python = "\n".join([*imports, *view.imports(), "", opened, f"order = {order_line}", *view.python(), ""])
    return Commands((*first, *lines), python)


def _step_names(program: Program, written: Program, order: Sequence[int], text: str | None) -> list[str]:
    """The names of the steps, as the command line reads the program."""
    n = program.n_inputs
    if text is None:
        return [program.name(n + step) for step in order]
    # Line k + 1 of the text is step k; a step of constants only is none of the program that is read back.
    by_line = {written.line(step): written.name(n + step) for step in range(written.n_steps)}
    return [by_line[step + 2] for step in order if step + 2 in by_line]


def _here_document(text: str, file: str) -> str:
    return f"cat > {shlex.quote(file)} <<'{_END}'\n{text}\n{_END}"


def _opened(source: Source | None, text: str) -> tuple[str, list[str]]:
    """The Python line that makes the program, and what it imports."""
    imports = ["import flowgraph as fg"]
    if source is None:
        body = textwrap.indent(text, "    ")
        plain = "\\" not in text and '"""' not in text
        return f'program = fg.parse("""\n{body}\n""")' if plain else f"program = fg.parse({text!r})", imports
    if not source.is_function:
        return f"program = fg.load({_quoted(source.path)})", imports
    options = [f"{key}={value!r}" for key, value in (("n", source.n), ("at", source.at)) if value is not None]
    arguments = ", ".join([_quoted(source.path), *options])
    return f"program = open_program({arguments})", [*imports, "from flowgraph.user_code import open_program"]


def _quoted(text: str) -> str:
    """A string as Python writes it, in double quotes where it can be."""
    return f'"{text}"' if text.isprintable() and not set(text) & {'"', "\\"} else repr(text)


def _listed(names: Sequence[str]) -> str:
    line = "[" + ", ".join(map(_quoted, names)) + "]"
    if len(line) <= 100:
        return line
    body = textwrap.fill(", ".join(map(_quoted, names)), 110, break_long_words=False, break_on_hyphens=False)
    return "[\n" + textwrap.indent(body, "    ") + ",\n]"


@dataclass(frozen=True, slots=True)
class _View:
    """What is to be seen."""

    mode: Mode
    position: int
    tab: str
    name: str
    singular: bool

    def _file(self, what: str, format: str) -> str:
        return file_name(self.name, what, self.mode, self.position, format)

    def shell(self) -> list[str]:
        """Command lines, with {program} and {order} to be filled in."""
        if self.tab == "check":
            modes = " --mode forward --mode reverse" if self.singular else ""
            return [f"flowgraph verify {{program}}{modes} {{order}}"]
        if self.tab == "derivation":
            head = f"flowgraph show {{program}} --mode {self.mode} {{order}}"
            graph, sequence = self._file("graph", "svg"), self._file("sequence", "pdf")
            return [
                f"{head} --step {self.position}",
                f"{head} --step {self.position} -o {graph}",
                f"{head} --sequence -o {sequence}",
            ]
        return [
            "flowgraph analyze {program} {order}",
            f"flowgraph analyze {{program}} {{order}} -o {self._file('order', 'svg')}",
        ]

    def imports(self) -> list[str]:
        """What the Python lines need beside ``flowgraph``."""
        if self.tab == "check":
            return []
        drawn = "draw_graph, draw_sequence, write" if self.tab == "derivation" else "draw_lumps, write"
        return [f"from flowgraph.draw import {drawn}"]

    def python(self) -> list[str]:
        """Python lines that use ``program`` and ``order``."""
        if self.tab == "check":
            modes = ', modes=("forward", "reverse")' if self.singular else ""
            return [f"print(fg.verify(program{modes}, order=order))"]
        if self.tab == "derivation":
            return [
                f'derivation = fg.derive(program, "{self.mode}", order=order)',
                f"print(derivation.graph_after({self.position}))",
                f'write(draw_graph(derivation, step={self.position}), "{self._file("graph", "svg")}")',
                f'write(draw_sequence(derivation), "{self._file("sequence", "pdf")}")',
            ]
        return [
            "print(fg.analyze(program, order))",
            f'write(draw_lumps(program, order), "{self._file("order", "svg")}")',
        ]
