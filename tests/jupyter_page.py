"""The explorer in a real JupyterLab page and in a real marimo page, driven by Chromium. Not part of the test run.

    python -m tests.jupyter_page --python PYTHON --output FOLDER [--host jupyter] [--host marimo]

PYTHON is that of an environment with flowgraph[jupyter], jupyterlab and marimo; this process needs Playwright and
Chromium. docs/explorer-notebooks.md says how to make them. Screenshots go to FOLDER; the exit status tells the outcome.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.explorer_page import FLAGS, chromium_path

PROGRAM = "inputs x, y\nu = f(x)\nv = g(y)\nw = h(u, v)\noutputs w, v"
START = f"import flowgraph as fg\nwidget = fg.explore({PROGRAM!r})\n"
PATIENCE = 30_000


@contextmanager
def server(command: list[str], port: int, folder: Path) -> Iterator[str]:
    """A server that runs while the context lasts, and its address."""
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_CONFIG_HOME")
    environment = os.environ | {name: str(folder / name.lower()) for name in places}
    address = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(address, timeout=1).close()
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.5)
            else:
                raise RuntimeError((folder / "server.log").read_text())
            yield address
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(what: str, truth: bool, got: object = "") -> None:
    print(f"{'ok  ' if truth else 'FAIL'}  {what}{'' if truth else f': got {got}'}", flush=True)
    if not truth:
        raise SystemExit(1)


def rows(view: Any) -> list[str]:
    """The steps that a view shows, from the top."""
    found = view.locator("[data-testid=row]").evaluate_all(
        "rows => rows.map(row => [Number(row.dataset.row), row.dataset.step])"
    )
    return [step for row, step in sorted(found) if row > 0]


def until(what: str, question: Callable[[], Any], answer: Any, seconds: float = 30) -> None:
    """Check that something comes true before long."""
    end = time.monotonic() + seconds
    while (got := question()) != answer and time.monotonic() < end:
        time.sleep(0.05)
    check(what, got == answer, got)


def watched(page: Any) -> list[str]:
    """What goes wrong in a page, as it happens."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return faults


