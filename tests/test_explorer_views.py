"""The tabs "Derivation" and "Check", the dialog "Take home" and links, in Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import flowgraph as fg
from flowgraph.draw.scene import Scene
from flowgraph.draw.svg import svg
from flowgraph.explorer.derivation_view import application, timeline
from tests.explorer_browser import FLAGS, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["chromium"]

FIGURE_2 = Path(__file__).parents[1] / "papers_examples" / "figure2.fg"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running explorer with one program open."""
    command = [sys.executable, "-m", "flowgraph", "explore", str(FIGURE_2), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        found = next((m[0] for line in process.stdout if (m := re.search(r"http://127\.0\.0\.1:\d+/", line))), None)
        try:
            assert found, "the explorer told no address"
            yield found
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS[1:]))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page with its first view drawn; a script error on it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("[data-ready=true]")
    yield page
    context.close()
    assert not errors


def _derivation(page: Page, mode: str = "forward-inverse") -> None:
    page.get_by_test_id("tab-derivation").click()
    page.locator(f".derivation [data-mode={mode}]").click()
    page.locator(".crumbs").click()


def _stands_at(page: Page, position: int, name: str) -> None:
    """Wait until the drawings of a position are there."""
    from playwright.sync_api import expect

    expect(page.get_by_test_id("rule-name")).to_have_text(name)
    overall = f"{position} of" if position else "applications in all"
    expect(page.locator(".crumbs .overall")).to_contain_text(overall)
    expect(page.locator("[data-testid=application][aria-selected=true]")).to_have_count(min(position, 1))
    expect(page.locator(".derivation.fetching")).to_have_count(0)


def _numbers(paths: list[str]) -> list[list[float]]:
    return sorted([float(x) for x in re.findall(r"-?[\d.]+", path)] for path in paths)


def _drawn(page: Page, which: str) -> list[list[float]]:
    script = "n => [...n.querySelectorAll('.is-edge .stroke, .is-edge .area')].map(path => path.getAttribute('d'))"
    return _numbers(page.get_by_test_id(f"scene-{which}").evaluate(script))


def _wanted(scene: Scene) -> list[list[float]]:
    body = svg(scene).decode().split("</defs>")[1]
    return _numbers(re.findall(r'<path d="([^"]+)"', body))


def _same(found: list[list[float]], wanted: list[list[float]]) -> bool:
    return len(found) == len(wanted) and all(
        len(a) == len(b) and a == pytest.approx(b, abs=0.06) for a, b in zip(found, wanted, strict=True)
    )


def _becomes(page: Page, which: str, wanted: list[list[float]]) -> bool:
    """Whether a drawing is as wanted within some seconds: what is said of an application may be there before it."""
    for _ in range(100):
        if _same(_drawn(page, which), wanted):
            return True
        page.wait_for_timeout(50)
    return False


def test_every_application_is_drawn_as_the_writer_of_svg_draws_it(page: Page) -> None:
    program = fg.parse(FIGURE_2.read_text())
    count = len(timeline(program, None, "forward-inverse").applications)
    views = [application(program, None, "forward-inverse", position) for position in range(count + 1)]
    _derivation(page)
    for position, view in enumerate(views):
        _stands_at(page, position, view.title)
        scenes = {"after": view.after} if view.before is None else {"before": view.before, "after": view.after}
        for which, scene in scenes.items():
            assert _becomes(page, which, _wanted(scene)), f"{which} at {position}"
            labels = page.get_by_test_id(f"scene-{which}").locator(".is-label").count()
            assert labels == len(scene.labels)
        marked = page.get_by_test_id("scene-after").locator(".item.added, .item.turned").count()
        assert marked == len(view.changed.added)
        page.keyboard.press("ArrowRight")
    # The comparison can fail: neighbours that differ are told apart.
    assert any(not _same(_wanted(a.after), _wanted(b.after)) for a, b in pairwise(views))


def test_keys_go_by_applications_and_by_stages(page: Page) -> None:
    program = fg.parse(FIGURE_2.read_text())
    stages = timeline(program, None, "forward-inverse").stages
    _derivation(page)
    title = [application(program, None, "forward-inverse", stage.stop).title for stage in stages]
    for stage, name in zip(stages[1:], title[1:], strict=True):
        page.keyboard.press("Shift+ArrowRight")
        _stands_at(page, stage.stop, name)
    page.keyboard.press("ArrowRight")
    _stands_at(page, stages[-1].stop, title[-1])
    page.keyboard.press("Shift+ArrowLeft")
    _stands_at(page, stages[-2].stop, title[-2])
    for _ in range(stages[-2].stop):
        page.keyboard.press("ArrowLeft")
    _stands_at(page, 0, title[0])


