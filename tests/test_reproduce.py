"""The main job: what it finds, the page, the record, and that a folder is written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest

from flowgraph.analysis import analyze
from flowgraph.draw import FIGURES, figure, render
from flowgraph.errors import InputError
from flowgraph.language import parse
from flowgraph.modes import Mode, count_operations
from flowgraph.reproduce import (
    FIGURE_FORMATS,
    SCHEMA,
    Report,
    examples,
    examples_folder,
    figure_drift,
    figure_files,
    put_files,
    report,
    reproduce,
    reproduction_files,
)
from flowgraph.reproduce.findings import SINGULAR, analysis_json, generic_rank, singularity
from flowgraph.reproduce.page import CAPTIONS, claim, inline, page
from flowgraph.reproduce.publish import put_folder
from flowgraph.structure import decompose
from flowgraph.verification import Check
from tests.lump_oracle import exact_rank, facts_of
from tests.lump_programs import random_program

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "papers_examples"
SINGULAR_EXAMPLES = {"bottleneck.fg", "forgotten.fg", "twice.fg"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("reproduce") / "deep" / "reproduction"
    told: list[tuple[str, int, int]] = []
    result = reproduce(target, tell=lambda *what: told.append(what))
    assert result.ok
    assert len(told) > 40
    assert all(0 <= done <= total for _, done, total in told)
    return target


@pytest.fixture(scope="session")
def record(folder: Path) -> dict[str, object]:
    return json.loads((folder / "verification.json").read_bytes())


@pytest.fixture(scope="session")
def small() -> tuple[Report, dict[str, bytes]]:
    """A report on two programs."""
    return report([example for example in examples() if example.name in ("figure2.fg", "polar.py:polar")])


class Reader(HTMLParser):
    """Checks the nesting of a page, and collects what a test asks for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.links: list[dict[str, str | None]] = []
        self.uses: list[str] = []
        self.loads: list[tuple[str, str, str]] = []
        self.tags: Counter[str] = Counter()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"an attribute twice on {tag}"
        self.tags[tag] += 1
        if values.get("id"):
            self.ids[str(values["id"])] += 1
        if tag == "a":
            self.links.append(values)
        if tag == "use":
            self.uses.append(str(values["href"]))
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has a script"
            if name in ("src", "srcset", "data", "poster", "action", "xlink:href") or (name == "href" and tag != "a"):
                self.loads.append((tag, name, value or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


# -- the whole of it ---------------------------------------------------------------------------------------------------


def test_the_files(folder: Path, record: dict[str, object]):
    expected = {f"figures/figure-{n}.{form}" for n in FIGURES for form in FIGURE_FORMATS}
    assert set(tree(folder)) == {*expected, "index.html", "verification.json"}
    assert record["files"] == sorted(tree(folder))
    for number in FIGURES:
        assert (folder / f"figures/figure-{number}.svg").read_bytes() == render(figure(number), "svg")
    assert [path.name for path in folder.parent.iterdir()] == ["reproduction"]


def test_every_example_is_verified(record: dict[str, object]):
    programs = record["programs"]
    assert isinstance(programs, list)
    assert record["schema"] == SCHEMA
    assert record["ok"] is True
    names = {entry["name"].split(":")[0] for entry in programs}
    assert names == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".fg", ".py")}
    for entry in programs:
        checks = entry["verification"]["checks"]
        subjects = {check["subject"] for check in checks}
        modes = {Mode.FORWARD, Mode.REVERSE} if entry["name"] in SINGULAR_EXAMPLES else set(Mode)
        assert {f"{mode} = {mode.symbol}" for mode in Mode if f"{mode} = {mode.symbol}" in subjects} == {
            f"{mode} = {mode.symbol}" for mode in modes
        }
        assert (SINGULAR in subjects) == (entry["name"] in SINGULAR_EXAMPLES)
        assert all(check["ok"] and not check["skipped"] for check in checks)
        assert entry["error"] is None
        assert set(entry["operations"]) == modes
    by_name = {entry["name"]: entry for entry in programs}
    assert (by_name["figure2.fg"]["n"], by_name["figure2.fg"]["steps"]) == (3, 2)
    assert by_name["polar.py:polar"]["steps"] == 3
    found = by_name["horner.fg"]["operations"]["forward-inverse"]
    program = next(e for e in examples() if e.name == "horner.fg").program()
    expected = count_operations(program, "forward-inverse")
    assert found["labels"]["divisions"] == expected.labels.divisions > 0
    assert found["sweep"]["multiplications"] == expected.sweep.multiplications > 0