class Jupyter:
    """A notebook in JupyterLab."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate("([name, options]) => window.jupyterapp.commands.execute(name, options)", [name, arguments])

    def run(self, index: int) -> None:
        """Run a cell; nothing waits for its end."""
        self.cells.nth(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def view(self, index: int) -> Any:
        return self.cells.nth(index).locator(".flowgraph-explorer [data-ready=true]")

    def says(self, index: int) -> str:
        """What a cell prints, run now. What is shown comes to Python beside the cells, a moment later."""
        output = self.cells.nth(index).locator(".jp-OutputArea-output")
        self.run(index)
        self.page.wait_for_timeout(500)
        return output.last.inner_text().strip() if output.count() else ""


def jupyter(python: str, output: Path, browser: Any) -> None:
    sources = [
        START + "widget",
        "print(widget.order)",
        "widget",
        "widget.order = ['v', 'u', 'w']",
        "other = fg.explore('inputs a, b\\nc = a * b\\nd = sin(a)\\noutputs c, d')\nother",
        "print(widget.order, other.order, widget.mode, [str(step) for step in widget.program.steps()])",
        "import time\ntime.sleep(6)",
    ]
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{k}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for k, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "explorer.ipynb").write_text(json.dumps(notebook))
        settings = folder / "jupyter_config_dir" / "labconfig" / "default_setting_overrides.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
        command = [
            *(python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
            *("--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}"),
            *("--LabApp.expose_app_in_browser=True", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            *("--LabApp.news_url=", "--ServerApp.port_retries=0"),
        ]
        with server(command, port, folder) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            faults = watched(page)
            page.goto(f"{address}/lab/tree/explorer.ipynb?reset")
            page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE * 2)
            page.get_by_text("| Idle").wait_for(timeout=PATIENCE * 2)
            lab = Jupyter(page)
            lab.run(0)
            lab.view(0).wait_for(timeout=PATIENCE)
            until("the widget shows the program", lambda: rows(lab.view(0)), ["0", "1", "2"])
            lab.view(0).locator("[data-testid=row][data-step='0']").click()
            page.keyboard.press("Alt+ArrowDown")
            until("Alt+Down moves a step", lambda: rows(lab.view(0)), ["1", "0", "2"])
            until("widget.order follows", lambda: lab.says(1), "('v', 'u', 'w')")
            lab.run(2)
            lab.view(2).wait_for(timeout=PATIENCE)
            until("a second view shows the same", lambda: rows(lab.view(2)), ["1", "0", "2"])
            lab.view(2).locator("[data-testid=row][data-step='0']").click()
            count = lab.cells.count()
            for key in ("x", "c", "a", "m", "l"):
                page.keyboard.press(key)
            page.keyboard.press("o")
            until("a key in one view acts in it", lambda: rows(lab.view(2)), ["0", "1", "2"])
            until("and the other view follows", lambda: rows(lab.view(0)), ["0", "1", "2"])
            page.keyboard.press("Control+z")
            until("Ctrl+Z undoes in the explorer", lambda: rows(lab.view(2)), ["1", "0", "2"])
            page.keyboard.press("Control+Shift+Z")
            until("Ctrl+Shift+Z does it again", lambda: rows(lab.view(2)), ["0", "1", "2"])
            check("JupyterLab took none of the keys", lab.cells.count() == count, lab.cells.count())
            lab.run(3)
            until("an order set in Python is shown", lambda: rows(lab.view(0)), ["1", "0", "2"])
            until("in every view", lambda: rows(lab.view(2)), ["1", "0", "2"])
            lab.run(4)
            lab.view(4).wait_for(timeout=PATIENCE)
            lab.view(4).locator("[data-testid=row][data-step='0']").click()
            page.keyboard.press("Alt+ArrowDown")
            until("a second widget has its own order", lambda: rows(lab.view(4)), ["1", "0"])
            told = "('v', 'u', 'w') ('d', 'c') forward-inverse ['v = g(y)', 'u = f(x)', 'w = h(u, v)']"
            until("Python knows both", lambda: lab.says(5), told)
            lab.cells.nth(0).scroll_into_view_if_needed()
            page.screenshot(path=output / "jupyter-light.png")
            lab.command("apputils:change-theme", theme="JupyterLab Dark")
            until(
                "a dark notebook makes it dark",
                lambda: page.locator(".flowgraph-explorer").first.get_attribute("data-theme"),
                "dark",
            )
            page.wait_for_timeout(1_500)
            page.screenshot(path=output / "jupyter-dark.png")
            lab.command("apputils:change-theme", theme="JupyterLab Light")
            until(
                "and a light one light",
                lambda: page.locator(".flowgraph-explorer").first.get_attribute("data-theme"),
                "light",
            )
            lab.run(6)
            page.wait_for_timeout(500)
            lab.view(0).locator("[data-testid=row][data-step='1']").click()
            page.keyboard.press("Alt+ArrowDown")
            page.wait_for_timeout(3_500)
            page.screenshot(path=output / "jupyter-busy.png")
            until("what is done while a cell runs is done after it", lambda: rows(lab.view(0)), ["0", "1", "2"])
            check("no error in the console", not faults, faults)
            for tab, view in (("derivation", "scene-after"), ("check", "verify")):
                lab.view(0).locator(f"[data-testid=tab-{tab}]").click()
                lab.view(0).locator(f"[data-testid={view}]").wait_for(timeout=PATIENCE)
                page.wait_for_timeout(1_000)
                page.screenshot(path=output / f"jupyter-{tab}.png")
            lab.view(0).locator("[data-testid=tab-order]").click()
            lab.view(0).locator("[data-testid=row][data-step='0']").click()
            page.keyboard.press("Alt+ArrowDown")
            until("a step is moved", lambda: rows(lab.view(0)), ["1", "0", "2"])
            page.keyboard.press("Control+s")
            dirty = "window.jupyterapp.shell.currentWidget.context.model.dirty"
            until("Ctrl+S in the explorer saves the notebook", lambda: page.evaluate(dirty), False)
            check("no error in the console", not faults, faults)
            page.reload()
            lab.view(0).wait_for(timeout=PATIENCE * 2)
            until("after reloading the page it is as it was", lambda: rows(lab.view(0)), ["1", "0", "2"])
            lab.view(0).locator("[data-testid=row][data-step='0']").click()
            page.keyboard.press("Alt+ArrowUp")
            until("and it goes on", lambda: rows(lab.view(0)), ["0", "1", "2"])
            page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
            page.get_by_text("| Idle").wait_for(timeout=PATIENCE)
            lab.view(0).locator("[data-testid=row][data-step='1']").click()
            page.get_by_text("waiting for Python").first.wait_for(timeout=10_000)
            page.screenshot(path=output / "jupyter-restarted.png")
            page.get_by_text("Python does not answer").first.wait_for(timeout=70_000)
            check("after a restart of the kernel it is told that nobody answers", True)
            lab.run(0)
            lab.view(0).wait_for(timeout=PATIENCE)
            until("running the cell again brings it back", lambda: rows(lab.view(0)), ["0", "1", "2"])
            lab.command("kernelmenu:shutdown")
            page.get_by_text("No Kernel").first.wait_for(timeout=PATIENCE)
            lab.view(0).locator("[data-testid=row][data-step='0']").click()
            page.get_by_text("Python does not answer").first.wait_for(timeout=PATIENCE)
            check("without a kernel it is told at once", True)


MARIMO = f"""
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import flowgraph as fg
    return fg, mo

