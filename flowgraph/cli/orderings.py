"""``flowgraph analyze`` and ``flowgraph orders``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowgraph.cli.options import FIGURE_FORMATS, json_option, order_option, tracing_options
from flowgraph.cli.output import Progress, print_json, printable
from flowgraph.cli.programs import check_tracing, chosen_order, read_program

if TYPE_CHECKING:
    from flowgraph.program import Program
    from flowgraph.ranking import RankedOrder

ORDERS_SCHEMA = "flowgraph/orders/1"

_ALL = 2_000
"""Up to so many orders all are looked at."""

_SAMPLE = 200


@click.command("analyze")
@click.argument("program", metavar="PROGRAM")
@click.option(
    "--output", "-o", metavar="FILE", help="Draw the order with its lumps into a file; its ending names the format."
)
@order_option
@tracing_options
@json_option
def analyze_command(
    program: str,
    output: str | None,
    order: tuple[str, ...] | None,
    n: int | None,
    at: tuple[float, ...] | None,
    as_json: bool,
) -> None:
    """Tell whether inverse accumulation applies to a program, what has to be solved, and what it costs.

    Shows the width profile, the lumps of the given and of the best order with the reason why they exist, the blocks,
    and exact operation counts of J⁻¹v beside those of J v; or why the Jacobian is singular for every x. With -o it
    draws the program along the order instead, with its lumps or the values that make it singular.

    \b
    Examples:
      flowgraph analyze program.fg
      flowgraph analyze program.fg --order t1,z1,t2,z2
      flowgraph analyze program.fg --order best
      flowgraph analyze program.fg --order best -o lumps.svg
      flowgraph analyze model.py:step --n 4 --json
    """
    check_tracing((program,), n, at)
    if output is not None:
        if as_json:
            raise click.UsageError("--json prints the analysis; leave out -o")
        _draw_order(program, output, order, n, at)
        return
    with Progress() as tell:
        tell("reading the program", 0, 1)
        from flowgraph.analysis import analyze

        found = read_program(program, n, at)
        report = analyze(found, chosen_order(found, order), progress=tell)
        if as_json:
            data = report.to_json()
            print_json({"schema": data.pop("schema"), "source": click.format_filename(program), **data})
            return
        text = str(report)
    click.echo(printable(text))


def _draw_order(
    program: str, output: str, order: tuple[str, ...] | None, n: int | None, at: tuple[float, ...] | None
) -> None:
    """Write the drawing of a program along an order."""
    from flowgraph.draw import draw_lumps, write
    from flowgraph.draw.writers import format_of

    if output == "-" or (format := format_of(output)) not in FIGURE_FORMATS:
        listed = ", ".join(FIGURE_FORMATS)
        raise click.UsageError(f"-o draws into a file whose name ends in one of {listed}")
    with Progress() as tell:
        tell("reading the program", 0, 2)
        found = read_program(program, n, at)
        tell(f"drawing the order as {format}", 1, 2)
        write(draw_lumps(found, chosen_order(found, order)), output)
    click.echo(click.format_filename(output))


@click.command("orders")
@click.argument("program", metavar="PROGRAM")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many orders to show.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help=f"Look at so many random orders. Without it, at all of them up to {_ALL:,}, or at {_SAMPLE} random ones.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random orders.")
@tracing_options
@json_option
def orders_command(
    program: str,
    limit: int,
    sample: int | None,
    seed: int,
    n: int | None,
    at: tuple[float, ...] | None,
    as_json: bool,
) -> None:
    """List orders of a program's steps with their lumps and what J⁻¹v costs by them, best first.

    The program's own order and the best one are always among those looked at.

    \b
    Examples:
      flowgraph orders program.fg
      flowgraph orders program.fg --sample 1000 --seed 3 --limit 5
      flowgraph orders program.fg --json
    """
    check_tracing((program,), n, at)
    with Progress() as tell:
        tell("reading the program", 0, 1)
        found = read_program(program, n, at)
        from flowgraph.errors import InputError
        from flowgraph.orders import count_orders, enumerate_orders, sample_orders
        from flowgraph.ranking import rank_orders

        tell("counting orders", 0, 1)
        try:
            total = count_orders(found)
        except InputError:
            total = None
        every = sample is None and total is not None and total <= _ALL
        orders = list(enumerate_orders(found)) if every else sample_orders(found, sample or _SAMPLE, seed)
        ranked = rank_orders(found, orders, progress=tell)
    if as_json:
        print_json(_orders_json(click.format_filename(program), found, total, every, ranked, limit))
    else:
        click.echo(printable(_orders_text(found, total, every, ranked, limit)))


def _orders_text(program: Program, total: int | None, every: bool, ranked: tuple[RankedOrder, ...], limit: int) -> str:
    from flowgraph.program import text_table

    known = "too many orders to count" if total is None else f"{total:,} order{'s' * (total != 1)}"
    looked = "all looked at" if every else f"{len(ranked):,} looked at"
    rows = [("", "lumps", "largest l", "operations", "× J v", "order")]
    shown = ranked[:limit]
    own = [entry for entry in ranked if entry.given and entry not in shown]
    for place, entry in [*enumerate(shown, 1), *((ranked.index(entry) + 1, entry) for entry in own)]:
        mark = " (best order)" * entry.best + " (given order)" * entry.given
        rows.append(
            (
                str(place),
                str(len(entry.lumping)),
                str(max(entry.lumping.sizes.tolist(), default=0)),
                str(entry.operations) if entry.operations is not None else "too large to count",
                "" if entry.ratio is None else f"{entry.ratio:.2f}",
                _steps_text(program, entry.order) + mark,
            )
        )
    return f"{known}, {looked}; best first\n" + text_table(rows, right=frozenset(range(5)))


def _steps_text(program: Program, order: tuple[int, ...], most: int = 12) -> str:
    names = [program.name(program.n_inputs + k) for k in order]
    if len(names) > most:
        return " ".join([*names[: most - 1], "…", names[-1]])
    return " ".join(names) or "no steps"


def _orders_json(
    source: str, program: Program, total: int | None, every: bool, ranked: tuple[RankedOrder, ...], limit: int
) -> dict[str, Any]:
    def one(entry: RankedOrder) -> dict[str, Any]:
        return {
            "order": [program.name(program.n_inputs + k) for k in entry.order],
            "lumps": len(entry.lumping),
            "sizes": entry.lumping.sizes.tolist(),
            "operations": entry.operations,
            "ratio": entry.ratio,
            "given": entry.given,
            "best": entry.best,
        }

    return {
        "schema": ORDERS_SCHEMA,
        "source": source,
        "total": total,
        "complete": every,
        "looked_at": len(ranked),
        "orders": [one(entry) for entry in ranked[:limit]],
        "given": next(one(entry) for entry in ranked if entry.given),
    }