def test_the_page_is_well_formed_and_loads_nothing(folder: Path):
    text = (folder / "index.html").read_text(encoding="utf-8")
    reader = read(text)
    assert text.startswith("<!DOCTYPE html>")
    assert {name for name, count in reader.ids.items() if count > 1} == set()
    assert reader.tags["script"] == reader.tags["img"] == reader.tags["iframe"] == 0
    # An empty data address keeps browsers from asking for an icon.
    assert [load for load in reader.loads if not load[2].startswith("#")] == [("link", "href", "data:,")]
    assert "url(" not in text
    assert "@import" not in text
    assert all(use.removeprefix("#") in reader.ids for use in reader.uses)
    assert len(reader.uses) > 300


def test_the_links_of_the_page_lead_somewhere(folder: Path):
    reader = read((folder / "index.html").read_text(encoding="utf-8"))
    downloads = set()
    for link in reader.links:
        target = str(link["href"])
        if target.startswith("#"):
            assert target[1:] in reader.ids, target
        elif not target.startswith("https://arxiv.org/abs/2411.18786"):
            assert (folder / target).is_file(), target
            downloads.add(target)
    assert downloads == {
        "verification.json",
        *(f"figures/figure-{n}.{form}" for n in FIGURES for form in FIGURE_FORMATS),
    }


def test_the_page_shows_everything(folder: Path, record: dict[str, object]):
    text = (folder / "index.html").read_text(encoding="utf-8")
    reader = read(text)
    words = "".join(reader.words)
    programs = record["programs"]
    assert isinstance(programs, list)
    total = sum(len(entry["verification"]["checks"]) for entry in programs)
    assert f"All {total} checks on {len(programs)} programs hold" in words
    matrix = text.split('class="matrix"')[1].split("</table>")[0]
    assert len(re.findall('<td class="good[^>]*>✓</td>', matrix)) == total
    assert "✗" not in matrix
    # The figures, two drawings of each program, one of the singular ones, and the outlines that they share.
    assert reader.tags["svg"] == len(FIGURES) + 2 * len(programs) - len(SINGULAR_EXAMPLES) + 1
    assert set(CAPTIONS) == set(FIGURES)
    for example in examples():
        assert example.text.strip() in words
    versions = record["versions"]
    assert isinstance(versions, dict)
    assert all(f"{name}\xa0{number}" in words for name, number in versions.items())
    assert str(record["command"]) in words


def test_two_runs_give_the_same_bytes(folder: Path, tmp_path: Path):
    other = tmp_path / "again"
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "LANG": "C", "LC_ALL": "C"}
    command = [sys.executable, "-m", "flowgraph", "reproduce", "-o", str(other)]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"look at {other}/index.html" in result.stdout
    assert tree(other) == tree(folder)


# -- the page, piece by piece ------------------------------------------------------------------------------------------


def test_the_page_tells_of_failures(small: tuple[Report, dict[str, bytes]]):
    result, _ = small
    first, second = result.programs
    assert first.verification is not None
    wrong = Check("reverse = Jᵀ", "fraction field", False, "4 edges", "entry (1, 2) is a<b, not b")
    skipped = Check("forward in NumPy", "against J", True, "no point", skipped=True)
    kept = [c for c in first.verification.checks if c.subject not in (wrong.subject, skipped.subject)]
    broken = replace(first, verification=replace(first.verification, checks=(*kept, wrong, skipped)))
    refused = replace(second, verification=None, error=InputError("it <broke>", where="line 3"))
    failing = replace(result, programs=(broken, refused))
    assert not failing.ok
    assert failing.checks == (len(kept), 2, 1)
    text = page(failing)
    words = "".join(read(text).words)
    assert f"2 of {len(kept) + 2} checks fail. 1 could not be made." in words
    assert "entry (1, 2) is a<b, not b" in words
    assert "it <broke>" in words
    matrix = text.split('class="matrix"')[1].split("</table>")[0]
    assert matrix.count("✗") == 2
    assert matrix.count("○") == 1
    record = json.loads(reproduction_files(failing, {})["verification.json"])
    assert record["ok"] is False
    assert record["programs"][1]["verification"] is None
    assert "it <broke>" in record["programs"][1]["error"]


def test_drawings_take_the_colours_of_the_page_and_share_outlines():
    svg = render(figure(2), "svg")
    outlines: dict[str, str] = {}
    text = inline(svg, outlines)
    assert "<defs>" not in text
    assert not re.findall(r"#[0-9a-f]{6}\"", text)
    assert 'fill="currentColor"' in text
    wanted = set(re.findall(r'<use href="#([^"]+)"', text))
    assert wanted == set(outlines)
    assert all(f'id="{name}"' in outline for name, outline in outlines.items())


