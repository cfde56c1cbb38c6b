"""`python -m benchmarks.explorer [--json]`: how long the explorer lets people wait, in Chromium.

All times are taken inside the page: from the time stamp of the event that a person causes to the moment after the frame
in which the answer is painted. The server is the one that people start, warm. The programs are random code on ten
registers that branches out and comes together again (``benchmarks.lumps``).
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.explorer_page import COMMAND, FLAGS, chromium_path, link, serving
from benchmarks.lumps import branching
from flowgraph.language import format_program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = (6, 50, 400, 2_000)
"""Steps of the programs whose rows are dragged."""

DERIVED = (10, 400)
"""Steps of the programs whose derivations are stepped through."""

REPEATS = 20
OPENINGS = 10

_ROOT = "document.querySelector('#explorer').shadowRoot"

_READY = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) {
  const root = attach.call(this, options);
  const watch = new MutationObserver(() => {
    if (!root.querySelector(".root[data-ready=true]")) return;
    watch.disconnect();
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { window.firstGraph = performance.now(); };
      channel.port2.postMessage(0);
    });
  });
  watch.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-ready"] });
  return root;
};
"""

_CLOCK = """(root) => {
  const painted = (then) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => then(performance.now());
    channel.port2.postMessage(0);
  });
  // Takes the time from an event to the frame after something in the page has changed.
  window.time = (event, selector, attributes) => {
    window.taken = null;
    const target = selector && root.querySelector(selector);
    document.addEventListener(event, ({ timeStamp }) => {
      if (selector === "") {
        painted((now) => { window.taken = now - timeStamp; });
        return;
      }
      const watch = new MutationObserver(() => {
        watch.disconnect();
        painted((now) => { window.taken = now - timeStamp; });
      });
      watch.observe(target, { attributes: true, subtree: !attributes, childList: true, attributeFilter: attributes });
    }, { capture: true, once: true });
  };
}"""


def program_text(steps: int) -> str:
    """A program of about so many steps, in the notation of the paper."""
    return format_program(branching(steps, 3 if steps < 20 else 10))


class Clock:
    """Takes times in a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate(f"() => ({_CLOCK})({_ROOT})")

    def start(self, event: str, selector: str, attributes: Sequence[str] | None = None) -> None:
        """Time from the next such event to the frame after an element has changed; "" only waits for the frame."""
        script = "([event, selector, attributes]) => window.time(event, selector, attributes ?? undefined)"
        self.page.evaluate(script, [event, selector or "", None if attributes is None else list(attributes)])

    def stop(self) -> float:
        """The time in ms."""
        return self.page.wait_for_function("() => window.taken").json_value()

    def idle(self) -> None:
        """Wait until nothing is under way."""
        self.page.wait_for_function(f"() => {_ROOT}.querySelector('.root').dataset.busy === 'false'")


@contextmanager
def opened(browser: Browser, address: str, fragment: str = "", script: str | None = None) -> Iterator[Page]:
    """A page with the explorer."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    if script is not None:
        context.add_init_script(script)
    try:
        page = context.new_page()
        page.goto(address + fragment)
        page.locator(".root[data-ready=true]").wait_for()
        yield page
    finally:
        context.close()


def spread(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"median": statistics.median(times), "p95": statistics.quantiles(times, n=20, method="inclusive")[-1]}


def first_graph(browser: Browser, address: str, fragment: str) -> dict[str, float]:
    """From the start of the navigation to the frame with the first graph."""
    times = []
    for _ in range(OPENINGS):
        with opened(browser, address, fragment, _READY) as page:
            times.append(page.wait_for_function("() => window.firstGraph").json_value())
    return spread(times)


_MOVABLE = f"""() => {{
  for (const row of {_ROOT}.querySelectorAll("[data-testid=row]")) {{
    const box = row.querySelector(".grip").getBoundingClientRect();
    const [, at, first, last] = /row (\\d+):.*rows (\\d+) to (\\d+)/.exec(row.getAttribute("aria-label")) ?? [];
    if (at && Number(at) < Number(last) && box.top > 150 && box.bottom < innerHeight - 120) return row.dataset.step;
  }}
  return null;
}}"""


def _grip(page: Page, step: str) -> tuple[float, float, float]:
    """Where the handle of a row is, and how far it is to the next one."""
    row = page.locator(f"[data-testid=row][data-step='{step}']")
    box = row.locator(".grip").bounding_box()
    assert box is not None
    height: float = row.locator(".hit").evaluate("(each) => each.getBoundingClientRect().height + 2")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, height


def dragging(browser: Browser, address: str, steps: int) -> dict[str, Any]:
    """A row goes one place down and, the next time, up again: the preview, the drop, and the same by Alt+arrow."""
    previews, drops, keys = [], [], []
    with opened(browser, address, link(program_text(steps))) as page:
        clock = Clock(page)
        page.locator("[data-testid=row]").first.wait_for()
        clock.idle()
        step = page.evaluate(_MOVABLE)
        assert step is not None
        down = True
        for _ in range(REPEATS):
            x, y, pitch = _grip(page, step)
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x, y + (6 if down else -6))
            clock.start("pointermove", ".root", ["data-seq"])
            page.mouse.move(x, y + (pitch if down else -pitch))
            previews.append(clock.stop())
            clock.idle()
            clock.start("pointerup", "")
            page.mouse.up()
            drops.append(clock.stop())
            # The selection is told a moment later.
            page.wait_for_timeout(200)
            clock.idle()
            down = not down
        row = page.locator(f"[data-testid=row][data-step='{step}']")
        for k in range(REPEATS):
            row.focus()
            clock.start("keydown", ".root", ["data-seq"])
            page.keyboard.press("Alt+ArrowUp" if k % 2 else "Alt+ArrowDown")
            keys.append(clock.stop())
            clock.idle()
        found = {"steps": steps, "drag": spread(previews), "drop": spread(drops), "key": spread(keys)}
        return found | {"memory": memory(page)}