def test_the_slider_says_where_it_is_and_playing_stops_at_any_key(page: Page) -> None:
    from playwright.sync_api import expect

    _derivation(page)
    slider = page.locator("input.slider")
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"application 12 of 12, reversed 1 of 1, reverse"))
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "primal graph")
    play = page.get_by_test_id("play")
    play.click()
    _stands_at(page, 2, "Carry a live variable")
    page.keyboard.press("x")
    expect(play).to_have_attribute("aria-pressed", "false")


SHARE = """async (task) => {
  const {encode, decode} = await import("/static/share.js");
  const good = await encode(task.state);
  const zeros = new Blob([new Uint8Array(60e6)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(zeros).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  const bomb = "#1." + btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const broken = [good.slice(0, -5), "#1.", "#1.%%", "#2" + good.slice(2), "order", bomb, await encode({v: 1}),
    await encode({v: 7, text: ""})];
  const answers = [];
  for (const one of broken) answers.push(await decode(one));
  return {good, back: await decode(good), empty: await decode(""), answers};
}"""


def test_links_hold_the_state_and_broken_ones_are_told(page: Page) -> None:
    text = "inputs α, β\nz = f(α, β)\noutputs z, β\n" * 40
    state = {"v": 1, "text": text, "mode": "reverse", "position": 3, "past": [1], "future": [2]}
    found: dict[str, Any] = page.evaluate(SHARE, {"state": state})
    assert re.fullmatch(r"#1\.[A-Za-z0-9_-]+", found["good"])
    assert len(found["good"]) < len(text) / 4
    assert found["back"] == {"state": {**state, "past": [], "future": []}, "error": None}
    assert found["empty"] == {"state": None, "error": None}
    reasons = [answer["error"]["message"] for answer in found["answers"]]
    assert all(answer["state"] is None for answer in found["answers"])
    words = ("cut short", "characters", "characters", "another version", "begin with", "unpacks", "program", "version")
    assert all(word in reason for word, reason in zip(words, reasons, strict=True)), reasons


FIRST_BYTES = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG", "tex": b"", "json": b"{", "fg": b""}
EXPORTS = [
    *((what, format) for what in ("order", "graph", "sequence") for format in ("svg", "pdf", "png", "tex")),
    ("derivation", "json"),
    ("analysis", "json"),
    ("program", "fg"),
]


def test_every_file_can_be_taken_home(page: Page) -> None:
    from playwright.sync_api import expect

    page.get_by_test_id("take-home").click()
    for what, format in EXPORTS:
        page.locator(f"[name=what][value={what}]").check()
        if what in ("order", "graph", "sequence"):
            page.get_by_test_id("export-format").select_option(format)
        with page.expect_download() as download:
            page.get_by_test_id("export").click()
        assert download.value.suggested_filename.endswith(f".{format}")
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(FIRST_BYTES[format])
        if format == "fg":
            assert fg.parse(data.decode()).n_steps == 2
        if format == "json":
            json.loads(data)
    expect(page.get_by_test_id("commands-shell")).to_contain_text("flowgraph")
    expect(page.get_by_test_id("commands-python")).to_contain_text("import flowgraph as fg")
    expect(page.get_by_test_id("share")).to_have_value(re.compile(r"/#1\."))


def test_checks_and_numbers(page: Page) -> None:
    from playwright.sync_api import expect

    page.get_by_test_id("tab-check").click()
    page.get_by_test_id("verify").click()
    rows = page.get_by_test_id("check-row")
    expect(rows).to_have_count(len(fg.verify(fg.parse(FIGURE_2.read_text())).checks), timeout=30_000)
    assert set(rows.evaluate_all("rows => rows.map(row => row.dataset.result)")) == {"ok"}
    results = page.get_by_test_id("number-result")
    expect(results).to_have_count(4, timeout=30_000)
    at_outputs = results.nth(0).locator("tr:last-child .found").inner_text()
    expect(page.locator(".values li").filter(has_text="z2")).to_contain_text(at_outputs)
    # J⁻¹ J v = v: what the first mode finds goes into the third one.
    v = [float(field.input_value()) for field in page.get_by_test_id("numbers-v").locator("input").all()]
    image = [text.replace("−", "-") for text in results.nth(0).locator(".found").all_inner_texts()]
    for field, text in zip(page.get_by_test_id("numbers-v").locator("input").all(), image, strict=True):
        field.fill(text)
    page.get_by_test_id("numbers-run").click()
    expect(results.nth(2).locator(".given").first).to_have_text(image[0].replace("-", "−"))
    back = [float(text.replace("−", "-")) for text in results.nth(2).locator(".found").all_inner_texts()]
    assert back == pytest.approx(v, abs=1e-4)
    field = page.get_by_test_id("numbers-x").locator("input").first
    field.fill("one")
    page.get_by_test_id("numbers-run").click()
    expect(page.locator(".numbers-message")).to_contain_text("this is no number")
    expect(field).to_have_attribute("aria-invalid", "true")
