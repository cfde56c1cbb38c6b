"""``flowgraph newton``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from flowgraph.cli.options import BACKENDS, Vector, json_option, traceback_option
from flowgraph.cli.output import Progress, print_json, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.optimize import OptimizeResult

    from flowgraph.numeric.newton import NewtonIterate

NEWTON_SCHEMA = "flowgraph/newton/1"

_SHOWN = 12
"""Up to so many entries of x, and iterations twice that many, are printed whole."""


class _Ending(click.ParamType):
    """The name of a file for a vector."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, if its ending names a format."""
        path = Path(value)
        if path.suffix not in _ENDINGS:
            self.fail(f"{str(value)!r} does not end in one of {', '.join(_ENDINGS)}", param, ctx)
        return path


@click.command("newton")
@click.argument("source", metavar="PROGRAM")
@click.option("--x0", type=Vector(), metavar="X1,X2,...|@FILE", help="Where to start; @FILE reads .npy, .txt or .json.")
@click.option("--x0-random", "seed", type=click.IntRange(min=0), metavar="SEED", help="Start at normal random numbers.")
@click.option("--n", type=click.IntRange(min=0), metavar="N", help="How many random numbers a Python function needs.")
@click.option("--y", type=Vector(), metavar="Y1,Y2,...|@FILE", help="Solve f(x) = y instead of f(x) = 0.")
@click.option("--tol", type=click.FloatRange(min=0.0), help="Relative size of the last Newton step.  [default: 1e-12]")
@click.option("--maxiter", type=click.IntRange(min=0), help="Largest number of steps.  [default: 100]")
@click.option("--no-line-search", is_flag=True, help="Take full steps only.")
@click.option("--backend", type=click.Choice(BACKENDS), help="By default the fastest that is installed.")
@click.option("--output", "-o", type=_Ending(), metavar="FILE", help="Save x as .npy or .txt, or all as .json.")
@click.option("--progress", is_flag=True, help="A line on standard error for every iteration.")
@traceback_option
@json_option
@click.pass_context
def newton_command(
    ctx: click.Context,
    source: str,
    x0: tuple[float, ...] | Path | None,
    seed: int | None,
    n: int | None,
    y: tuple[float, ...] | Path | None,
    tol: float | None,
    maxiter: int | None,
    no_line_search: bool,
    backend: str | None,
    output: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Find a root of f, or solve f(x) = y, by Newton's method with exact, damped steps.

    A Python function is traced at x0, and anew where one of its branches goes the other way. Prints the iterations and
    x. Exit 1 with the reason where no root is found; -o saves the best x then.

    \b
    Examples:
      flowgraph newton model.py:f --x0 1,2
      flowgraph newton model.py:f --x0 @start.npy -o root.npy
      flowgraph newton model.py:f --x0-random 1 --n 1000 --progress
      flowgraph newton program.fg --x0 1,2,3 --y 0.1,0.2,0.3 --json
    """
    from flowgraph.numeric.newton import MAXITER, TOLERANCE, newton, solve

    _check(source, x0, seed, n, output)
    most = MAXITER if maxiter is None else maxiter
    with Progress() as bar:
        bar("reading the program", 0, 1)
        with _opened(source) as (f, guard):

            def tell(state: OptimizeResult) -> None:
                bar(f"iteration {state.nit}, ‖f‖ = {state.iterate.residual:.1e}", state.nit, max(most, 1))
                if progress:
                    click.echo(_line(state.iterate), err=True)

            start = _start(f, source, x0, seed, n)
            options: dict[str, Any] = {
                "tol": TOLERANCE if tol is None else tol,
                "maxiter": most,
                "line_search": not no_line_search,
                "callback": tell,
                "backend": backend,
            }
            goal = None if y is None else _vector(y, "--y")
            with guard:
                found = newton(f, start, **options) if goal is None else solve(f, goal, start, **options)
    data = _as_json(click.format_filename(source), found)
    if output is not None:
        _save(output, found, data)
    if as_json:
        print_json(data)
    else:
        click.echo(printable(_text(found)))
        if output is not None:
            click.echo(click.format_filename(output))
    if not found.success:
        if as_json:
            click.echo(printable(found.message), err=True)
        ctx.exit(1)


def _check(source: str, x0: object, seed: int | None, n: int | None, output: Path | None) -> None:
    """Refuse options that do not go together, and a file that could not be written after all the work."""
    from flowgraph.errors import InputError
    from flowgraph.user_code import is_python

    if (x0 is None) == (seed is None):
        raise click.UsageError("say where to start: either --x0 X1,X2,... or --x0-random SEED")
    if n is not None and (seed is None or not is_python(source)):
        raise click.UsageError("--n: only for --x0-random and a Python function; a .fg file names its inputs")
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise InputError(
            "the file cannot be written", where=str(output), remedy="name a file in a directory that exists"
        )


@contextmanager
def _opened(source: str) -> Iterator[tuple[Any, Any]]:
    """The function or program, and a context in which a function's own errors are reported as such."""
    from contextlib import nullcontext

    from flowgraph.user_code import is_python, open_function, open_program, user_errors

    if is_python(source):
        with open_function(source) as function:
            yield function, user_errors(source)
    else:
        yield open_program(source), nullcontext()


def _start(f: Any, source: str, x0: tuple[float, ...] | Path | None, seed: int | None, n: int | None) -> Any:
    import numpy as np

    from flowgraph.program import Program
    from flowgraph.user_code import number_of_parameters

    if x0 is not None:
        return _vector(x0, "--x0")
    size = f.n_inputs if isinstance(f, Program) else n if n is not None else number_of_parameters(f, source)
    return np.random.default_rng(seed).standard_normal(size)


# -- files ------------------------------------------------------------------------------------------------------------


def _vector(given: tuple[float, ...] | Path, option: str) -> Any:
    """The numbers of an option, from its file where it names one."""
    import numpy as np

    from flowgraph.errors import InputError

    if not isinstance(given, Path):
        return np.array(given, dtype=float)
    if given.suffix not in _ENDINGS:
        raise InputError(
            "this is no file of numbers", where=f"{option} @{given}", expected=f"an ending {', '.join(_ENDINGS)}"
        )
    try:
        return _ENDINGS[given.suffix](given)
    except OSError as error:
        raise InputError(
            "the file cannot be read",
            where=str(given),
            got=error.strerror or str(error),
            remedy="give its path after @",
        ) from error
    except (ValueError, TypeError, EOFError, OverflowError, RecursionError) as error:
        raise InputError("the file holds no vector of numbers", where=str(given), got=str(error)) from error


def _read_npy(path: Path) -> NDArray[Any]:
    from numpy.lib import format

    with path.open("rb") as file:
        return format.read_array(file, allow_pickle=False)


def _read_text(path: Path) -> NDArray[Any]:
    import numpy as np

    return np.array([float(word) for word in path.read_text(encoding="utf-8").replace(",", " ").split()])


def _read_json(path: Path) -> NDArray[Any]:
    import numpy as np

    data = json.loads(path.read_text(encoding="utf-8"))
    # What -o x.json wrote is a place to go on from.
    return np.array(data.get("x") if isinstance(data, dict) else data, dtype=float)


_ENDINGS: Mapping[str, Callable[[Path], Any]] = MappingProxyType(
    {".npy": _read_npy, ".txt": _read_text, ".json": _read_json}
)


def _save(path: Path, found: OptimizeResult, data: dict[str, Any]) -> None:
    from io import BytesIO

    import numpy as np

    from flowgraph.draw.writers import write_bytes

    if path.suffix == ".npy":
        buffer = BytesIO()
        np.save(buffer, found.x)
        content = buffer.getvalue()
    elif path.suffix == ".txt":
        content = "".join(f"{value!r}\n" for value in found.x.tolist()).encode()
    else:
        content = (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    write_bytes(content, path)


# -- answers ----------------------------------------------------------------------------------------------------------


def _number(value: float | None) -> float | None:
    # JSON has no infinity.
    return value if value is not None and math.isfinite(value) else None


def _as_json(source: str, found: OptimizeResult) -> dict[str, Any]:
    return {
        "schema": NEWTON_SCHEMA,
        "source": source,
        "success": found.success,
        "status": found.status.name.lower().replace("_", "-"),
        "message": found.message,
        "n": len(found.x),
        "x": found.x.tolist(),
        "fun": [_number(value) for value in found.fun.tolist()],
        "error": _number(found.error),
        "nit": found.nit,
        "nfev": found.nfev,
        "njev": found.njev,
        "history": [
            {
                "iteration": entry.iteration,
                "residual": entry.residual,
                "correction": _number(entry.correction),
                "step": entry.step,
                "damping": entry.damping,
            }
            for entry in found.history
        ],
    }


def _line(entry: NewtonIterate) -> str:
    parts = (("‖f‖", entry.residual), ("correction", entry.correction), ("damping", entry.damping))
    told = "  ".join(f"{name} {value:.3g}" for name, value in parts if value is not None)
    return f"iteration {entry.iteration}  {told}"


def _text(found: OptimizeResult) -> str:
    from flowgraph.program import text_table

    rows = [("iteration", "‖f‖", "correction", "step", "damping")]
    shown = found.history
    if len(shown) > 2 * _SHOWN:
        shown = (*shown[:_SHOWN], None, *shown[-_SHOWN:])
    for entry in shown:
        if entry is None:
            rows.append(("…", "", "", "", ""))
            continue
        rows.append(
            (
                str(entry.iteration),
                f"{entry.residual:.3e}",
                "" if entry.correction is None else f"{entry.correction:.1e}",
                "" if entry.step is None else f"{entry.step:.1e}",
                "" if entry.damping is None else f"{entry.damping:.3g}",
            )
        )
    values = found.x.tolist()
    words = [repr(value) for value in values[:_SHOWN]]
    if len(values) > _SHOWN:
        words.append(f"… ({len(values):,} numbers; -o FILE saves them)")
    table = text_table(rows, right=frozenset(range(5)))
    evaluations = f"{found.nfev} evaluation{'s' * (found.nfev != 1)} of f, {found.njev} of f with J"
    return f"{table}\n{found.message}; {evaluations}\nx = {', '.join(words)}"
