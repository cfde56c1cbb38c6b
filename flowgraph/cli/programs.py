"""``flowgraph describe``, ``flowgraph show`` and ``flowgraph verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowgraph.cli.options import FIGURE_FORMATS, FORMATS, METHODS, MODES, json_option, order_option, tracing_options
from flowgraph.cli.output import Progress, console, error_json, print_error, print_json, printable
from flowgraph.errors import FlowgraphError

if TYPE_CHECKING:
    from flowgraph.modes import Operations
    from flowgraph.program import Program
    from flowgraph.rewrite.derivation import Derivation
    from flowgraph.verification import Verification


def check_tracing(sources: tuple[str, ...], n: int | None, at: tuple[float, ...] | None) -> None:
    """Hold the options of tracing against the programs they are given for."""
    from flowgraph.user_code import is_python

    given = " and ".join(name for name, value in (("--n", n), ("--at", at)) if value is not None)
    if given and not any(map(is_python, sources)):
        raise click.UsageError(f"{given}: only for a Python function, path.py:function; a .fg file names its inputs")
    if n is not None and at is not None and len(at) != n:
        raise click.UsageError(f"--n {n} and --at with {len(at)} numbers do not fit")


def chosen_order(program: Program, order: tuple[str, ...] | None) -> Any:
    """The order that ``--order`` asks for; None where it asks for none, or for the command's own choice."""
    from flowgraph.lumping import best_order

    if order is None:
        return None
    if order == ("given",):
        return [k for k, needed in enumerate(program.liveness().needed.tolist()) if needed]
    return best_order(program) if order == ("best",) else order


def read_program(source: str, n: int | None, at: tuple[float, ...] | None) -> Program:
    """The program that an argument of the command line names."""
    from flowgraph.user_code import is_python, open_program

    return open_program(source, n=n, at=at) if is_python(source) else open_program(source)


# -- describe ---------------------------------------------------------------------------------------------------------


@click.command("describe")
@click.argument("program", metavar="PROGRAM")
@tracing_options
@json_option
def describe_command(program: str, n: int | None, at: tuple[float, ...] | None, as_json: bool) -> None:
    """Show a program as straight-line code with registers, widths and kinds, and what each mode costs.

    \b
    Examples:
      flowgraph describe program.fg
      flowgraph describe model.py:step --n 4 --json
      flowgraph describe model.py:step --at 0.1,0.2,0.3,0.4
    """
    check_tracing((program,), n, at)
    with Progress() as tell:
        tell("reading the program", 0, 1)
        found = read_program(program, n, at)
        modes = _modes(found, tell)
    if as_json:
        print_json(_description(click.format_filename(program), found, modes))
        return
    click.echo(printable(found.describe()))
    dead = _dead(found)
    if dead:
        click.echo(f"\ndead code, removed before any mode: {printable(', '.join(dead))}")
    click.echo("\n" + _costs(modes))


def _modes(program: Program, tell: Progress) -> dict[str, Any]:
    """By mode: its operation count, or the error that says why the mode does not apply."""
    from flowgraph.modes import count_operations

    found: dict[str, Any] = {}
    for k, mode in enumerate(MODES):
        tell(f"counting operations, {mode}", k, len(MODES))
        try:
            found[mode] = count_operations(program, mode)
        except FlowgraphError as error:
            found[mode] = error
    return found


def _dead(program: Program) -> list[str]:
    needed = program.liveness().needed
    return [program.name(program.n_inputs + k) for k in range(program.n_steps) if not needed[k]]


def _costs(modes: dict[str, Any]) -> str:
    lines = ["mode             labels, per point x   sweep, per vector"]
    reasons: dict[str, list[str]] = {}
    for mode, found in modes.items():
        if isinstance(found, FlowgraphError):
            reasons.setdefault(printable(str(found)), []).append(mode)
        else:
            lines.append(f"{mode:<15}  {_count(found.labels):<19}   {_count(found.sweep)}")
    if len(lines) == 1:
        lines = []
    for reason, names in reasons.items():
        lines.append(f"{' and '.join(names)} mode{'s do' if len(names) > 1 else ' does'} not apply: {reason}")
    return "\n".join(lines)


def _count(operations: Operations) -> str:
    return f"{operations.multiplications} ×, {operations.additions} +, {operations.divisions} ÷"


