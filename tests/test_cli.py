"""The command line: every command, every exit code, and that bad input leaves nothing behind."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flowgraph.cli import main
from flowgraph.cli.options import FIGURE_FORMATS, FORMATS, METHODS, MODES
from flowgraph.cli.output import Progress, printable
from flowgraph.draw import FIGURES, draw_graph, draw_lumps, draw_sequence, render
from flowgraph.draw import FORMATS as DRAW_FORMATS
from flowgraph.draw.writers import render_graph
from flowgraph.errors import InputError
from flowgraph.graph import Workspace
from flowgraph.language import load, parse
from flowgraph.modes import Mode, count_operations, derive
from flowgraph.reproduce import FIGURE_FORMATS as WRITTEN_FORMATS
from flowgraph.reproduce import figure_files
from flowgraph.rewrite import Site
from flowgraph.rewrite.derivation import Derivation
from flowgraph.rewrite.invert import Invert
from flowgraph.verification import verify
from flowgraph.version import __version__

EXAMPLES = Path(__file__).parent.parent / "papers_examples"
FIGURE2 = str(EXAMPLES / "figure2.fg")
POLAR = f"{EXAMPLES / 'polar.py'}:polar"
COMMANDS = (
    "reproduce",
    "figures",
    "show",
    "verify",
    "describe",
    "analyze",
    "orders",
    "newton",
    "explore",
    "examples",
    "code",
)
HEAVY = ("sympy", "matplotlib", "networkx", "numpy", "scipy", "graphviz", "rich")


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def answer(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The one JSON object that a command prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    data = json.loads(result.stdout)
    assert re.fullmatch(r"flowgraph/[a-z]+/1", data["schema"])
    return data


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wrong_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of inversion with a wrong sign."""
    rewrite = Invert.rewrite

    def wrong(self: Invert, work: Workspace, site: Site) -> None:
        rewrite(self, work, site)
        row = work.rows[site.vertices[0]]
        work.set_row(site.vertices[0], tuple((source, work.algebra.neg(a), carry) for source, a, carry in row))

    monkeypatch.setattr(Invert, "rewrite", wrong)


# -- help ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=lambda a: "-".join(a) or "flowgraph")
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(arguments: list[str], flag: str):
    result = run(*arguments, flag)
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert set(COMMANDS) == set(main.commands)


def test_version():
    assert run("--version").stdout == f"flowgraph {__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom flowgraph.cli import main\n"
        f"for words in ([], *([name] for name in {COMMANDS!r})):\n"
        "    main([*words, '--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"


def test_the_examples_of_the_help_are_commands():
    for name, command in main.commands.items():
        for line in (command.help or "").splitlines():
            words = re.sub(r"\s*[|#].*", "", line.strip()).split()
            if words[:1] == ["flowgraph"]:
                assert words[1] == name
                command.make_context(name, words[2:])


def test_choices_are_those_of_the_library():
    assert MODES == tuple(Mode)
    assert FORMATS == DRAW_FORMATS
    assert FIGURE_FORMATS == WRITTEN_FORMATS
    program = parse("inputs x\ny = exp(x)\noutputs y")
    assert all(verify(program, method=method).ok for method in METHODS)
    with pytest.raises(InputError, match="no such method") as caught:
        verify(program, method="")
    assert sorted(re.findall("'([^']+)'", str(caught.value.expected))) == sorted(METHODS)


# -- describe ------------------------------------------------------------------------------------------------------


def test_describe():
    result = run("describe", FIGURE2)
    assert result.exit_code == 0
    assert load(FIGURE2).describe() in result.stdout
    assert re.search(r"reverse-inverse +2 ×, 0 \+, 2 ÷ +4 ×, 2 \+, 0 ÷", result.stdout)
    assert "dead code" not in result.stdout
    assert result.stderr == ""


def test_describe_json():
    data = answer("describe", FIGURE2)
    assert data["schema"] == "flowgraph/description/1"
    assert (data["n"], data["m"], data["n_steps"]) == (3, 3, 2)
    assert (data["inputs"], data["outputs"]) == (["x1", "x2", "x3"], ["z1", "x2", "z2"])
    assert data["widths"] == [3, 3, 3]
    assert [(s["text"], s["register"], s["kind"], s["dies"]) for s in data["steps"]] == [
        ("z1 = f(x1, x2)", 1, "equasive", ["x1"]),
        ("z2 = g(x3, z1)", 3, "equasive", ["x3"]),
    ]
    assert set(data["modes"]) == set(MODES)
    for mode in MODES:
        found = data["modes"][mode]["operations"]
        count = count_operations(load(FIGURE2), mode)
        assert found["sweep"]["multiplications"] == count.sweep.multiplications
        assert found["labels"]["divisions"] == count.labels.divisions


