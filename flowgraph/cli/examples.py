"""``flowgraph examples``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowgraph.cli.options import json_option
from flowgraph.cli.output import print_json

if TYPE_CHECKING:
    from flowgraph.reproduce import Example

SCHEMA = "flowgraph/examples/1"


@click.command("examples")
@click.option("--output", "-o", metavar="DIR", help="Copy them into this directory, which is made where it is missing.")
@json_option
def examples_command(output: str | None, as_json: bool) -> None:
    """List the example programs that come with flowgraph, or copy them into a directory.

    A file of the same name that holds something else is not overwritten.

    \b
    Examples:
      flowgraph examples
      flowgraph examples -o papers_examples
    """
    from flowgraph.reproduce import copy_examples, examples

    programs = examples()
    written = None if output is None else copy_examples(output)
    if as_json:
        listed = [{"name": example.name, "summary": example.summary, "n": example.n} for example in programs]
        folder = None if output is None else click.format_filename(output)
        print_json({"schema": SCHEMA, "programs": listed, "folder": folder, "written": written})
    elif output is not None:
        for name in written or ():
            click.echo(click.format_filename(Path(output, name)))
    else:
        _print(programs)


def _print(programs: tuple[Example, ...]) -> None:
    width = max(len(example.name) for example in programs)
    for example in programs:
        click.echo(f"{example.name:<{width}}  {example.summary}")
    click.echo("copy them with `flowgraph examples -o papers_examples`")
