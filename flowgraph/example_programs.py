"""The example programs that are part of flowgraph: where they are, and what to do with each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from flowgraph.errors import InputError
from flowgraph.program import Program
from flowgraph.user_code import open_program

_COMMAND = re.compile(r"flowgraph verify (\S+\.py):([\w.]+)(?: --n (\d+))?")


@dataclass(frozen=True, slots=True)
class Example:
    """One example program.

    Attributes:
        name: ``figure2.fg``, or ``polar.py:polar``.
        file: where it stands.
        text: the text of the file.
        n: the number of inputs to trace a Python function with, None where it is not needed.
    """

    name: str
    file: Path
    text: str
    n: int | None = None

    @property
    def summary(self) -> str:
        """The first sentence of the file's own words."""
        if self.file.suffix == ".py":
            words = self.text.removeprefix('"""').split('"""')[0].split(": ``")[0]
        else:
            lines = self.text.splitlines()
            end = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
            words = " ".join(line.removeprefix("#").strip() for line in lines[:end])
        return re.split(r"(?<!Fig)\. ", words.strip(), maxsplit=1)[0].rstrip(".:,")

    def program(self) -> Program:
        """The program, read or traced."""
        return open_program(f"{self.file.parent / self.name}", n=self.n)


def examples_folder(package: Path | None = None) -> Path:
    """Where the example programs are: in the installed package, or beside it in a checkout.

    Args:
        package: the folder of the package, for tests.

    Raises:
        InputError: they are in neither place.

    Example:
        >>> (examples_folder() / "figure2.fg").is_file()
        True
    """
    home = Path(str(resources.files("flowgraph"))) if package is None else package
    places = (home / "examples", home.parent / "papers_examples")
    for place in places:
        if (place / "figure2.fg").is_file():
            return place
    raise InputError(
        "the example programs are not there",
        expected=" or ".join(map(str, places)),
        remedy="install flowgraph from a wheel, or give their folder with --examples",
    )


def examples(folder: Path | None = None) -> tuple[Example, ...]:
    """All example programs of a folder, by name.

    A Python file says in its first lines how to verify it, as in ``flowgraph verify polar.py:polar --n 2``.

    Raises:
        InputError: the folder holds no program, a file cannot be read, or a Python file does not say how.

    Example:
        >>> [example.name for example in examples()][:3]
        ['atomic.fg', 'bottleneck.fg', 'broyden.fg']
    """
    place = examples_folder() if folder is None else folder
    found = tuple(example for file in _files(place) for example in _in_file(file))
    if not found:
        raise InputError("the folder holds no program", where=str(place), expected="files that end in .fg or .py")
    return found


def example(name: str) -> Program:
    """An example program that comes with flowgraph.

    Args:
        name: as ``flowgraph examples`` lists it, with or without ``.fg``.

    Raises:
        InputError: there is no such example.

    Example:
        >>> example("figure2")
        <Program: 3 inputs, 2 steps, 3 outputs>
    """
    known = {found.name: found for found in examples()}
    found = known.get(name) or known.get(f"{name}.fg")
    if found is None:
        near = get_close_matches(str(name), [*known, *(known_as.removesuffix(".fg") for known_as in known)], n=1)
        raise InputError(
            "there is no such example program",
            got=repr(name),
            expected=f"one of {', '.join(known)}",
            remedy=f"did you mean {near[0]!r}?" if near else "fg.load reads a file of your own",
        )
    return found.program()


def _files(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.suffix in (".fg", ".py") and path.name != "__init__.py")
    except OSError as error:
        raise InputError("the folder cannot be read", where=str(place), got=error.strerror or str(error)) from error


def _in_file(file: Path) -> Iterator[Example]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the file cannot be read", where=str(file), got=str(error)) from error
    if file.suffix == ".fg":
        yield Example(file.name, file, text)
        return
    commands = [match for match in _COMMAND.finditer(text) if Path(match[1]).name == file.name]
    if not commands:
        raise InputError(
            "this Python example does not say how to verify it",
            where=str(file),
            remedy=f"write `flowgraph verify {file.name}:function --n N` in its first lines",
        )
    for match in commands:
        yield Example(f"{file.name}:{match[2]}", file, text, int(match[3]) if match[3] else None)