def test_every_claim_of_a_verification_has_a_column(small: tuple[Report, dict[str, bytes]]):
    for program in small[0].programs:
        assert program.verification is not None
        subjects = [check.subject for check in program.verification.checks]
        assert len({claim(subject) for subject in subjects}) == len(subjects)


# -- structure ---------------------------------------------------------------------------------------------------------


def report_on(folder: Path, *texts: str) -> Report:
    for k, text in enumerate(texts):
        (folder / f"{k}.fg").write_text(text)
    return report(examples(folder))[0]


def row_of(text: str, name: str) -> list[str]:
    matrix = text.split('class="matrix"')[1].split("</table>")[0]
    row = next(row for row in matrix.split("<tr>") if f">{name}</a>" in row)
    return re.findall(r"<td[^>]*>([^<]*)</td>", row)


def test_a_singular_program_is_no_error(tmp_path: Path):
    result = report_on(
        tmp_path, "inputs x, y\nt = f(x, y)\nu = g(t)\noutputs t, u\n", "inputs x\ny = f(x)\noutputs y\n"
    )
    assert result.ok
    singular, plain = result.programs
    assert singular.verification is not None
    assert singular.verification.checks[0] == Check(
        SINGULAR,
        "vertex cut, by reachability",
        True,
        "this 1 value separates 2 inputs (x, y) from 2 outputs (t, u): t (line 2)",
    )
    assert set(singular.operations) == {Mode.FORWARD, Mode.REVERSE}
    assert set(singular.drawings) == {Mode.FORWARD}
    assert set(plain.drawings) == {Mode.FORWARD, Mode.REVERSE_INVERSE}
    text = page(result)
    assert "Structural rank 1 of 2: this 1 value separates" in text
    assert '<a href="#program-0.fg">0.fg</a> has no inverse, with the reason' in text
    # n, steps, sing., carry, invert, shift, unlayer, reverse, J, Jᵀ, J⁻¹, J⁻ᵀ, and the same in NumPy
    assert row_of(text, "0.fg") == ["2", "2", "✓", "✓", *"––✓✓", *"✓✓––", *"✓✓––"]
    assert row_of(text, "1.fg") == ["1", "1", "–", "✓", *"✓✓✓✓", *"✓✓✓✓", *"✓✓✓✓"]


def test_singular_for_another_reason_stays_an_error(tmp_path: Path):
    result = report_on(tmp_path, "inputs x, y\nz = x - x\noutputs z, y\n", "inputs x, y\nz = x + y\noutputs z\n")
    assert [type(p.error).__name__ for p in result.programs] == ["NotInvertible", "NotInvertible"]
    assert [p.analysis is not None and p.analysis.structurally_singular for p in result.programs] == [False, True]
    assert result.checks == (0, 2, 0)
    assert "inverse, with the reason" not in page(result)


def test_a_certificate_that_does_not_hold_is_a_check_that_fails(monkeypatch: pytest.MonkeyPatch):
    structure = decompose(parse("inputs x, y\nr = f(x, y)\noutputs r, r"))
    assert structure.certificate is not None
    assert singularity(structure).ok
    planted = singularity(replace(structure, certificate=replace(structure.certificate, cut=())))
    assert not planted.ok
    assert planted.witness == "a path joins x with the outputs and does not meet the cut"
    assert not singularity(replace(structure, certificate=None)).ok
    # Were a certificate to defend a regular matrix, the rank would tell.
    monkeypatch.setattr(type(structure.certificate), "defect", lambda self: None)
    regular = replace(structure, program=parse("inputs x, y\nr = f(x, y)\noutputs r, x"))
    refuted = singularity(regular)
    assert (refuted.ok, refuted.witness) == (False, "J has rank 2 where its partials are random")
    long = "\n".join(f"r{k + 1} = f(r{k}, x)" for k in range(61))
    assert singularity(replace(structure, program=parse(f"inputs x, r0\n{long}\noutputs r61, x"))).ok


def test_generic_ranks_are_those_of_the_oracle():
    rng = Random("generic ranks")
    programs = [random_program(rng) for _ in range(150)]
    ranks = [generic_rank(program) for program in programs]
    assert ranks == [exact_rank(facts_of(program)) for program in programs]
    assert len(set(ranks)) > 3
    assert any(rank < program.n_inputs for rank, program in zip(ranks, programs, strict=True))