def _description(source: str, program: Program, modes: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    live, places, arguments = program.liveness(), program.registers().tolist(), program.arguments()
    steps = []
    for step in program.steps():
        k = step.index
        own = arguments[program.starts[k] : program.starts[k + 1]]
        place = places[program.n_inputs + k]
        steps.append(
            {
                "time": k + 1,
                "name": step.name,
                "text": str(step),
                "function": step.function,
                "known": step.operation is not None,
                "line": step.line or None,
                "register": place + 1 if place >= 0 else None,
                "width": int(live.widths[k + 1]),
                "kind": live.kind(k).value,
                "dies": [program.name(v) for v in live.died(k, own)] if live.active[k] else [],
            }
        )
    return {
        "schema": "flowgraph/description/1",
        "source": source,
        "n": program.n_inputs,
        "m": program.n_outputs,
        "n_steps": program.n_steps,
        "inputs": list(program.input_names),
        "outputs": list(program.output_names),
        "widths": live.widths.tolist(),
        "steps": steps,
        "dead_code": _dead(program),
        "branches": len(program.guards),
        "modes": {
            mode: {"applies": False, "error": error_json(found)}
            if isinstance(found, FlowgraphError)
            else {"applies": True, "operations": asdict(found)}
            for mode, found in modes.items()
        },
    }


# -- show -------------------------------------------------------------------------------------------------------------


@click.command("show")
@click.argument("program", metavar="PROGRAM")
@click.option("--mode", type=click.Choice(MODES), default="forward", show_default=True, help="The mode to derive.")
@click.option(
    "--stage", metavar="STAGE", help="primal, layered, inverted, shifted, unlayered, reversed; by default the last one."
)
@click.option(
    "--step", type=click.IntRange(min=0), metavar="K", help="The graph after K applications of rules, not of a stage."
)
@click.option("--output", "-o", metavar="FILE", help="The file to write; its ending names the format. - is stdout.")
@click.option("--format", "format", type=click.Choice(FORMATS), help="The format, where no file name tells it.")
@click.option("--sequence", is_flag=True, help="Draw every application of a rule, as one figure with many panels.")
@click.option("--derivation", is_flag=True, help="All stages, and which rule leads to each.")
@click.option("--all-stages", is_flag=True, help="Write every stage to a file of its own in the directory -o.")
@order_option
@tracing_options
@json_option
def show_command(
    program: str,
    mode: str,
    stage: str | None,
    step: int | None,
    output: str | None,
    format: str | None,
    sequence: bool,
    derivation: bool,
    all_stages: bool,
    order: tuple[str, ...] | None,
    n: int | None,
    at: tuple[float, ...] | None,
    as_json: bool,
) -> None:
    """Show the graph of a mode, or a stage on the way to it, as text, drawing or JSON.

    Without -o, the graph is printed as text.

    \b
    Examples:
      flowgraph show program.fg --mode forward-inverse
      flowgraph show program.fg --mode reverse-inverse --stage layered -o layered.svg
      flowgraph show program.fg --format dot -o - | dot -Tpdf > graph.pdf
      flowgraph show program.fg --mode forward-inverse --all-stages -o stages --format pdf
      flowgraph show program.fg --mode forward-inverse --order given --step 7 -o step-7.svg
      flowgraph show program.fg --mode forward-inverse --sequence -o sequence.pdf
      flowgraph show model.py:step --n 4 --derivation --json
    """
    check_tracing((program,), n, at)
    _check_show(stage, output, format, derivation, all_stages, as_json)
    _check_step(stage, step, output, sequence, derivation, all_stages, as_json)
    if output not in (None, "-") and format is None and not all_stages:
        from flowgraph.draw.writers import format_of

        format = format_of(output)
    if sequence:
        _check_drawing(format)
    with Progress() as tell:
        tell("reading the program", 0, 2)
        found = read_program(program, n, at)
        tell(f"deriving {mode} mode", 1, 2)
        from flowgraph.modes import derive

        result = derive(found, mode, order=chosen_order(found, order))
        name = _stage(result, stage)
        if as_json:
            graph = result.stages[name] if step is None else result.graph_after(step)
            print_json(result.to_json() if derivation else graph.to_json())
        elif derivation:
            click.echo(printable(_derivation_text(result)), nl=False)
        elif all_stages and output is not None:
            _write_stages(result, output, format or "svg")
        else:
            if sequence:
                from flowgraph.draw import draw_sequence, render

                data = render(draw_sequence(result, tell), format or "svg")
            else:
                data = _rendered(result, name, format or "txt", step)
            if output in (None, "-"):
                click.echo(data, nl=False)
            else:
                from flowgraph.draw.writers import write_bytes

                write_bytes(data, output)
                click.echo(click.format_filename(output))


def _check_show(
    stage: str | None, output: str | None, format: str | None, derivation: bool, all_stages: bool, as_json: bool
) -> None:
    """Refuse options that do not go together."""
    drawing = output is not None or format is not None
    if as_json and (drawing or all_stages):
        raise click.UsageError("--json prints the graph itself; leave out -o, --format and --all-stages")
    if derivation and (drawing or stage is not None or all_stages):
        raise click.UsageError("--derivation prints all stages; leave out --stage, -o, --format and --all-stages")
    if all_stages and (stage is not None or output in (None, "-")):
        raise click.UsageError("--all-stages needs a directory, -o DIR, and no --stage")
    if output == "-" and format is None:
        raise click.UsageError("-o - needs --format")
    if format is not None and output is None:
        raise click.UsageError("--format needs -o FILE, or -o - for standard output")


def _check_step(
    stage: str | None,
    step: int | None,
    output: str | None,
    sequence: bool,
    derivation: bool,
    all_stages: bool,
    as_json: bool,
) -> None:
    """Refuse options that do not go together with --step or --sequence."""
    if step is not None and (stage is not None or derivation or all_stages or sequence):
        raise click.UsageError("--step is one graph; leave out --stage, --derivation, --all-stages and --sequence")
    if sequence and (stage is not None or derivation or all_stages):
        raise click.UsageError("--sequence draws all steps; leave out --stage, --derivation and --all-stages")
    if sequence and as_json:
        raise click.UsageError("--sequence is a drawing; --derivation --json gives the same as JSON")
    if sequence and output is None:
        raise click.UsageError("--sequence needs -o FILE")


def _check_drawing(format: str | None) -> None:
    if format not in FIGURE_FORMATS:
        listed = ", ".join(FIGURE_FORMATS)
        raise click.UsageError(f"a figure cannot be written as {format}; end the file's name in one of {listed}")


def _stage(derivation: Derivation, stage: str | None) -> str:
    from flowgraph.errors import InputError

    if stage is None:
        return tuple(derivation.stages)[-1]
    if stage not in derivation.stages:
        raise InputError(
            f"{derivation.mode} mode has no such stage", got=repr(stage), expected=", ".join(derivation.stages)
        )
    return stage


def _rendered(derivation: Derivation, stage: str, format: str, step: int | None = None) -> bytes:
    from flowgraph.draw.writers import GRAPH_WRITERS, draw_graph, render, render_graph

    if format in GRAPH_WRITERS:
        graph = derivation.stages[stage] if step is None else derivation.graph_after(step)
        return render_graph(graph, format)
    return render(draw_graph(derivation, stage if step is None else None, step=step), format)


def _write_stages(derivation: Derivation, folder: str, format: str) -> None:
    from flowgraph.reproduce import put_files

    files = {
        f"{derivation.mode}-{k}-{stage}.{format}": _rendered(derivation, stage, format)
        for k, stage in enumerate(derivation.stages)
    }
    put_files(folder, files)
    for name in files:
        click.echo(f"{click.format_filename(folder)}/{name}")


def _derivation_text(derivation: Derivation) -> str:
    from flowgraph.draw.writers import render_graph

    parts = []
    for stage, graph in derivation.stages.items():
        steps = [step for step in derivation.steps if step.stage == stage]
        times = f"{len(steps)} application{'' if len(steps) == 1 else 's'}"
        how = f": rule {steps[0].rule}, {times}" if steps else ""
        parts.append(f"# stage {stage}{how}\n{render_graph(graph, 'txt').decode()}")
    return "\n".join(parts)


# -- verify -----------------------------------------------------------------------------------------------------------


@click.command("verify")
@click.argument("programs", metavar="PROGRAM...", nargs=-1, required=True)
@click.option("--mode", "modes", type=click.Choice(MODES), multiple=True, help="Only this mode; may be repeated.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="auto",
    show_default=True,
    help="auto is exact up to 200 steps, and in a prime field at random points above.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random points.")
@click.option("--verbose", "-v", is_flag=True, help="Every check of every program.")
@order_option
@tracing_options
@json_option
@click.pass_context
def verify_command(
    ctx: click.Context,
    programs: tuple[str, ...],
    modes: tuple[str, ...],
    method: str,
    seed: int,
    verbose: bool,
    order: tuple[str, ...] | None,
    n: int | None,
    at: tuple[float, ...] | None,
    as_json: bool,
) -> None:
    """Prove that the derived graphs of programs compute J, Jᵀ, J⁻¹ and J⁻ᵀ.

    Every application of every rule is checked for what it does to the map, the graph of every mode against the
    program's Jacobian, the labels against SymPy, and the numbers against NumPy. One program shows all checks, several
    show a line each and the checks that fail.

    A program that cannot be verified does not stop the others. Exit 1 if a check failed, else 3 if a program could
    not be verified.

    \b
    Examples:
      flowgraph verify program.fg
      flowgraph verify -v *.fg
      flowgraph verify model.py:step --n 4 --mode forward --mode reverse
    """
    from flowgraph.verification import verify

    check_tracing(programs, n, at)
    found: list[tuple[str, Verification | FlowgraphError]] = []
    with Progress() as progress:
        for k, source in enumerate(programs):
            shown = click.format_filename(source, shorten=True)

            def tell(what: str, done: int, total: int, shown: str = shown, k: int = k) -> None:
                progress(f"{shown}: {what}", k * total + done, len(programs) * total)

            tell("reading", 0, 1)
            try:
                program = read_program(source, n, at)
                chosen = chosen_order(program, order)
                report = verify(program, method=method, modes=modes or MODES, seed=seed, order=chosen, progress=tell)
                found.append((click.format_filename(source), report))
            except FlowgraphError as error:
                found.append((click.format_filename(source), error))
    failed = any(not isinstance(report, FlowgraphError) and not report.ok for _, report in found)
    refused = any(isinstance(report, FlowgraphError) for _, report in found)
    for _, report in found:
        if isinstance(report, FlowgraphError):
            print_error(report, ctx)
    if as_json:
        print_json(
            {
                "schema": "flowgraph/verifications/1",
                "ok": not failed and not refused,
                "programs": [
                    {"source": source, "ok": False, "error": error_json(report)}
                    if isinstance(report, FlowgraphError)
                    else {"source": source, "ok": report.ok, "verification": report.to_json()}
                    for source, report in found
                ],
            }
        )
    else:
        _print_verifications(found, verbose or len(found) == 1)
    if failed or refused:
        ctx.exit(1 if failed else 3)


def _print_verifications(found: list[tuple[str, Verification | FlowgraphError]], expanded: bool) -> None:
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    width = max(len(source) for source, _ in found)
    for source, report in found:
        name = f"{printable(source):<{width}}"
        if isinstance(report, FlowgraphError):
            # The whole of it is on standard error.
            line = Text.assemble(("✗ ", "bold red"), name, "  ", (printable(report.what), "red"))
            out.print(line, no_wrap=True, overflow="ellipsis")
            continue
        mark = ("✓ ", "green") if report.ok else ("✗ ", "bold red")
        failed = sum(not check.ok for check in report.checks)
        skipped = sum(check.skipped for check in report.checks)
        total = len(report.checks) - skipped
        verdict = f"{failed} of {total} checks FAIL" if failed else f"{total} checks hold"
        rest = f", {skipped} could not be made" if skipped else ""
        out.print(Text.assemble(mark, name, "  ", (f"{verdict}{rest}", "red" if failed else ""), f"  {report.method}"))
        rows = [check for check in report.checks if expanded or not check.ok]
        if rows:
            out.print(Padding(_table(rows), (0, 0, 0, 2), expand=False))


def _table(checks: list[Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        mark = Text("○", "dim") if check.skipped else Text("✓", "green") if check.ok else Text("✗", "bold red")
        detail = Text(check.detail, "dim")
        if check.witness:
            detail.append("\n" + printable(check.witness), "red")
        table.add_row(mark, check.subject, Text(check.method, "dim"), detail)
    return table
