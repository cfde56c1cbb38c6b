"""The main job: the figures, and the verification of every example program, in one folder with a page that shows both.

Everything is worked out before the first file is written. Two runs give the same bytes.

Reference: arXiv:2411.18786, Figs. 1–4.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path

from flowgraph.draw import FIGURES, figure, render
from flowgraph.errors import InputError
from flowgraph.example_programs import Example, examples, examples_folder
from flowgraph.progress import Tell, silent
from flowgraph.reproduce.page import page
from flowgraph.reproduce.publish import Files, put_files, put_folder, require_replaceable
from flowgraph.reproduce.report import SCHEMA, FigureReport, ProgramReport, Report, examine, operations_json
from flowgraph.version import __version__

__all__ = [
    "FIGURE_FORMATS",
    "SCHEMA",
    "Example",
    "ProgramReport",
    "Report",
    "copy_examples",
    "examples",
    "examples_folder",
    "figure_drift",
    "figure_files",
    "operations_json",
    "put_files",
    "report",
    "reproduce",
    "reproduction_files",
]

FIGURE_FORMATS = ("svg", "pdf", "png", "tex")
"""The formats that figures are written in."""

_PACKAGES = ("numpy", "scipy", "sympy", "networkx", "matplotlib")
_RECORD = "verification.json"


def figure_files(formats: Iterable[str] = FIGURE_FORMATS) -> dict[str, bytes]:
    """The figures as files: their bytes by name.

    Args:
        formats: of ``FIGURE_FORMATS``.

    Raises:
        InputError: there is no such format.

    Example:
        >>> list(figure_files(["tex"]))
        ['figure-1.tex', 'figure-2.tex', 'figure-3.tex', 'figure-4.tex', 'figure-5.tex', 'figure-6.tex']
    """
    wanted = tuple(dict.fromkeys(formats))
    scenes = ((number, figure(number)) for number in FIGURES)
    return {f"figure-{number}.{format}": render(scene, format) for number, scene in scenes for format in wanted}


def copy_examples(folder: str | PathLike[str]) -> list[str]:
    """Copy the example programs, and the page that explains them, into a folder.

    Args:
        folder: where; made where it is missing, and its other files stay.

    Returns:
        The names of the files.

    Raises:
        InputError: the folder cannot be written, or holds a file of the same name with another content.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     copy_examples(folder)[:2]
        ['README.md', 'atomic.fg']
    """
    source, target = examples_folder(), Path(folder)
    kept = (".fg", ".py", ".md")
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir()) if path.suffix in kept}
    for name, data in files.items():
        there = target / name
        if there.exists() and not (there.is_file() and there.read_bytes() == data):
            raise InputError(
                "a file of this name is there already, with another content",
                where=str(there),
                remedy="give the name of another directory",
            )
    put_files(target, files)
    return list(files)


def figure_drift(folder: str | PathLike[str], files: Files) -> dict[str, str]:
    """Which files of a folder are not what they should be: ``"missing"`` or ``"different"`` by name.

    Raises:
        InputError: a file cannot be read.

    Example:
        >>> figure_drift("/nowhere", {"figure-1.svg": b""})
        {'figure-1.svg': 'missing'}
    """
    drift = {}
    for name, data in files.items():
        path = Path(folder, name)
        try:
            if path.read_bytes() != data:
                drift[name] = "different"
        except (FileNotFoundError, NotADirectoryError):
            drift[name] = "missing"
        except OSError as error:
            raise InputError("the file cannot be read", where=str(path), got=error.strerror or str(error)) from error
    return drift


def report(
    programs: Iterable[Example] | None = None, command: str = "flowgraph reproduce", tell: Tell | None = None
) -> tuple[Report, dict[str, bytes]]:
    """Draw the figures and examine the programs.

    Args:
        programs: the programs, by default the examples of flowgraph.
        command: what makes this report again; the page shows it.
        tell: is told how far the work is.

    Returns:
        The report, and the files of the figures.
    """
    say = tell or silent
    wanted = tuple(examples() if programs is None else programs)
    say(f"figures 1–{len(FIGURES)}", 0, len(wanted) + 1)
    files = {f"figures/{name}": data for name, data in figure_files().items()}
    figures = tuple(
        FigureReport(
            number,
            files[f"figures/figure-{number}.svg"],
            {format: f"figures/figure-{number}.{format}" for format in FIGURE_FORMATS},
        )
        for number in FIGURES
    )
    found = []
    for k, example in enumerate(wanted, 1):
        name, total = example.name, len(wanted) + 1
        found.append(examine(example, lambda what, done, of: say(f"{name}: {what}", k, total)))  # noqa: B023
    return Report(figures, tuple(found), _versions(), command), files


def reproduction_files(result: Report, figures: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a reproduction: the figures, the page, and the record, which lists the others."""
    record = {**result.to_json(), "files": sorted([*figures, "index.html", _RECORD])}
    return {
        **figures,
        _RECORD: (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(),
        "index.html": page(result).encode(),
    }


def reproduce(
    output: str | PathLike[str],
    programs: Iterable[Example] | None = None,
    command: str = "flowgraph reproduce",
    tell: Tell | None = None,
) -> Report:
    """Make the figures, the verification and the page, and put them into a folder.

    Args:
        output: the folder, new, empty, or of an earlier reproduction, which is replaced as a whole.
        programs: the programs, by default the examples of flowgraph.
        command: what makes this reproduction again.
        tell: is told how far the work is.

    Returns:
        What was found; ``ok`` says whether every check holds.

    Raises:
        InputError: the folder cannot be written, or holds other files.
    """
    earlier = _earlier(Path(output))
    # What cannot be written in the end is refused before the work.
    require_replaceable(Path(output), {*earlier, *_names()})
    result, figures = report(programs, command, tell)
    put_folder(output, reproduction_files(result, figures), earlier)
    return result


def _names() -> set[str]:
    return {"index.html", _RECORD, *(f"figures/figure-{n}.{format}" for n in FIGURES for format in FIGURE_FORMATS)}


def _versions() -> dict[str, str]:
    return {
        "flowgraph": __version__,
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _earlier(folder: Path) -> list[str]:
    """The files of an earlier reproduction, by its own record."""
    try:
        record = json.loads((folder / _RECORD).read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return []
    return [str(name) for name in record.get("files", ())]
