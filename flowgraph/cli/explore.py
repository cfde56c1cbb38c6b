"""``flowgraph explore``."""

from __future__ import annotations

import shlex
import threading
from typing import Any

import click

from flowgraph.cli.options import tracing_options
from flowgraph.cli.output import Progress
from flowgraph.cli.programs import check_tracing


def _no_host(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            "there is no --host: the explorer answers on this machine only, at 127.0.0.1. "
            "From another machine use ssh -L PORT:127.0.0.1:PORT, with the same --port PORT"
        )


@click.command("explore")
@click.argument("programs", metavar="[PROGRAM]...", nargs=-1)
@click.option("--port", type=click.IntRange(1, 65535), help="The port on 127.0.0.1.  [default: any that is free]")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--host", hidden=True, expose_value=False, is_eager=True, callback=_no_host)
@tracing_options
def explore_command(
    programs: tuple[str, ...], port: int | None, no_browser: bool, n: int | None, at: tuple[float, ...] | None
) -> None:
    """Play with orders, lumps and derivations in the browser.

    Opens the programs, and the examples, on a page that this machine alone can see. A .fg file is opened as it stands,
    errors and all. Ctrl-C ends it. Needs the extra: pip install 'flowgraph[explore]'.

    \b
    Examples:
      flowgraph explore
      flowgraph explore program.fg
      flowgraph explore model.py:step --n 4 --port 8000 --no-browser
    """
    from flowgraph.explorer.server import require_extra, serve

    check_tracing(programs, n, at)
    require_extra()
    with Progress() as tell:
        opened = []
        for k, source in enumerate(programs):
            tell(f"reading {source}", k, len(programs))
            opened.append(_opened(source, n, at))
    serve(opened, port=port, ready=lambda address: _show(address, not no_browser))
    click.echo("the explorer has ended", err=True)


def _opened(source: str, n: int | None, at: tuple[float, ...] | None) -> dict[str, str]:
    """A program as the page opens it: its text, and what the command line calls it."""
    from pathlib import Path

    from flowgraph.language import format_program
    from flowgraph.user_code import is_python, open_program, read_text

    name = Path(source).name
    if not is_python(source):
        return {"name": name, "source": shlex.quote(source), "text": read_text(source)}
    options: list[Any] = [] if n is None else ["--n", n]
    options += [] if at is None else ["--at", ",".join(map(repr, at))]
    text = format_program(open_program(source, n=n, at=at))
    return {"name": name, "source": shlex.join([source, *map(str, options)]), "text": text}


def _show(address: str, browser: bool) -> None:
    click.echo(address)
    click.echo("the explorer runs here, for this machine only; Ctrl-C ends it", err=True)
    if browser:
        # A browser in the terminal runs until it is left, and the server is to run meanwhile.
        threading.Thread(target=_open_browser, args=(address,), daemon=True).start()


def _open_browser(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        click.echo(f"no browser could be opened; open {address} yourself", err=True)
