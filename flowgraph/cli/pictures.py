"""``flowgraph figures`` and ``flowgraph reproduce``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowgraph.cli.options import FIGURE_FORMATS, List, json_option
from flowgraph.cli.output import Progress, console, print_json, printable

if TYPE_CHECKING:
    from flowgraph.reproduce import Report


@click.command("figures")
@click.option(
    "--output", "-o", default="figures", metavar="DIR", show_default=True, help="Where the files are written."
)
@click.option(
    "--format",
    "formats",
    type=List(FIGURE_FORMATS),
    default=",".join(FIGURE_FORMATS),
    show_default=True,
    metavar="F1,F2,...",
    help="The formats to write.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file is not what would be written.")
@json_option
@click.pass_context
def figures_command(ctx: click.Context, output: str, formats: tuple[str, ...], check: bool, as_json: bool) -> None:
    """Draw Figures 1 to 4 of the paper (arXiv:2411.18786), 5 on what has to be solved, 6 on differential equations.

    \b
    Examples:
      flowgraph figures
      flowgraph figures -o paper/figures --format pdf,tex
      flowgraph figures --check
    """
    from flowgraph.reproduce import figure_drift, figure_files, put_files

    with Progress() as tell:
        tell("drawing figures", 0, 1)
        files = figure_files(formats)
    folder = click.format_filename(output)
    if check:
        drift = figure_drift(output, files)
        if as_json:
            answer = {"schema": "flowgraph/figures/1", "folder": folder, "ok": not drift, "drift": drift}
            print_json({**answer, "files": list(files)})
        elif drift:
            for name, state in drift.items():
                click.echo(f"{state:<9}  {folder}/{name}")
            click.echo(f"{len(drift)} of {len(files)} files are not what `flowgraph figures` writes")
        else:
            click.echo(f"all {len(files)} files in {folder} are what `flowgraph figures` writes")
        if drift:
            ctx.exit(1)
        return
    put_files(output, files)
    if as_json:
        print_json({"schema": "flowgraph/figures/1", "folder": folder, "ok": True, "files": list(files)})
    else:
        for name in files:
            click.echo(f"{folder}/{name}")


@click.command("reproduce")
@click.option(
    "--output",
    "-o",
    default="reproduction",
    metavar="DIR",
    show_default=True,
    help="A new directory, or an earlier one.",
)
@click.option("--examples", metavar="DIR", help="A folder of programs to verify in place of flowgraph's own.")
@json_option
@click.pass_context
def reproduce_command(ctx: click.Context, output: str, examples: str | None, as_json: bool) -> None:
    """Draw the figures, verify every example program, and write a page that shows both.

    The directory gets index.html, verification.json, and figures/. It is written as a whole at the end: a run that
    fails leaves what was there. Exit 1 if any check fails.

    \b
    Examples:
      flowgraph reproduce
      flowgraph reproduce -o results --json
    """
    from pathlib import Path

    from flowgraph.reproduce import examples as programs
    from flowgraph.reproduce import reproduce

    wanted = programs(None if examples is None else Path(examples))
    command = "flowgraph reproduce" if examples is None else f"flowgraph reproduce --examples {printable(examples)}"
    with Progress() as tell:
        report = reproduce(output, wanted, command, tell)
    index = f"{click.format_filename(output)}/index.html"
    if as_json:
        print_json({**report.to_json(), "index": index})
    else:
        _print_report(report, index)
    if not report.ok:
        ctx.exit(1)


def _print_report(report: Report, index: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("program")
    table.add_column("n", justify="right")
    table.add_column("steps", justify="right")
    table.add_column("checks", justify="right")
    table.add_column("")
    for program in report.programs:
        checks = program.verification.checks if program.verification else ()
        mark = Text("✓", "green") if program.ok else Text("✗", "bold red")
        failed = [check.subject for check in checks if not check.ok]
        note = program.error.what if program.error else ", ".join(failed)
        held = f"{sum(check.ok and not check.skipped for check in checks)}/{len(checks)}"
        row = (printable(program.example.name), str(program.n), str(program.steps), held)
        table.add_row(mark, *row, Text(printable(note), "red"))
    out = console()
    out.print(table)
    held, failed, skipped = report.checks
    if failed:
        out.print(Text(f"{failed} of {held + failed} checks FAIL", "bold red"))
    else:
        rest = f", {skipped} could not be made" if skipped else ""
        out.print(Text(f"all {held} checks hold{rest}", "green"))
    click.echo(f"look at {index}")