def test_describe_what_has_no_inverse(elsewhere: Path):
    (elsewhere / "dead.fg").write_text("inputs a, b\nc = a + b\nd = sin(a)\ne = c*c\noutputs c, e\n")
    result = run("describe", "dead.fg")
    assert result.exit_code == 0
    assert "dead code, removed before any mode: d\n" in result.stdout
    assert "forward-inverse and reverse-inverse modes do not apply: the Jacobian is singular" in result.stdout
    assert "this 1 value separates 2 inputs (a, b) from 2 outputs (c, e): c (line 2)" in result.stdout
    data = answer("describe", "dead.fg")
    assert data["dead_code"] == ["d"]
    assert data["steps"][1]["kind"] == "dead"
    assert data["steps"][1]["register"] is None
    assert data["modes"]["forward"]["applies"] is True
    assert data["modes"]["forward-inverse"]["applies"] is False
    for mode in ("forward-inverse", "reverse-inverse"):
        error = data["modes"][mode]["error"]
        assert error["error"] == "NotInvertible"
        assert error["where"] == "this 1 value separates 2 inputs (a, b) from 2 outputs (c, e): c (line 2)"
        assert (error["got"], error["expected"]) == ("structural rank 1", "rank 2")


def test_describe_a_function():
    data = answer("describe", POLAR, "--n", "2")
    assert [step["text"] for step in data["steps"]] == ["t1 = hypot(x1, x2)", "t2 = x2 / t1", "t3 = asin(t2)"]
    assert data["branches"] == 0


def test_describe_at_a_point(elsewhere: Path):
    (elsewhere / "model.py").write_text("def f(x):\n    return x * x if x[0] > 1 else -x\n")
    assert answer("describe", "model.py:f", "--at", "2, 3")["branches"] == 1
    squares = answer("describe", "model.py:f", "--at=2,3")["steps"]
    negations = answer("describe", "model.py:f", "--at=-2,3")["steps"]
    assert squares[-1]["function"] != negations[-1]["function"] == "neg"


# -- show ----------------------------------------------------------------------------------------------------------


def test_show_prints_text():
    assert run("show", FIGURE2).stdout == render_graph(derive(load(FIGURE2), "forward").graph, "txt").decode()
    for mode in MODES:
        derivation = derive(load(FIGURE2), mode)
        for stage, graph in derivation.stages.items():
            result = run("show", FIGURE2, "--mode", mode, "--stage", stage)
            assert result.exit_code == 0
            assert result.stdout == render_graph(graph, "txt").decode()


@pytest.mark.parametrize("format", FORMATS)
def test_show_writes_files(elsewhere: Path, format: str):
    result = run("show", FIGURE2, "--mode", "reverse-inverse", "-o", f"out.{format}")
    assert (result.exit_code, result.stdout) == (0, f"out.{format}\n")
    assert list(listing(elsewhere)) == [f"out.{format}"]
    written = (elsewhere / f"out.{format}").read_bytes()
    magic = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG", "tex": b"", "dot": b"digraph", "txt": b"inputs"}
    assert written.startswith(magic[format])
    assert len(written) > 100
    piped = CliRunner().invoke(main, ["show", FIGURE2, "--mode", "reverse-inverse", "--format", format, "-o", "-"])
    assert piped.stdout_bytes == written
    other = run("show", FIGURE2, "--mode", "reverse-inverse", "--format", format, "-o", "plain")
    assert other.exit_code == 0
    assert (elsewhere / "plain").read_bytes() == written


def test_show_json():
    derivation = derive(load(FIGURE2), "forward-inverse")
    assert answer("show", FIGURE2, "--mode", "forward-inverse") == derivation.graph.to_json()
    layered = answer("show", FIGURE2, "--mode", "forward-inverse", "--stage", "layered")
    assert layered == derivation.stages["layered"].to_json()
    whole = answer("show", FIGURE2, "--mode", "forward-inverse", "--derivation")
    assert whole["schema"] == "flowgraph/derivation/1"
    assert Derivation.from_json(whole) == derivation