def test_the_record_says_what_analyze_says(record: dict[str, object]):
    entries = record["programs"]
    assert isinstance(entries, list)
    found = {entry["name"]: entry["analysis"] for entry in entries}
    for example in examples():
        assert found[example.name] == json.loads(json.dumps(analysis_json(analyze(example.program()))))
    delayed = found["delayed.fg"]
    assert (delayed["lumps"], delayed["best"], delayed["blocks"]) == (1, 21, {"scalar": 10, "systems": 11})
    assert delayed["ratio"] == 134 / 74 == delayed["operations"]["best"] / delayed["operations"]["jvp"]
    assert delayed["certificate"] is None
    forgotten = found["forgotten.fg"]
    assert (forgotten["lumps"], forgotten["best"], forgotten["blocks"], forgotten["ratio"]) == (None,) * 4
    assert forgotten["certificate"]["text"] == "no output depends on 1 input (drag)"
    assert {name for name, analysis in found.items() if analysis["certificate"]} == SINGULAR_EXAMPLES


def section(text: str, name: str) -> Sequence[str]:
    """The words of a program's part of the page, one entry for each piece of text."""
    part = text.split(f'id="program-{name}"')[1].split('<details class="program">')[0]
    return [word for word in re.split("<[^>]*>", part) if word.strip()]


def test_every_program_has_a_line_on_its_structure(folder: Path):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert text.count('<p class="analysis">') == len(examples())
    assert (
        "1 lump, 21 in the best order, 11 with more than one step; 10 scalar blocks and 11 linear systems. With every "
        "A factored, J⁻¹v takes 134 operations, 1.81 times those of J v."
    ) in section(text, "delayed.fg")
    assert (
        "2 lumps, every one a single step; 2 scalar blocks. J⁻¹v takes 8 operations, 1.33 times those of J v."
    ) in section(text, "figure2.fg")
    words = section(text, "broyden.fg")
    at = words.index("Lumps of several steps, best order")
    heads = ["lump", "from", "steps", "l", "replaces", "matrix A", "operations"]
    row = ["1", "lines 5 to 14", "23", "5", "x1, x2, x3, x4, x5 → t3, t7, t11, t15, t18", "dense", "39"]
    assert words[at + 1 : at + 15] == [*heads, *row]
    assert "Largest lumps, 4 of 11, best order" in section(text, "delayed.fg")
    assert 'class="lumps"' not in text.split('id="program-figure2.fg"')[1].split('<details class="program">')[0]


# -- examples ----------------------------------------------------------------------------------------------------------


def test_examples_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path):
    assert examples_folder() == EXAMPLES
    package = tmp_path / "flowgraph"
    package.mkdir()
    with pytest.raises(InputError, match="are not there"):
        examples_folder(package)
    shutil.copytree(EXAMPLES, package / "examples")
    assert examples_folder(package) == package / "examples"
    assert [e.name for e in examples(package / "examples")] == [e.name for e in examples()]


def test_summaries_are_the_first_sentence():
    summaries = {example.name: example.summary for example in examples()}
    assert summaries["horner.fg"] == "Horner's rule for c3*x**3 + c2*x**2 + c1*x + c0"
    assert summaries["figure2.fg"] == "The program of Fig. 2(d) of arXiv:2411.18786: three registers, two binary steps"
    assert summaries["polar.py:polar"] == "Cartesian to polar coordinates, as plain NumPy"
    assert all(summaries.values())


