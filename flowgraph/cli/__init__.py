"""The command line: ``flowgraph reproduce``, ``figures``, ``show``, ``verify``, ``describe``, ``newton`` and others.

Exit codes: 0 all is well, 1 a check failed or no root was found, 2 the command is used wrongly, 3 bad input. What a
command answers goes to standard output, everything else to standard error. Nothing heavy is imported before a command
runs.
"""

from __future__ import annotations

import os
import sys

import click

from flowgraph.cli.code import code_command
from flowgraph.cli.examples import examples_command
from flowgraph.cli.explore import explore_command
from flowgraph.cli.orderings import analyze_command, orders_command
from flowgraph.cli.output import report_error
from flowgraph.cli.pictures import figures_command, reproduce_command
from flowgraph.cli.programs import describe_command, show_command, verify_command
from flowgraph.cli.roots import newton_command
from flowgraph.errors import FlowgraphError
from flowgraph.version import __version__

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class _Group(click.Group):
    """Commands whose errors become exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            # Where the terminal cannot show J⁻¹, a question mark is better than a crash.
            if reconfigure is not None and "utf" not in stream.encoding.lower():
                reconfigure(errors="replace")
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except FlowgraphError as error:
            report_error(error, ctx)
            ctx.exit(3)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # Python writes what is left when it ends, which would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_BROKEN_PIPE)
        return result


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", "-V", message="flowgraph %(version)s")
def main() -> None:
    """Graph rewriting for automatic differentiation: forward, reverse, and both inverse accumulation modes.

    A PROGRAM is a file in the paper's notation (.fg), or a Python function given as path.py:function.

    \b
    Examples:
      flowgraph reproduce                                  figures, checks and a page with both
      flowgraph describe program.fg                        registers, widths, kinds, costs
      flowgraph analyze program.fg                         lumps, blocks and cost of J⁻¹v
      flowgraph orders program.fg                          orders of the steps, best first
      flowgraph show program.fg --mode forward-inverse     the graph of a mode, as text
      flowgraph show program.fg -o graph.svg               the same as a drawing
      flowgraph code program.fg --mode forward-inverse     straight-line code of a mode
      flowgraph newton model.py:f --x0 1,2                 a root of f
      flowgraph explore program.fg                         orders and derivations in the browser
      flowgraph verify program.fg model.py:step --n 4      prove that the four modes are right
      flowgraph examples -o papers_examples                programs to start from

    \b
    Exit codes: 0 all is well, 1 a check failed or no root was found, 2 wrong usage, 3 bad input.
    """


main.add_command(reproduce_command)
main.add_command(figures_command)
main.add_command(show_command)
main.add_command(verify_command)
main.add_command(describe_command)
main.add_command(analyze_command)
main.add_command(orders_command)
main.add_command(newton_command)
main.add_command(code_command)
main.add_command(explore_command)
main.add_command(examples_command)
