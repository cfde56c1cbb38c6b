"""``flowgraph examples``, and ``fg.example``: how to reach the programs from an installed package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import flowgraph as fg
from flowgraph.cli import main
from flowgraph.example_programs import examples, examples_folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["examples", *map(str, arguments)], catch_exceptions=False)


def test_the_list_names_every_program_and_says_what_it_shows() -> None:
    result = run()
    assert result.exit_code == 0
    for example in examples():
        assert example.name in result.output
        assert example.summary[:40] in result.output


def test_the_copies_are_the_programs(tmp_path: Path) -> None:
    target = tmp_path / "new" / "programs"
    answer = json.loads(run("-o", target, "--json").output)
    assert answer["schema"] == "flowgraph/examples/1"
    assert answer["written"] == sorted(path.name for path in target.iterdir())
    for path in target.iterdir():
        assert path.read_bytes() == (examples_folder() / path.name).read_bytes()
    assert {example.file.name for example in examples()} <= set(answer["written"])
    assert CliRunner().invoke(main, ["describe", str(target / "figure2.fg")]).exit_code == 0


def test_copying_twice_is_no_error_and_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.fg").write_text("inputs x\noutputs x\n")
    assert run("-o", tmp_path).exit_code == 0
    assert run("-o", tmp_path).exit_code == 0
    assert (tmp_path / "mine.fg").read_text() == "inputs x\noutputs x\n"


def test_a_changed_copy_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "polar.fg").write_text("inputs x\noutputs x\n")
    result = run("-o", tmp_path)
    assert result.exit_code == 3
    assert "polar.fg" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["polar.fg"]
    assert (tmp_path / "polar.fg").read_text() == "inputs x\noutputs x\n"


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_every_example_is_there_by_name(example) -> None:
    assert fg.example(example.name).fingerprint() == example.program().fingerprint()


def test_the_ending_may_be_left_out_and_a_slip_is_named() -> None:
    assert fg.example("delayed").fingerprint() == fg.example("delayed.fg").fingerprint()
    with pytest.raises(fg.InputError, match="did you mean 'leapfrog'"):
        fg.example("leapforg")