def test_show_derivation():
    text = run("show", FIGURE2, "--mode", "forward-inverse", "--derivation").stdout
    stages = re.findall("^# stage (.*)$", text, re.MULTILINE)
    assert [stage.split(":")[0] for stage in stages] == list(derive(load(FIGURE2), "forward-inverse").stages)
    assert "inverted: rule invert, 2 applications" in stages


def test_show_all_stages(elsewhere: Path):
    result = run("show", FIGURE2, "--mode", "reverse", "--all-stages", "-o", "stages", "--format", "tex")
    names = ["reverse-0-primal.tex", "reverse-1-layered.tex", "reverse-2-unlayered.tex", "reverse-3-reversed.tex"]
    assert result.stdout.splitlines() == [f"stages/{name}" for name in names]
    assert sorted(path.name for path in (elsewhere / "stages").iterdir()) == names


# -- verify --------------------------------------------------------------------------------------------------------


def test_show_a_step(elsewhere: Path):
    program = EXAMPLES / "figure2.fg"
    derivation = derive(load(program), "forward-inverse", order=[0, 1])
    options = ("--mode", "forward-inverse", "--order", "given", "--step", "4")
    assert run("show", program, *options).stdout == render_graph(derivation.graph_after(4), "txt").decode()
    assert answer("show", program, *options, "--json") == derivation.graph_after(4).to_json()
    assert run("show", program, *options, "-o", "step.svg").stdout == "step.svg\n"
    assert (elsewhere / "step.svg").read_bytes() == render(draw_graph(derivation, step=4), "svg")
    first = run("show", program, "--step", "0", "--format", "txt", "-o", "-").stdout
    assert first == render_graph(derivation.stages["primal"], "txt").decode()
    refused = run("show", program, "--mode", "forward-inverse", "--step", "13")
    assert refused.exit_code == 3
    assert "0 to 12" in refused.stderr


@pytest.mark.parametrize("format", FIGURE_FORMATS)
def test_show_the_sequence(elsewhere: Path, format: str):
    program = EXAMPLES / "figure2.fg"
    done = run("show", program, "--mode", "reverse", "--sequence", "-o", f"sequence.{format}")
    assert (done.exit_code, done.stdout) == (0, f"sequence.{format}\n")
    expected = render(draw_sequence(derive(load(program), "reverse")), format)
    assert (elsewhere / f"sequence.{format}").read_bytes() == expected


@pytest.mark.parametrize("name", ["two_orders.fg", "bottleneck.fg"])
def test_analyze_draws(elsewhere: Path, name: str):
    done = run("analyze", EXAMPLES / name, "--order", "given", "-o", "lumps.svg")
    assert (done.exit_code, done.stdout) == (0, "lumps.svg\n")
    assert (elsewhere / "lumps.svg").read_bytes() == render(draw_lumps(load(EXAMPLES / name)), "svg")


@pytest.mark.parametrize(
    "options",
    [
        ["show", "--step", "1", "--stage", "primal"],
        ["show", "--step", "1", "--derivation"],
        ["show", "--step", "1", "--sequence", "-o", "s.svg"],
        ["show", "--step", "-1"],
        ["show", "--sequence"],
        ["show", "--sequence", "--json"],
        ["show", "--sequence", "--stage", "primal", "-o", "s.svg"],
        ["show", "--sequence", "-o", "s.dot"],
        ["show", "--sequence", "--format", "txt", "-o", "-"],
        ["analyze", "-o", "lumps.dot"],
        ["analyze", "-o", "-"],
        ["analyze", "-o", "lumps.svg", "--json"],
    ],
    ids=" ".join,
)
def test_drawings_that_do_not_go_together(elsewhere: Path, options: list[str]):
    done = run(options[0], EXAMPLES / "figure2.fg", *options[1:])
    assert done.exit_code == 2
    assert "Error: " in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_verify_one():
    result = run("verify", FIGURE2)
    report = verify(load(FIGURE2))
    assert result.exit_code == 0
    assert f"✓ {FIGURE2}" in result.stdout
    for check in report.checks:
        assert check.subject in result.stdout


def test_verify_many_is_a_line_each():
    result = run("verify", FIGURE2, EXAMPLES / "atomic.fg", POLAR, "--n", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("✓") and "checks hold" in line for line in lines)
    assert len(run("verify", "-v", FIGURE2, EXAMPLES / "atomic.fg").stdout.splitlines()) > 20


