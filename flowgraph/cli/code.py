"""``flowgraph code``."""

from __future__ import annotations

import click

from flowgraph.cli.options import MODES, json_option, order_option, tracing_options
from flowgraph.cli.output import Progress, print_json
from flowgraph.cli.programs import check_tracing, chosen_order, read_program

CODE_SCHEMA = "flowgraph/code/1"

CODE_MODES = (*MODES, "primal")
LANGUAGES = ("numpy", "c", "latex", "fg")


@click.command("code")
@click.argument("program", metavar="PROGRAM")
@click.option(
    "--mode",
    type=click.Choice(CODE_MODES),
    default="forward",
    show_default=True,
    help="The mode to write; primal is the program alone.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="numpy",
    show_default=True,
    help="Python with NumPy, C99, LaTeX for amsmath, or the paper's notation.",
)
@click.option("--name", metavar="NAME", help="What the function is called.  [default: the mode]")
@click.option("--output", "-o", metavar="FILE", help="The file to write; standard output without it.")
@order_option
@tracing_options
@json_option
def code_command(
    program: str,
    mode: str,
    language: str,
    name: str | None,
    output: str | None,
    order: tuple[str, ...] | None,
    n: int | None,
    at: tuple[float, ...] | None,
    as_json: bool,
) -> None:
    """Write the straight-line code of a mode, with registers reused in place.

    Forward and reverse inverse mode run beside the program, reverse and forward inverse mode after it. A lump of
    several values is solved with a small matrix.

    \b
    Examples:
      flowgraph code program.fg --mode forward-inverse
      flowgraph code program.fg --mode reverse-inverse --language c -o solve.c
      flowgraph code program.fg --mode forward-inverse --language latex
      flowgraph code program.fg --mode reverse --language fg | flowgraph describe /dev/stdin
      flowgraph code model.py:step --n 4 --mode forward-inverse --name step_inverse
    """
    check_tracing((program,), n, at)
    if as_json and output is not None:
        raise click.UsageError("--json prints the code itself; leave out -o")
    with Progress() as tell:
        tell("reading the program", 0, 2)
        found = read_program(program, n, at)
        tell(f"writing {mode} mode", 1, 2)
        from flowgraph.codegen.generate import generate_code

        text = generate_code(found, mode, language, name=name, order=chosen_order(found, order))
    if as_json:
        source = click.format_filename(program)
        print_json({"schema": CODE_SCHEMA, "source": source, "mode": mode, "language": language, "code": text})
    elif output in (None, "-"):
        click.echo(text, nl=False)
    else:
        from flowgraph.draw.writers import write_bytes

        write_bytes(text.encode(), output)
        click.echo(click.format_filename(output))
