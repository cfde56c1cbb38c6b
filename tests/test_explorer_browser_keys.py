"""The explorer for everybody: by keys alone, by a screen reader, on narrow pages, in both themes, and without motion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explorer_browser import Explorer, Visit, browser, chromium, server, visit

pytest.importorskip("playwright")

from playwright.sync_api import expect

__all__ = ["browser", "chromium", "server", "visit"]

TEXT = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
SINGULAR = "inputs x, y, z\nt = exp(y)\ns = t * x\nu = z + s\noutputs y, t, u"
TABS = ("order", "derivation", "check")


def _open(visit: Visit, tab: str, text: str = TEXT, **settings: Any) -> Explorer:
    """A tab with all that it loads by itself."""
    explorer = visit(text, state={"tab": tab, "position": 2 if tab == "derivation" else 0}, **settings)
    if tab == "derivation":
        expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    if tab == "check":
        expect(explorer.part("number-result")).to_have_count(4)
        expect(explorer.page.locator(".numbers-graph .values li").first).to_be_visible()
    if tab == "order":
        explorer.page.locator(".distribution p").filter(has_text="orders that were").wait_for(state="attached")
    explorer.idle()
    return explorer


# -- keys --------------------------------------------------------------------------------------------------------------

_FOCUS = """
window.focusOf = () => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};
window.looksOf = (element) => {
  const around = [element, element.parentElement, element.parentElement?.parentElement, ...element.querySelectorAll("*")];
  if (element.matches("[type=file], [type=range], [type=radio]")) around.push(...(element.labels ?? []));
  if (element.nextElementSibling) around.push(element.nextElementSibling);
  return around.filter(Boolean).slice(0, 40).map((each) => {
    const look = getComputedStyle(each);
    const outline = look.outlineStyle === "none" ? "" : `${look.outlineWidth} ${look.outlineColor}`;
    return [outline, look.boxShadow, look.stroke, look.strokeWidth].join("/");
  }).join();
};
window.nameOf = (element) => {
  const { testid, step, index, name } = element.dataset;
  const words = element.getAttribute("aria-label") || element.textContent.trim().slice(0, 30) || element.value;
  return [element.localName, testid, step, index, name, element.type === "radio" ? "radio" : "", words].join(" ").trim();
};
window.tabbable = () => [...document.querySelector("#explorer").shadowRoot.querySelectorAll(
  "button, input, select, textarea, summary, a[href], [tabindex]")].filter((each) =>
    each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true }) &&
    !each.closest("[inert]") && !(each.type === "radio" && !each.checked));