def test_verify_json_and_options():
    data = answer("verify", FIGURE2, "--method", "prime-field", "--mode", "reverse", "--mode", "forward", "--seed", "7")
    expected = verify(load(FIGURE2), method="prime-field", modes=["reverse", "forward"], seed=7)
    assert data == {
        "schema": "flowgraph/verifications/1",
        "ok": True,
        "programs": [{"source": FIGURE2, "ok": True, "verification": expected.to_json()}],
    }
    assert any("miss < 2" in check.method for check in expected.checks)


def test_a_failed_check_is_exit_1(wrong_rule: None):
    result = run("verify", FIGURE2, EXAMPLES / "atomic.fg")
    assert result.exit_code == 1
    assert "✗" in result.stdout
    assert "FAIL" in result.stdout
    assert "rule invert replaces one layer by its inverse transpose" in result.stdout
    data = answer("verify", FIGURE2, code=1)
    assert data["ok"] is False
    failed = {c["subject"] for c in data["programs"][0]["verification"]["checks"] if not c["ok"]}
    assert {"forward-inverse = J⁻¹", "reverse-inverse = J⁻ᵀ"} <= failed
    assert "forward = J" not in failed


def test_a_program_that_is_refused_does_not_stop_the_others(elsewhere: Path):
    (elsewhere / "narrow.fg").write_text("inputs a, b\nc = a + b\noutputs c\n")
    result = run("verify", "narrow.fg", "nowhere.fg", FIGURE2)
    assert result.exit_code == 3
    assert [line[0] for line in result.stdout.splitlines()] == ["✗", "✗", "✓"]
    assert result.stderr.count("Error:") == 2
    assert "as many outputs as inputs" in result.stderr
    data = answer("verify", "narrow.fg", FIGURE2, code=3)
    assert [program["ok"] for program in data["programs"]] == [False, True]
    assert data["programs"][0]["error"]["error"] == "NotInvertible"
    assert run("verify", "narrow.fg", "--mode", "forward", "--mode", "reverse").exit_code == 0


def test_a_failed_check_is_not_hidden_by_a_refused_program(elsewhere: Path, wrong_rule: None):
    assert run("verify", "nowhere.fg", FIGURE2).exit_code == 1


# -- figures and reproduce -----------------------------------------------------------------------------------------


def test_figures_and_check(elsewhere: Path):
    expected = figure_files(("svg", "tex"))
    missing = run("figures", "--check", "--format", "svg,tex")
    assert missing.exit_code == 1
    assert missing.stdout.count("missing") == 2 * len(FIGURES)
    assert listing(elsewhere) == {}
    result = run("figures", "--format", "svg,tex")
    assert result.stdout.splitlines() == [f"figures/{name}" for name in expected]
    assert {name: data for name, data in listing(elsewhere / "figures").items()} == expected
    assert run("figures", "--check", "--format", "svg,tex").exit_code == 0
    (elsewhere / "figures/figure-2.svg").write_text("drift")
    drifted = run("figures", "--check", "--format", "svg,tex")
    assert drifted.exit_code == 1
    assert "different  figures/figure-2.svg" in drifted.stdout
    assert f"1 of {2 * len(FIGURES)} files" in drifted.stdout
    data = answer("figures", "--check", "--format", "svg,tex", code=1)
    assert data["drift"] == {"figure-2.svg": "different"}
    assert (elsewhere / "figures/figure-2.svg").read_text() == "drift"
    data = answer("figures", "-o", "other", "--format", "tex")
    assert data == {
        "schema": "flowgraph/figures/1",
        "folder": "other",
        "ok": True,
        "files": [f"figure-{number}.tex" for number in FIGURES],
    }


def examples(folder: Path, *names: str) -> Path:
    chosen = folder / "chosen"
    chosen.mkdir()
    for name in names:
        (chosen / name).write_bytes((EXAMPLES / name).read_bytes())
    return chosen


def test_reproduce(elsewhere: Path):
    chosen = examples(elsewhere, "figure2.fg", "polar.py")
    result = run("reproduce", "--examples", chosen)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "look at reproduction/index.html"
    assert "figure2.fg" in result.stdout
    assert "polar.py:polar" in result.stdout
    assert "checks hold" in result.stdout
    record = json.loads((elsewhere / "reproduction/verification.json").read_bytes())
    data = answer("reproduce", "--examples", chosen)
    assert data["index"] == "reproduction/index.html"
    assert {**data, "files": record["files"]} == {**record, "index": data["index"]}


