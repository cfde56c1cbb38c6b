"""The explorer in a browser: programs are opened, edited and mended; tabs, servers and themes come and go."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import flowgraph as fg
from benchmarks.explorer_page import COMMAND, link, serving
from flowgraph.example_programs import examples
from tests.examples import FOLDER, SINGULAR
from tests.explorer_browser import Explorer, Visit, browser, chromium, expect, free_port, server, visit

__all__ = ["browser", "chromium", "server", "visit"]

GOOD = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
BROKEN = GOOD.replace("z1 = q(x1, t1)", "z1 = q(x1, t9)")
"""Line 4 reads a value that nothing computes, in column 12."""


def _code(explorer: Explorer) -> list[str]:
    return explorer.page.locator("[data-testid=row] .code").all_text_contents()


# -- opening -----------------------------------------------------------------------------------------------------------


def test_the_page_opens_with_an_example(visit: Visit) -> None:
    explorer = visit()
    program = fg.load(FOLDER / "two_orders.fg")
    explorer.expect_steps(*range(program.n_steps))
    assert _code(explorer) == [str(step) for step in program.steps()]
    expect(explorer.part("program-menu")).to_have_text("two_orders.fg")
    expect(explorer.part("editor")).to_have_value((FOLDER / "two_orders.fg").read_text(encoding="utf-8"))
    expect(explorer.part("message")).to_have_count(0)
    assert explorer.page.title() == "flowgraph explorer"


def test_every_example_is_listed_and_opens(visit: Visit) -> None:
    explorer = visit()
    explorer.part("program-menu").click()
    names = [item.get_attribute("data-name") for item in explorer.part("program").all()]
    assert names == [example.name for example in examples()]
    explorer.page.get_by_label("find a program").fill("coupl")
    explorer.part("program").filter(has_text="coupling.fg").click()
    program = fg.load(FOLDER / "coupling.fg")
    explorer.expect_steps(*range(program.n_steps))
    expect(explorer.part("program-menu")).to_have_text("coupling.fg")
    expect(explorer.page.locator(".menu")).to_be_hidden()
    explorer.part("undo").click()
    expect(explorer.part("program-menu")).to_have_text("two_orders.fg")


def test_a_file_is_opened(visit: Visit, tmp_path: Path) -> None:
    explorer = visit()
    file = tmp_path / "my own.fg"
    file.write_text("inputs α, β\nγ = sin(α)\nδ = γ * β\noutputs γ, δ", encoding="utf-8")
    explorer.part("open-file").set_input_files(file)
    explorer.live("opened my own.fg")
    expect(explorer.part("program-menu")).to_have_text("my own.fg")
    explorer.expect_steps(0, 1)
    binary = tmp_path / "binary.fg"
    binary.write_bytes(b"\0\1\2")
    explorer.part("open-file").set_input_files(binary)
    explorer.toast("binary.fg is no text")
    expect(explorer.part("program-menu")).to_have_text("my own.fg")


def test_what_the_command_line_names_is_opened(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "given.fg"
    file.write_text(GOOD, encoding="utf-8")
    with serving(*COMMAND, str(file), str(FOLDER / "polar.fg")) as address:
        explorer = visit(at=address)
        expect(explorer.part("program-menu")).to_have_text("given.fg")
        expect(explorer.part("editor")).to_have_value(GOOD)
        explorer.part("program-menu").click()
        expect(explorer.page.locator(".menu-title").first).to_have_text("Opened")
        explorer.part("program").filter(has_text="polar.fg").first.click()
        expect(explorer.page.locator("[data-testid=row] .code").filter(has_text="hypot")).to_have_count(1)
        # A page that still asks when the server has ended reports a lost connection.
        explorer.page.close()


# -- editing -----------------------------------------------------------------------------------------------------------


def test_a_mistake_is_told_in_place_and_the_last_good_picture_stays(visit: Visit) -> None:
    explorer = visit(GOOD)
    before = _code(explorer)
    explorer.type(BROKEN)
    message = explorer.part("message")
    expect(message).to_contain_text("line 4, column 12")
    with pytest.raises(fg.ParseError) as caught:
        fg.parse(BROKEN)
    expect(message).to_contain_text(caught.value.what)
    expect(message.locator(".remedy")).to_contain_text(caught.value.remedy or "")
    expect(explorer.part("editor")).to_have_value(BROKEN)
    expect(explorer.part("editor")).to_have_attribute("aria-invalid", "true")
    assert _code(explorer) == before
    expect(explorer.page.locator(".caption")).to_contain_text("The text has a mistake in line 4")
    # The mark lies on line 4, and the caret under its twelfth character.
    boxes = [
        explorer.page.locator(name).bounding_box()
        for name in (".editor-mark", ".editor-lines > :nth-child(4)", ".editor-lines > :nth-child(3)", ".editor-caret")
    ]
    mark, line, above, caret = (box for box in boxes if box is not None)
    assert abs(mark["y"] - line["y"]) < 2
    assert abs(mark["height"] - line["height"]) < 2
    assert above["y"] < line["y"] <= caret["y"] < line["y"] + line["height"] + 3
    width = explorer.ask(
        """(column) => {
          const range = document.createRange();
          const walker = document.createTreeWalker(ROOT.querySelector(".editor-lines > :nth-child(4)"), 4);
          const text = walker.nextNode();
          range.setStart(text, column - 1);
          range.setEnd(text, column);
          return range.getBoundingClientRect().x;
        }""",
        12,
    )
    assert abs(caret["x"] - width) < 3
    message.locator(".message-place").click()
    place = explorer.ask("() => ROOT.querySelector('[data-testid=editor]').selectionStart")
    assert place == BROKEN.index("t9")
    explorer.page.keyboard.press("Delete")
    explorer.page.keyboard.press("Delete")
    explorer.page.keyboard.type("t1")
    expect(message).to_have_count(0)
    expect(explorer.part("editor")).to_have_value(GOOD)
    expect(explorer.part("editor")).to_have_attribute("aria-invalid", "false")
    expect(explorer.page.locator(".caption")).not_to_contain_text("mistake")


def test_an_edit_carries_the_order_over_and_can_be_undone(visit: Visit) -> None:
    explorer = visit(GOOD)
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.type(GOOD.replace("t2 = p(x2)", "t2 = r(x2)"))
    expect(explorer.row(1).locator(".code")).to_have_text("t2 = r(x2)")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.part("undo").click()
    expect(explorer.row(1).locator(".code")).to_have_text("t2 = p(x2)")
    expect(explorer.part("editor")).to_have_value(GOOD)


def test_typing_letter_by_letter_loses_nothing(visit: Visit) -> None:
    explorer = visit(GOOD)
    explorer.part("editor").press("Control+a")
    text = "inputs a, b\nc = f(a, b)\nd = g(b, c)\noutputs c, d"
    explorer.page.keyboard.type(text)
    expect(explorer.page.locator("[data-testid=row] .code")).to_have_text(["c = f(a, b)", "d = g(b, c)"])
    expect(explorer.part("editor")).to_have_value(text)
    expect(explorer.part("message")).to_have_count(0)


def test_a_page_that_begins_with_a_broken_program_says_what_is_wrong(visit: Visit) -> None:
    explorer = visit("inputs x, y\nz = \noutputs z, y")
    expect(explorer.part("message")).to_contain_text("line 2")
    expect(explorer.page.locator(".empty")).to_be_visible()
    for tab in ("derivation", "check"):
        explorer.part(f"tab-{tab}").click()
        expect(explorer.page.locator(f"#panel-{tab}")).to_contain_text("no program to")
    explorer.part("tab-order").click()
    explorer.type(GOOD)
    explorer.expect_steps(0, 1, 2, 3)


def test_whatever_is_typed_is_answered(visit: Visit) -> None:
    explorer = visit(GOOD)
    texts = ("", "inputs x\ny = x +", "garbage ☃ '\"<script>alert(1)</script>", "inputs x\n" + "y = (" * 3_000)
    for text in texts:
        explorer.type(text)
        expect(explorer.part("message").first).to_be_visible()
        expect(explorer.part("editor")).to_have_value(text)
        explorer.expect_steps(0, 1, 2, 3)
        explorer.type(GOOD)
        expect(explorer.part("message")).to_have_count(0)


# -- programs without an inverse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SINGULAR, ids=lambda file: file.stem)
def test_a_singular_program_shows_its_certificate_in_the_picture(visit: Visit, file: Path) -> None:
    explorer = visit(file.read_text(encoding="utf-8"))
    program = fg.load(file)
    certificate = fg.decompose(program).certificate
    assert certificate is not None
    expect(explorer.part("certificate")).to_contain_text(str(certificate), ignore_case=True)
    # Where the cut is empty, the input that no output depends on is ringed in its place.
    names = {program.name(value) for value in certificate.cut or getattr(certificate, certificate.kind)}
    ringed = explorer.page.locator(".vertex.cut:visible, .row.cut .vertex:visible")
    expect(ringed).to_have_count(len(names))
    assert set(ringed.all_text_contents()) == names
    expect(explorer.part("lump")).to_have_count(0)
    expect(explorer.part("best")).to_be_disabled()
    # Its steps can still be reordered.
    explorer.part("random").click()
    explorer.idle()
    assert sorted(explorer.steps()) == list(range(program.n_steps))


# -- several pages, and servers that come and go -----------------------------------------------------------------------


def test_two_pages_do_not_disturb_each_other(visit: Visit) -> None:
    one = visit(GOOD)
    other = one.again()
    other.go(link((FOLDER / "coupling.fg").read_text(encoding="utf-8"), name="coupling.fg"))
    one.part("best").click()
    other.part("random").click()
    one.expect_steps(0, 2, 1, 3)
    other.idle()
    other.part("original").click()
    other.expect_steps(0, 1, 2, 3)
    one.type(BROKEN)
    expect(one.part("message")).to_contain_text("line 4")
    expect(other.part("message")).to_have_count(0)
    other.part("tab-derivation").click()
    expect(other.page.locator("[data-mode=forward-inverse]")).to_have_attribute("aria-pressed", "true")
    one.part("undo").click()
    one.expect_steps(0, 2, 1, 3)
    expect(one.part("tab-order")).to_have_attribute("aria-selected", "true")
    expect(one.part("program-menu")).to_have_text("test.fg")
    expect(other.part("program-menu")).to_have_text("coupling.fg")


def test_a_server_that_ended_is_missed_and_one_that_is_back_is_found(visit: Visit) -> None:
    port = str(free_port())
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        command = (*COMMAND, "--port", port)
        explorer = visit(GOOD, at=first.enter_context(serving(*command)))
        explorer.watch.expected = re.compile(r"ERR_(CONNECTION_|EMPTY_RESPONSE|INCOMPLETE_)")
        first.close()
        explorer.part("best").click()
        banner = explorer.page.locator("#lost")
        expect(banner).to_contain_text("does not answer")
        expect(banner).to_contain_text(f"flowgraph explore --port {port}")
        explorer.expect_steps(0, 1, 2, 3)
        explorer.type(BROKEN)
        stack.enter_context(serving(*command))
        explorer.expect_steps(0, 2, 1, 3)
        expect(banner).to_be_hidden()
        expect(explorer.part("message")).to_contain_text("line 4")
        expect(explorer.part("editor")).to_have_value(BROKEN)


# -- looks -------------------------------------------------------------------------------------------------------------


def _ground(explorer: Explorer) -> float:
    """How light the page is, from 0 to 1."""
    colour = explorer.ask("() => getComputedStyle(ROOT.querySelector('.order-view')).backgroundColor")
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)[:3]]
    return sum(numbers) / (3 * 255 if max(numbers) > 1 else 3)


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_follows_the_system_until_one_is_chosen(visit: Visit, system: str) -> None:
    explorer = visit(GOOD, color_scheme=system)
    theme = explorer.part("theme")
    assert (_ground(explorer) > 0.8) == (system == "light")
    expect(theme).to_have_attribute("aria-label", "theme: auto")
    theme.click()
    expect(theme).to_have_attribute("aria-label", "theme: light")
    assert _ground(explorer) > 0.8
    theme.click()
    expect(theme).to_have_attribute("aria-label", "theme: dark")
    assert _ground(explorer) < 0.2
    explorer.live("theme: dark")


def test_the_browser_tests_would_fail_in_continuous_integration_without_a_browser(tmp_path: Path) -> None:
    source = "from tests.explorer_browser import chromium\ndef test_it(chromium):\n    pass\n"
    (tmp_path / "test_it.py").write_text(source)
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pytest", "-q", "-rsE", "-p", "no:cacheprovider", str(tmp_path)]
    for ci, word in (("true", "1 error"), ("", "1 skipped")):
        environment = {"PATH": str(tmp_path), "PYTHONPATH": str(root), "CI": ci}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert word in result.stdout, result.stdout
        assert "Chromium is not installed" in result.stdout