def test_folders_without_examples(tmp_path: Path):
    with pytest.raises(InputError, match="holds no program"):
        examples(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        examples(tmp_path / "nowhere")
    (tmp_path / "silent.py").write_text("def f(x): return x\n")
    with pytest.raises(InputError, match="does not say how to verify it"):
        examples(tmp_path)
    (tmp_path / "silent.py").write_text('"""flowgraph verify silent.py:f --n 2, flowgraph verify silent.py:g"""\n')
    assert [(e.name, e.n) for e in examples(tmp_path)] == [("silent.py:f", 2), ("silent.py:g", None)]
    (tmp_path / "silent.py").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        examples(tmp_path)


def test_a_program_with_an_error_does_not_stop_the_others(tmp_path: Path):
    (tmp_path / "a.fg").write_text("inputs x\ny = z\noutputs y\n")
    (tmp_path / "b.fg").write_text("inputs x, y\nz = x + y\noutputs z\n")
    (tmp_path / "c.fg").write_text("inputs x\ny = exp(x)\noutputs y\n")
    result, _ = report(examples(tmp_path))
    assert [program.ok for program in result.programs] == [False, False, True]
    assert [type(p.error).__name__ for p in result.programs] == ["ParseError", "NotInvertible", "NoneType"]
    assert (result.programs[1].n, result.programs[1].steps) == (2, 1)
    assert not result.ok
    assert result.checks[1] == 2
    read(page(result))


# -- figures -----------------------------------------------------------------------------------------------------------


def test_drift_names_what_differs(tmp_path: Path):
    files = figure_files(["tex", "svg", "tex"])
    assert len(files) == 2 * len(FIGURES)
    assert figure_drift(tmp_path, files) == dict.fromkeys(files, "missing")
    put_files(tmp_path, files)
    assert figure_drift(tmp_path, files) == {}
    changed = tmp_path / "figure-2.tex"
    changed.write_bytes(changed.read_bytes() + b" ")
    (tmp_path / "figure-3.svg").unlink()
    assert figure_drift(tmp_path, files) == {"figure-2.tex": "different", "figure-3.svg": "missing"}
    (tmp_path / "figure-3.svg").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        figure_drift(tmp_path, files)


# -- folders, whole or not at all --------------------------------------------------------------------------------------


def test_files_are_put_beside_others(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    put_files(tmp_path, {"a": b"1", "sub/b": b"2"})
    put_files(tmp_path, {"a": b"3"})
    assert tree(tmp_path) == {"mine.txt": b"mine", "a": b"3", "sub/b": b"2"}
    put_files(tmp_path / "new" / "deep", {"a": b"1"})
    assert tree(tmp_path / "new") == {"deep/a": b"1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "mine.txt", "new", "sub"]


def test_no_file_is_put_where_one_cannot_be(tmp_path: Path):
    (tmp_path / "z").mkdir()
    (tmp_path / "a").write_text("old")
    with pytest.raises(InputError, match="cannot be written"):
        put_files(tmp_path, {"a": b"new", "z": b"new"})
    assert tree(tmp_path) == {"a": b"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "z"]
    with pytest.raises(InputError, match="cannot be written"):
        put_files(tmp_path / "a", {"b": b""})
    with pytest.raises(InputError, match="cannot be written"):
        put_files(tmp_path / "a" / "b", {"b": b""})
    assert tree(tmp_path) == {"a": b"old"}


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="would be lost") as caught:
        put_folder(target, {"index.html": b""})
    assert caught.value.got == "thesis.tex"
    assert tree(tmp_path) == {"target/thesis.tex": b"years"}
    with pytest.raises(InputError, match="no directory"):
        put_folder(target / "thesis.tex", {"index.html": b""})
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match="no directory"):
        put_folder(tmp_path / "link", {"thesis.tex": b""})
    assert tree(target) == {"thesis.tex": b"years"}


def test_an_earlier_folder_is_replaced_as_a_whole(tmp_path: Path):
    target = tmp_path / "target"
    put_folder(target, {"a": b"1", "sub/b": b"2"})
    put_folder(target, {"a": b"3", "c": b"4"}, earlier=["sub/b"])
    assert tree(tmp_path) == {"target/a": b"3", "target/c": b"4"}
    assert not (target / "sub").exists()


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "target"
    put_folder(target, {"a": b"1"})
    rename = os.rename

    def failing(source: os.PathLike[str], place: os.PathLike[str]) -> None:
        if Path(source).name == "new":
            raise OSError(28, "No space left on device")
        rename(source, place)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(InputError, match="cannot be written") as caught:
        put_folder(target, {"a": b"2"})
    assert caught.value.got == "No space left on device"
    with pytest.raises(InputError):
        put_folder(tmp_path / "far" / "away", {"a": b"2"})
    assert tree(tmp_path) == {"target/a": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years")
    told: list[str] = []
    with pytest.raises(InputError, match="would be lost"):
        reproduce(tmp_path, tell=lambda what, done, total: told.append(what))
    assert told == []


def test_a_reproduction_replaces_an_earlier_one_by_its_record(small: tuple[Report, dict[str, bytes]], tmp_path: Path):
    one = [example for example in examples() if example.name == "atomic.fg"]
    target = tmp_path / "target"
    files = reproduction_files(*small)
    old = json.loads(files["verification.json"])
    old["files"].append("figures/figure-9.svg")
    put_files(target, {**files, "verification.json": json.dumps(old).encode(), "figures/figure-9.svg": b"old"})
    assert reproduce(target, one).ok
    assert "figures/figure-9.svg" not in tree(target)
    (target / "notes.txt").write_text("mine")
    before = tree(target)
    with pytest.raises(InputError, match="would be lost"):
        reproduce(target, one)
    assert tree(target) == before