@app.cell
def _(fg, mo):
    widget = mo.ui.anywidget(fg.explore({PROGRAM!r}))
    widget
    return widget,

@app.cell
def _(mo, widget):
    mo.md("order: " + " ".join(widget.order))
    return

@app.cell
def _(mo, widget):
    def back():
        widget.order = None
    button = mo.ui.button(label="original", on_click=lambda _: back())
    button
    return
"""


def marimo(python: str, output: Path, browser: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "explorer.py").write_text(MARIMO)
        settings = folder / "xdg_config_home" / "marimo" / "marimo.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text('[display]\ntheme = "dark"\n')
        command = [
            *(python, "-m", "marimo", "-q", "run", "explorer.py", "--headless", "--no-token", "--host=127.0.0.1"),
            f"--port={port}",
        ]
        with server(command, port, folder) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            faults = watched(page)
            page.goto(address)
            view = page.locator(".flowgraph-explorer [data-ready=true]").first
            view.wait_for(timeout=PATIENCE * 2)
            until("marimo: the widget shows the program", lambda: rows(view), ["0", "1", "2"])
            view.locator("[data-testid=row][data-step='0']").click()
            page.keyboard.press("Alt+ArrowDown")
            until("marimo: Alt+Down moves a step", lambda: rows(view), ["1", "0", "2"])
            page.get_by_text("order: v u w").wait_for(timeout=PATIENCE)
            check("marimo: a cell that reads widget.order runs again", True)
            theme = page.locator(".flowgraph-explorer").first.get_attribute("data-theme")
            check("marimo: a dark page makes it dark", theme == "dark", theme)
            page.screenshot(path=output / "marimo-dark.png")
            page.get_by_role("button", name="original", exact=True).last.click()
            until("marimo: an order set in Python is shown", lambda: rows(view), ["0", "1", "2"])
            check("marimo: no error in the console", not faults, faults)


HOSTS = {"jupyter": jupyter, "marimo": marimo}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--host", action="append", choices=tuple(HOSTS))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            for host in options.host or HOSTS:
                HOSTS[host](options.python, options.output, browser)
        finally:
            for context in browser.contexts:
                for k, page in enumerate(context.pages):
                    page.screenshot(path=options.output / f"last-{k}.png")
            browser.close()


if __name__ == "__main__":
    main()