def memory(page: Page) -> dict[str, float]:
    """What the page holds after garbage was collected: MB of JavaScript, and nodes of the document."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    session.detach()
    return {"heap_mb": used / 1e6, "nodes": nodes}


def stepping(browser: Browser, address: str, steps: int) -> dict[str, Any]:
    """→ in a derivation: at a walking pace, when the next graph was fetched ahead, and with the key held down."""
    walk = []
    with opened(browser, address, link(program_text(steps), tab="derivation", mode="forward-inverse")) as page:
        clock = Clock(page)
        page.wait_for_function(f"() => {_ROOT}.querySelector('[data-testid=scene-after] .item')")
        clock.idle()
        for _ in range(REPEATS):
            clock.start("keydown", "[data-testid=scene-after]")
            page.keyboard.press("ArrowRight")
            walk.append(clock.stop())
            clock.idle()
        place = f"{_ROOT}.querySelector('.crumbs .overall').textContent"
        before = page.evaluate(place)
        page.evaluate("() => { window.begun = performance.now(); }")
        for _ in range(REPEATS):
            page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"(before) => {place} !== before", arg=before)
        clock.idle()
        run = page.evaluate("performance.now() - window.begun")
        return {"steps": steps, "walk": spread(walk), "run": run / REPEATS}


# -- what the extra adds -----------------------------------------------------------------------------------------------

_SIZES = """
import importlib.metadata, json, os
print(json.dumps({d.name: sum(os.path.getsize(f) for f in map(d.locate_file, d.files or ()) if os.path.isfile(f))
                  for d in importlib.metadata.distributions()}))
"""


def _base() -> set[str]:
    """The packages that flowgraph needs without any extra, with all that these need."""
    found: set[str] = set()
    waiting = [line for line in requires("flowgraph") or [] if "extra ==" not in line]
    while waiting:
        name = _name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            waiting += [line for line in requires(name) or [] if ";" not in line]
        except PackageNotFoundError:
            continue
    return found


def _name(requirement: str) -> str:
    """The name of a package, as all registries spell it."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def added() -> dict[str, Any] | None:
    """The packages that flowgraph[explore] adds, and their bytes on disk; None where no registry can be asked."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"]["explore"]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        report = Path(folder) / "report.json"
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        done = subprocess.run([*command, "--report", str(report), *wanted], capture_output=True, check=False)
        if done.returncode != 0:
            return None
        names = [entry["metadata"]["name"] for entry in json.loads(report.read_text())["install"]]
        sizes = json.loads(subprocess.run([python, "-c", _SIZES], check=True, capture_output=True, text=True).stdout)
    new = {name: sizes[name] for name in names if _name(name) not in _base()}
    return {"packages": new, "bytes": sum(new.values())}


# -- the table ---------------------------------------------------------------------------------------------------------


def _times(times: Mapping[str, float]) -> str:
    return f"{times['median']:6.1f} ms, 95 % within {times['p95']:6.1f} ms"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    path = chromium_path()
    if path is None:
        sys.stderr.write("Chromium is not installed, so nothing can be measured\n")
        return 1

    def tell(line: str) -> None:
        if not options.json:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    found = measure(path, tell)
    if options.json:
        sys.stdout.write(json.dumps({"schema": "flowgraph/benchmarks/explorer/1", **found}))
    return 0


def measure(path: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """All of it."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {"first_graph": [], "drag": [], "derivation": []}
    with serving(*COMMAND) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for name, fragment in (
            ("an example", ""),
            *((f"{steps:,} steps", link(program_text(steps))) for steps in (400, 2_000)),
        ):
            row = {"program": name, **first_graph(browser, address, fragment)}
            found["first_graph"].append(row)
            tell(f"first graph  {name:<12} {_times(row)}")
        for steps in SIZES:
            row = dragging(browser, address, steps)
            found["drag"].append(row)
            for kind, title in (("drag", "dragged"), ("drop", "dropped"), ("key", "Alt+arrow")):
                tell(f"{title:<12} {steps:>5,} steps  {_times(row[kind])}")
            held = row["memory"]
            tell(f"memory       {steps:>5,} steps  {held['heap_mb']:6.1f} MB of JavaScript, {held['nodes']:,} nodes")
        for steps in DERIVED:
            row = stepping(browser, address, steps)
            found["derivation"].append(row)
            tell(f"derivation   {steps:>5,} steps  {_times(row['walk'])}; key held down {row['run']:.1f} ms a step")
        browser.close()
    found["added"] = extra = added()
    if extra is None:
        tell("flowgraph[explore] was not measured: no package registry can be reached")
    else:
        names = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in extra["packages"].items())
        tell(f"flowgraph[explore] adds {len(extra['packages'])} packages, {extra['bytes'] / 1e6:.2f} MB: {names}")
    return found


if __name__ == "__main__":
    sys.exit(main())