"""


def _walk(explorer: Explorer) -> list[str]:
    """What Tab reaches, from the top of the page to its end. Each must look different with the focus on it."""
    explorer.page.evaluate(_FOCUS)
    explorer.page.evaluate("() => window.focusOf()?.blur()")
    seen: list[str] = []
    plain: list[str] = []
    for _ in range(120):
        explorer.press("Tab")
        found = explorer.page.evaluate(
            """() => {
              const element = window.focusOf();
              const before = window.last ?? null;
              const changed = !before?.element.isConnected || before.element === element ||
                window.looksOf(before.element) !== before.looks;
              const told = before && !changed ? before.name : null;
              if (element === document.body || element === document.documentElement) {
                window.last = null;
                return [null, told];
              }
              window.last = { element, looks: window.looksOf(element), name: window.nameOf(element) };
              return [window.last.name, told];
            }"""
        )
        plain += [found[1]] if found[1] else []
        if found[0] is None or found[0] in seen:
            break
        seen.append(found[0])
    assert not plain, f"the focus cannot be seen on: {plain}"
    return seen


@pytest.mark.parametrize("tab", TABS)
def test_tab_reaches_everything_and_the_focus_is_seen(visit: Visit, tab: str) -> None:
    explorer = _open(visit, tab)
    seen = _walk(explorer)
    wanted = explorer.page.evaluate("() => window.tabbable().map(window.nameOf)")
    assert len(seen) > 15
    assert set(wanted) <= set(seen), f"not reached: {set(wanted) - set(seen)}"


def test_everything_is_done_without_a_mouse(visit: Visit) -> None:
    explorer = visit()

    def tab_to(name: str, back: bool = False) -> None:
        for _ in range(60):
            if explorer.part(name).evaluate("(each) => each.getRootNode().activeElement === each"):
                return
            explorer.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"{name} is not reached")

    # Open another program from the menu, then type one.
    tab_to("program-menu")
    explorer.press("Enter")
    explorer.page.keyboard.type("figure2")
    explorer.press("ArrowDown", "Enter")
    expect(explorer.part("program-menu")).to_have_text("figure2.fg")
    tab_to("editor")
    explorer.press("Control+a")
    explorer.page.keyboard.insert_text(TEXT)
    explorer.expect_steps(0, 1, 2, 3)
    # Reorder it.
    explorer.press("Tab")
    while not explorer.ask("() => ROOT.activeElement?.matches('.row')"):
        explorer.press("Tab")
    explorer.press("End", "ArrowUp", "Alt+ArrowUp")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("o")
    explorer.expect_steps(0, 1, 2, 3)
    explorer.press("b")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("ArrowRight")
    expect(explorer.part("lump").first).to_be_focused()
    expect(explorer.page.locator(".card")).to_be_visible()
    explorer.press("ArrowLeft", "Control+z")
    explorer.expect_steps(0, 1, 2, 3)
    explorer.press("w")
    explorer.idle()
    explorer.press("r")
    explorer.idle()
    explorer.press("o")
    explorer.expect_steps(0, 1, 2, 3)
    # Save the order under a name.
    tab_to("save-name")
    explorer.page.keyboard.type("mine b r w 1 2 3 ? s")
    explorer.press("Enter")
    expect(explorer.part("saved")).to_contain_text("mine b r w 1 2 3 ? s")
    expect(explorer.part("tab-order")).to_have_attribute("aria-selected", "true")
    # To the tabs, by digits and by arrows.
    tab_to("tab-order", back=True)
    explorer.press("ArrowRight")
    expect(explorer.part("tab-derivation")).to_be_focused()
    explorer.press("3")
    expect(explorer.part("verify")).to_be_visible()
    tab_to("verify")
    explorer.press("Enter")
    explorer.part("check-row").first.wait_for()
    explorer.press("2")
    expect(explorer.page.locator(".stage-button").first).to_be_visible()
    explorer.press("ArrowRight")
    expect(explorer.part("badge")).to_be_visible()
    # Help and taking home.
    explorer.press("?")
    expect(explorer.part("help-dialog")).to_be_visible()
    explorer.press("Escape")
    expect(explorer.part("help-dialog")).to_be_hidden()
    explorer.press("s")
    expect(explorer.part("take-home-dialog")).to_be_visible()
    explorer.press("ArrowDown")
    tab_to("export")
    with explorer.page.expect_download() as download:
        explorer.press("Enter")
    assert download.value.suggested_filename.startswith("figure2")
    explorer.press("Escape")
    expect(explorer.part("take-home-dialog")).to_be_hidden()
    explorer.press("1")
    explorer.expect_steps(0, 1, 2, 3)


# -- screen readers ----------------------------------------------------------------------------------------------------

_NAMED = {
    *("button", "textbox", "searchbox", "checkbox", "radio", "slider", "combobox", "tab", "option", "link", "dialog"),
    *(
        "tablist",
        "listbox",
        "tabpanel",
        "region",
        "group",
        "radiogroup",
        "image",
        "img",
        "progressbar",
        "table",
        "menu",
    ),
}
_MAY_BE_NAMELESS = {"group", "table"}
"""Disclosures and tables have their words inside."""


def _tree(explorer: Explorer) -> list[tuple[str, str, dict[str, Any]]]:
    """Role, name and properties of all that Chromium tells screen readers."""
    session = explorer.page.context.new_cdp_session(explorer.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", "").strip(),
            {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])},
        )
        for node in nodes
        if not node["ignored"]
    ]


@pytest.mark.parametrize("tab", TABS)
def test_everything_has_a_name_and_a_place(visit: Visit, tab: str) -> None:
    explorer = _open(visit, tab)
    for dialog in (None, "help", "take-home"):
        if dialog is not None:
            explorer.part(dialog).click()
            expect(explorer.part(f"{dialog}-dialog")).to_be_visible()
        tree = _tree(explorer)
        nameless = [role for role, name, _ in tree if role in _NAMED - _MAY_BE_NAMELESS and not name]
        assert not nameless, f"{dialog or tab}: {nameless}"
        if dialog is None:
            levels = [told.get("level") for role, _, told in tree if role == "heading"]
            assert levels.count(1) == 1
            assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False)), levels
            roles = [role for role, *_ in tree]
            assert roles.count("main") == roles.count("banner") == 1
            live = [told for role, _, told in tree if role == "status" and told.get("live") == "polite"]
            assert live
        else:
            explorer.press("Escape")


# -- narrow pages ------------------------------------------------------------------------------------------------------

_WIDE = """() => {
  const page = document.scrollingElement;
  const told = [];
  if (page.scrollWidth > page.clientWidth) told.push(`the page: ${page.scrollWidth} of ${page.clientWidth}`);
  for (const each of ROOT.querySelectorAll("*")) {
    if (!each.checkVisibility({ visibilityProperty: true }) || each.closest("svg") && each.localName !== "svg") continue;
    const box = each.getBoundingClientRect();
    if (!box.width || box.right <= innerWidth + 0.5 && box.left >= -0.5) continue;
    let holder = each.parentElement;
    while (holder && getComputedStyle(holder).overflowX === "visible") holder = holder.parentElement;
    const inner = holder?.getBoundingClientRect();
    if (!inner || inner.right > innerWidth + 0.5) told.push(`${each.localName}.${each.className} to ${box.right}`);
  }
  return told;
}"""

_HIDDEN = """() => {
  const told = [];
  for (const each of ROOT.querySelectorAll("button, input, select, textarea, summary, a[href]")) {
    if (!each.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (each.type === "file" || each.closest("dialog:not([open])")) continue;
    each.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = each.getBoundingClientRect();
    if (box.width < 2) continue;
    let at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    while (at?.shadowRoot) {
      const inner = at.shadowRoot.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      if (!inner || inner === at) break;
      at = inner;
    }
    const fine = at && (each.contains(at) || at.contains(each) || [...(each.labels ?? [])].some((one) => one.contains(at)) ||
      each.matches(".slider"));
    if (!fine) told.push(`${each.localName} ${each.dataset.testid ?? each.textContent} under ${at?.localName}.${at?.getAttribute("class")}`);
  }
  return told;
}"""

_OVERLAPS = """() => {
  const told = [];
  const list = [...ROOT.querySelectorAll("button, input, select, textarea, summary, h2, h3, p, dt, dd, li, label, th, td")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
      !each.closest("dialog, .card, .toasts, .sr-only, .menu, .editor-page, .applications") && each.textContent.trim())
    .map((each) => [each, each.getBoundingClientRect()]).filter(([, box]) => box.width > 2 && box.height > 2);
  const clip = (each) => {
    let [left, top, right, bottom] = [0, 0, innerWidth, 1e6];
    for (let up = each.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowY === "visible") continue;
      const box = up.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, box.left), Math.max(top, box.top), Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return [left, top, right, bottom];
  };
  const seen = list.map(([each, box]) => {
    const [left, top, right, bottom] = clip(each);
    return [each, Math.max(left, box.left), Math.max(top, box.top), Math.min(right, box.right), Math.min(bottom, box.bottom)];
  }).filter(([, left, top, right, bottom]) => right - left > 2 && bottom - top > 2);
  for (let a = 0; a < seen.length; a++) for (let b = a + 1; b < seen.length; b++) {
    const [one, l1, t1, r1, b1] = seen[a];
    const [other, l2, t2, r2, b2] = seen[b];
    if (one.contains(other) || other.contains(one)) continue;
    if (Math.min(r1, r2) - Math.max(l1, l2) > 2 && Math.min(b1, b2) - Math.max(t1, t2) > 2) {
      told.push(`${one.localName} "${one.textContent.slice(0, 30)}" and ${other.localName} "${other.textContent.slice(0, 30)}"`);
    }
  }
  return told;
}"""


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("width", [390, 640, 1280])
def test_nothing_is_cut_off_or_covered(visit: Visit, width: int, tab: str) -> None:
    """640 is a page of 1280 at 200 %: the same pixels, half as many of the units that a page is laid out in."""
    scale = 2 if width < 1000 else 1
    settings = {"viewport": {"width": width, "height": 844 if width == 390 else 400 * (2 // scale)}}
    explorer = _open(visit, tab, **settings, device_scale_factor=scale)
    for script in (_WIDE, _OVERLAPS, _HIDDEN):
        assert explorer.ask(script) == []
    for dialog in ("help", "take-home"):
        explorer.part(dialog).click()
        explorer.page.locator("dialog[open]").wait_for()
        assert explorer.ask(_WIDE) == []
        explorer.press("Escape")


# -- colours -----------------------------------------------------------------------------------------------------------

_CONTRAST = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((part, k) => part * a + under[k] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opacity = (element) => {
    let all = 1;
    for (let up = element; up; up = up.parentElement) all *= Number(getComputedStyle(up).opacity);
    return all;
  };
  const ground = (element, x, y) => {
    const layers = [];
    for (let up = element; up; up = up.parentElement ?? up.getRootNode().host) {
      layers.push(rgba(getComputedStyle(up).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
      if (up.ownerSVGElement) {
        // What an SVG paints before it, where it lies behind the words.
        const svg = up.ownerSVGElement;
        for (const shape of [...svg.querySelectorAll("rect, circle")].reverse()) {
          if (!(shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
          const box = shape.getBoundingClientRect();
          if (x < box.left || x > box.right || y < box.top || y > box.bottom || !shape.checkVisibility()) continue;
          const look = getComputedStyle(shape);
          const [r, g, b, a] = look.fill === "none" ? [0, 0, 0, 0] : rgba(look.fill);
          layers.push([r, g, b, a * Number(look.fillOpacity) * opacity(shape)]);
        }
        up = svg;
      }
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const told = [];
  let count = 0;
  const walker = document.createTreeWalker(ROOT, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest("title, style, .sr-only, :disabled, [aria-disabled=true]")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width < 1) continue;
    const look = getComputedStyle(element);
    const ink = rgba(element.ownerSVGElement ? look.fill : look.color);
    const under = ground(element, box.x + box.width / 2, box.y + box.height / 2);
    const shown = over([...ink.slice(0, 3), ink[3] * opacity(element)], under);
    const [a, b] = [light(shown), light(under)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    count++;
    if (contrast < 4.5) told.push(`${contrast.toFixed(2)} "${node.data.trim().slice(0, 40)}" ${element.localName}.${element.getAttribute("class")} ${shown.map(Math.round)} on ${under.map(Math.round)}`);
  }
  return [count, told];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_their_ground(visit: Visit, theme: str) -> None:
    explorer = _open(visit, "order", color_scheme=theme)

    def check(place: str) -> None:
        count, weak = explorer.ask(_CONTRAST)
        assert count > 20, place
        assert not weak, f"{place}: {weak}"

    explorer.row(1).click()
    explorer.part("random").hover()
    check("order")
    explorer.part("best").click()
    explorer.idle()
    explorer.type(TEXT.replace("t1)", "t9)"))
    expect(explorer.part("message")).to_be_visible()
    explorer.row(0).focus()
    explorer.press("Alt+ArrowUp", "End", "Alt+ArrowUp", "Alt+ArrowUp", "Alt+ArrowUp")
    expect(explorer.part("toast").first).to_be_visible()
    check("a mistake and a refusal")
    explorer.part("program-menu").click()
    check("the menu")
    explorer.press("Escape")
    explorer.type(TEXT)
    expect(explorer.part("message")).to_have_count(0)
    for name in ("help", "take-home"):
        explorer.part(name).click()
        expect(explorer.part(f"{name}-dialog")).to_be_visible()
        check(name)
        explorer.press("Escape")
    explorer.part("tab-derivation").click()
    explorer.page.locator(".stage-button").nth(2).click()
    expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    explorer.idle()
    check("derivation")
    explorer.part("tab-check").click()
    explorer.part("verify").click()
    explorer.part("check-row").first.wait_for()
    expect(explorer.part("number-result")).to_have_count(4)
    check("check")
    explorer.type(SINGULAR)
    explorer.part("tab-order").click()
    expect(explorer.part("certificate")).to_be_visible()
    check("a certificate")


# -- motion ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_by_itself_where_that_is_not_wanted(visit: Visit, motion: str) -> None:
    explorer = visit(TEXT, reduced_motion=motion)
    explorer.page.evaluate(
        """() => {
          window.moves = 0;
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...given) { window.moves++; return animate.apply(this, given); };
          const { shadowRoot } = document.querySelector("#explorer");
          for (const name of ["transitionrun", "animationstart"]) shadowRoot.addEventListener(name, () => window.moves++);
        }"""
    )
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.row(2).focus()
    explorer.press("Alt+ArrowDown")
    explorer.expect_steps(0, 1, 2, 3)
    assert (explorer.page.evaluate("window.moves") > 0) == (motion == "no-preference")
    explorer.part("tab-derivation").click()
    expect(explorer.page.locator(".stage-button").first).to_be_visible()
    explorer.press("ArrowRight")
    expect(explorer.part("badge")).to_be_visible()
    # In the derivation vertices glide from frame to frame; without motion a drawing is where it stays, at once.
    explorer.page.evaluate(
        """() => {
          const { shadowRoot } = document.querySelector("#explorer");
          const scene = shadowRoot.querySelector("[data-testid=scene-after]");
          window.places = [];
          window.watch = () => {
            window.places.push(scene.innerHTML);
            if (window.places.length < 60) requestAnimationFrame(window.watch);
          };
          requestAnimationFrame(window.watch);
        }"""
    )
    explorer.press("ArrowRight")
    explorer.until("() => window.places.length >= 60")
    different = explorer.page.evaluate("new Set(window.places).size")
    assert (different > 2) == (motion == "no-preference"), different