def test_reproduce_with_a_failed_check(elsewhere: Path, wrong_rule: None):
    result = run("reproduce", "--examples", examples(elsewhere, "figure2.fg"), "-o", "out")
    assert result.exit_code == 1
    assert re.search(r"\d+ of \d+ checks FAIL", result.stdout)
    assert "✗" in (elsewhere / "out/index.html").read_text(encoding="utf-8")
    assert json.loads((elsewhere / "out/verification.json").read_bytes())["ok"] is False


# -- bad input -----------------------------------------------------------------------------------------------------

FILES = {
    "undefined.fg": b"inputs x\ny = z\noutputs y\n",
    "binary.fg": b"\x7fELF\x02\x00\x01",
    "latin.fg": "inputs x\n# \xe9\n".encode("latin-1"),
    "empty.fg": b"",
    "narrow.fg": b"inputs a, b\nc = a + b\noutputs c\n",
    "contractive.fg": b"inputs a, b\nc = a + b\nd = exp(c)\ne = c*d\noutputs d, e\n",
    "zero.fg": b"inputs x\ny = x - x\noutputs y\n",
    "raises.py": b"def f(x):\n    return x / [][0]\ndef scalars(u, w):\n    return u, w\ndef v(x):\n    return x\n",
    "broken.py": b"x = 1\nraise RuntimeError('at import')\n",
    "syntax.py": b"def f(:\n",
    "file": b"",
}

BAD = {
    "missing": (["verify", "nowhere.fg"], "InputError", "cannot be read"),
    "missing-example": (["show", "papers_examples/polar.fg"], "InputError", "`flowgraph examples` lists some"),
    "missing-python": (["show", "nowhere.py:f"], "InputError", "cannot be read"),
    "directory": (["describe", "."], "InputError", "directory"),
    "no-program": (["describe", "file"], "InputError", "names no program"),
    "undefined": (["describe", "undefined.fg"], "ParseError", "line 2, column 5"),
    "binary": (["describe", "binary.fg"], "ParseError", "binary data"),
    "latin": (["describe", "latin.fg"], "InputError", "UTF-8"),
    "empty": (["describe", "empty.fg"], "ParseError", "inputs"),
    "not-square": (["show", "narrow.fg", "--mode", "forward-inverse"], "NotInvertible", "as many outputs"),
    "singular": (
        ["show", "contractive.fg", "--mode", "reverse-inverse", "-o", "a.svg"],
        "NotInvertible",
        "this 1 value separates",
    ),
    "zero-pivot": (["show", "zero.fg", "--mode", "forward-inverse"], "NotInvertible", "singular"),
    "raises": (["describe", "raises.py:f", "--n", "1"], "TraceError", "raises.py, line 2"),
    "at-import": (["describe", "broken.py:f", "--n", "1"], "InputError", "broken.py, line 2"),
    "syntax": (["describe", "syntax.py:f", "--n", "1"], "InputError", "not Python"),
    "no-function": (["describe", "raises.py"], "InputError", "name one of its functions"),
    "wrong-function": (["describe", "raises.py:scalrs"], "InputError", "did you mean scalars?"),
    "no-n": (["describe", "raises.py:v"], "InputError", "--n N"),
    "wrong-n": (["describe", "raises.py:scalars", "--n", "3"], "InputError", "3 inputs"),
    "stage": (["show", FIGURE2, "--stage", "inverted"], "InputError", "primal, layered, unlayered"),
    "ending": (["show", FIGURE2, "-o", "graph.gif"], "InputError", "gif"),
    "no-folder": (["show", FIGURE2, "-o", "no/such/folder/graph.svg"], "InputError", "cannot be written"),
    "folder": (["show", FIGURE2, "-o", "taken.svg"], "InputError", "cannot be written"),
    "stages": (["show", FIGURE2, "--all-stages", "-o", "file/deep"], "InputError", "cannot be written"),
    "figures": (["figures", "--format", "tex", "-o", "file"], "InputError", "cannot be written"),
    "figures-deep": (["figures", "--format", "tex", "-o", "file/deep"], "InputError", "cannot be written"),
    "reproduce": (["reproduce", "-o", "."], "InputError", "would be lost"),
    "reproduce-file": (["reproduce", "-o", "file"], "InputError", "no directory"),
    "no-examples": (["reproduce", "--examples", "taken.svg"], "InputError", "holds no program"),
}


@pytest.fixture
def files(elsewhere: Path) -> Path:
    for name, data in FILES.items():
        (elsewhere / name).write_bytes(data)
    (elsewhere / "taken.svg").mkdir()
    return elsewhere


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_exit_3(files: Path, name: str):
    arguments, kind, says = BAD[name]
    before = listing(files)
    result = run(*arguments)
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("Error: ")
    assert says in result.stderr
    # With --json, show prints the graph itself and takes no file.
    if not ("-o" in arguments and arguments[0] == "show"):
        data = answer(*arguments, code=3)
        error = data["programs"][0]["error"] if arguments[0] == "verify" else data
        assert error["schema"] == "flowgraph/error/1"
        assert error["error"] == kind
        assert says in json.dumps(error, ensure_ascii=False)
        assert set(error) == {"schema", "error", "message", "where", "got", "expected", "remedy"}
    assert listing(files) == before


USAGE = {
    "no-command": (["frobnicate"], "No such command"),
    "no-program": (["verify"], "Missing argument"),
    "mode": (["show", FIGURE2, "--mode", "sideways"], "'sideways' is not one of"),
    "format": (["show", FIGURE2, "--format", "gif", "-o", "-"], "'gif' is not one of"),
    "method": (["verify", FIGURE2, "--method", "guess"], "'guess' is not one of"),
    "figure-format": (["figures", "--format", "svg,dot"], "'dot' is not one of"),
    "n-of-a-file": (["describe", FIGURE2, "--n", "3"], "--n: only for a Python function"),
    "at-of-a-file": (["verify", FIGURE2, "--at", "1,2,3"], "--at: only for a Python function"),
    "n-negative": (["describe", POLAR, "--n", "-1"], "-1"),
    "n-word": (["describe", POLAR, "--n", "two"], "'two'"),
    "n-and-at": (["describe", POLAR, "--n", "3", "--at", "1,2"], "do not fit"),
    "at-words": (["describe", POLAR, "--at", "1;2"], "is not a list of numbers"),
    "at-nan": (["describe", POLAR, "--at", "1,nan"], "not finite"),
    "format-alone": (["show", FIGURE2, "--format", "svg"], "--format needs -o"),
    "stdout-alone": (["show", FIGURE2, "-o", "-"], "-o - needs --format"),
    "json-and-file": (["show", FIGURE2, "--json", "-o", "a.svg"], "leave out -o"),
    "derivation-and-stage": (["show", FIGURE2, "--derivation", "--stage", "primal"], "leave out --stage"),
    "stages-nowhere": (["show", FIGURE2, "--all-stages"], "needs a directory"),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_exit_2(elsewhere: Path, name: str):
    arguments, says = USAGE[name]
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
    assert listing(elsewhere) == {}


def test_traceback_is_shown_on_demand(files: Path):
    result = CliRunner().invoke(main, ["describe", "raises.py:f", "--n", "1", "--traceback"])
    assert result.exit_code == 3
    assert "Traceback (most recent call last)" in result.stderr
    assert "IndexError" in result.stderr
    assert result.stdout == ""


def test_an_interrupt_is_exit_130(elsewhere: Path):
    (elsewhere / "model.py").write_text("def f(x):\n    raise KeyboardInterrupt\n")
    result = run("verify", "model.py:f", "--n", "1")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_names_cannot_steer_the_terminal(elsewhere: Path):
    result = run("describe", "a\x1b]0;title\x07.fg")
    assert result.exit_code == 3
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert printable("ü ⁻¹\n\t\udcff") == "ü ⁻¹\n\\t\\udcff"


# -- real processes ------------------------------------------------------------------------------------------------


def flowgraph(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "flowgraph", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)


def test_the_entry_point():
    (script,) = entry_points(group="console_scripts", name="flowgraph")
    assert script.load() is main


def test_the_module_runs():
    assert flowgraph("--version").stdout.decode().strip() == f"flowgraph {__version__}"
    result = flowgraph("describe", "nowhere.fg", "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout)["error"] == "InputError"
    assert result.stderr.startswith(b"Error: the file cannot be read")
    assert b"Traceback" not in result.stderr


def test_a_terminal_without_unicode():
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin", "PYTHONUTF8": "0", "LC_ALL": "C"}
    result = flowgraph("verify", FIGURE2, env=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"forward-inverse = J??" in result.stdout
    data = flowgraph("verify", FIGURE2, "--json", env=environment)
    assert "forward-inverse = J⁻¹" in [
        c["subject"] for c in json.loads(data.stdout)["programs"][0]["verification"]["checks"]
    ]


def test_a_broken_pipe_is_quiet(elsewhere: Path):
    lines = [f"y{k} = f{k}(y{k - 1})" for k in range(1, 3000)]
    (elsewhere / "long.fg").write_text("\n".join(["inputs y0", *lines, "outputs y2999"]))
    command = [sys.executable, "-m", "flowgraph", "describe", "long.fg"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


# -- progress ------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"  # pyright: ignore[reportAssignmentType]

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, after: float, seconds: float) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(after=after) as tell:
        for k, what in enumerate(("first", "second \x1b[31m")):
            tell(what, k, 2)
            time.sleep(seconds)
    return stream.getvalue()


def test_progress_appears_after_a_while_and_goes(monkeypatch: pytest.MonkeyPatch):
    text = shown(monkeypatch, Terminal(), 0.01, 0.4)
    assert "second \\x1b[31m" in text
    # The last thing it does is to erase its line and show the cursor again.
    assert text.rindex("\x1b[2K") > text.rindex("second")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_progress_of_short_work_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    assert shown(monkeypatch, Terminal(), 30.0, 0.0) == ""


def test_progress_needs_a_terminal(monkeypatch: pytest.MonkeyPatch):
    assert shown(monkeypatch, io.StringIO(), 0.0, 0.1) == ""


# -- analyze and orders ----------------------------------------------------------------------------------------------


def test_analyze_and_its_json():
    text = run("analyze", EXAMPLES / "two_orders.fg").stdout
    assert "the best order has 2 lumps, this one 1" in text
    data = answer("analyze", EXAMPLES / "two_orders.fg", "--order", "t1,z1,t2,z2")
    assert (data["schema"], data["lumps"]["count"], data["order"]) == (
        "flowgraph/analysis/1",
        2,
        ["t1", "z1", "t2", "z2"],
    )
    assert answer("analyze", EXAMPLES / "two_orders.fg", "--order", "best")["lumps"]["count"] == 2
    assert answer("analyze", EXAMPLES / "two_orders.fg", "--order", "given")["lumps"]["count"] == 1


def test_analyze_what_is_singular():
    result = run("analyze", EXAMPLES / "bottleneck.fg")
    assert result.exit_code == 0
    assert "does not apply" in result.stdout
    assert "separate" in result.stdout
    assert answer("analyze", EXAMPLES / "bottleneck.fg")["applies"] is False
    result = run("analyze", EXAMPLES / "bottleneck.fg", "--order", "best")
    assert result.exit_code == 3
    assert "separate" in result.stderr


def test_orders_best_first():
    text = run("orders", EXAMPLES / "two_orders.fg").stdout
    assert text.startswith("6 orders, all looked at; best first")
    assert "t1 z1 t2 z2 (best order)" in text
    data = answer("orders", EXAMPLES / "delayed.fg", "--sample", "5", "--seed", "2", "--limit", "2")
    assert (data["complete"], len(data["orders"]), data["given"]["lumps"]) == (False, 2, 1)
    assert data["orders"][0]["best"]
    assert run("orders", EXAMPLES / "twice.fg").exit_code == 3


@pytest.mark.parametrize("command", ["analyze", "show", "verify"])
@pytest.mark.parametrize(
    ("order", "says"), [("t1,z1", "leaves out 2 steps"), ("z1,t1,t2,z2", "z1 needs t1"), ("a,b", "'a'")]
)
def test_wrong_orders(command: str, order: str, says: str):
    result = run(command, EXAMPLES / "two_orders.fg", "--order", order)
    assert result.exit_code == 3
    assert says in result.stderr


def test_show_and_verify_by_an_order():
    shown = run(
        "show", EXAMPLES / "two_orders.fg", "--mode", "forward-inverse", "--order", "given", "--stage", "lumped"
    )
    assert "A1" in shown.stdout
    assert run("verify", EXAMPLES / "two_orders.fg", "--order", "given").exit_code == 0
