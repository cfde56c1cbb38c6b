/** The derivation of a mode, application by application: the graph before and after, the rule, its site, its check. */

import {ask, button, fill, h, problem} from "./parts.js";
import {RuleCard} from "./rule_card.js";
import {SceneView, prefersStill, svgNode} from "./scene.js";
import {Timeline} from "./timeline.js";

export const MODES = [
  {name: "forward", symbol: "J"},
  {name: "reverse", symbol: "Jᵀ"},
  {name: "forward-inverse", symbol: "J⁻¹"},
  {name: "reverse-inverse", symbol: "J⁻ᵀ"},
];

/** How long play rests at an application, in ms. */
const REST = 900;
/** How long a screen reader is spared while somebody steps quickly. */
const QUIET = 350;
/** Applications that are kept once they were shown or fetched ahead. */
const KEPT = 80;
const ZOOMS = [0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3.2];

const ICONS = {
  stageBack: "M3 3V13M13 3L5 8L13 13Z",
  back: "M12 3L4 8L12 13Z",
  on: "M4 3L12 8L4 13Z",
  stageOn: "M13 3V13M3 3L11 8L3 13Z",
  play: "M5 3.5L12.5 8L5 12.5Z",
  pause: "M5 3.5V12.5M11 3.5V12.5",
};

/** The tab "Derivation". */
export class DerivationView {
  #app;
  #base = "";
  #timeline = null;
  #position = 0;
  #asked = 0;
  #shown = null;
  #rows = null;
  #cache = new Map();
  #playing = 0;
  #saying = 0;
  #zoom = 4;
  #stopKeys = null;

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.#app = app;
    this.timeline = new Timeline((position) => this.go(position));
    this.card = new RuleCard();
    this.panes = {before: new Pane("before", "Before"), after: new Pane("after", "After")};
    linkScrolling(this.panes.before.scroller, this.panes.after.scroller);
    this.element = h("div", {class: "derivation"}, this.#bar(), this.timeline.element, this.#body());
  }

  #bar() {
    this.modeButtons = MODES.map(({name, symbol}) =>
      button(h("span", {class: "symbol"}, symbol), {
        class: "mode",
        "data-mode": name,
        onclick: () => this.#app.act({do: "mode", mode: name}),
      }, h("span", {class: "mode-name"}, name)),
    );
    this.hide = h("input", {
      type: "checkbox",
      "data-testid": "hide",
      onchange: () => this.#app.act({do: "hide", hide: this.hide.checked}),
    });
    this.play = button("", {class: "play", "data-testid": "play", onclick: () => this.#toggle()});
    this.#playLabel(false);
    const step = (label, keys, icon, testid, action) =>
      button(iconNode(icon), {"data-testid": testid, "aria-label": label, title: `${label} (${keys})`, onclick: action});
    this.steps = {
      stageBack: step("previous stage", "Shift+←", "stageBack", "previous-stage", () => this.stage(-1)),
      back: step("previous application", "←", "back", "previous", () => this.step(-1)),
      on: step("next application", "→", "on", "next", () => this.step(1)),
      stageOn: step("next stage", "Shift+→", "stageOn", "next-stage", () => this.stage(1)),
    };
    return h(
      "div",
      {class: "derivation-bar"},
      h("div", {class: "segmented modes", role: "group", "aria-label": "mode"}, ...this.modeButtons),
      h("div", {class: "segmented steps", role: "group", "aria-label": "step"}, ...Object.values(this.steps), this.play),
      h("label", {class: "check"}, this.hide, "hide applications that change nothing"),
    );
  }

  #body() {
    this.views = ["before", "both", "after"].map((name) =>
      button(name, {"data-view": name, "aria-pressed": String(name === "both"), onclick: () => this.#choose(name)}),
    );
    this.message = h("div", {class: "derivation-message"});
    this.window = h("div", {class: "window-controls", hidden: true});
    this.key = h("p", {class: "marks-key", "aria-hidden": "true"});
    const zooms = h(
      "div",
      {class: "segmented zooms", role: "group", "aria-label": "size of the drawing"},
      button("−", {"aria-label": "smaller", title: "smaller", onclick: () => this.#resize(-1)}),
      button("+", {"aria-label": "larger", title: "larger", onclick: () => this.#resize(1)}),
    );
    this.tools = h(
      "div",
      {class: "scene-tools"},
      h("div", {class: "segmented views", role: "group", "aria-label": "graphs shown"}, ...this.views),
      zooms,
      this.window,
    );
    this.scenes = h("div", {class: "scenes", "data-view": "both"}, this.panes.before.element, this.panes.after.element);
    this.main = h("div", {class: "derivation-main"}, this.message, this.tools, this.scenes, this.key);
    const list = h("details", {class: "list-box", open: true}, h("summary", {}, "Applications"), this.timeline.list.element);
    return h("div", {class: "derivation-body"}, this.main, h("div", {class: "side"}, this.card.element, list));
  }

  // -- what the app calls ---------------------------------------------------------------------------------------------

  /** Bring everything up to date with the app's state. */
  update(app) {
    this.#app = app;
    const {state, view} = app;
    if (state.tab !== "derivation") {
      this.#pause();
      return;
    }
    for (const item of this.modeButtons) item.setAttribute("aria-pressed", String(item.dataset.mode === state.mode));
    this.hide.checked = state.hide;
    const base = baseOf(state, view);
    if (base !== this.#base) {
      this.#base = base;
      this.#cache.clear();
      this.#rows = null;
      this.#pause();
      this.#load();
      return;
    }
    // While acts are under way the place on the screen is ahead of the state.
    if (this.#asked === 0) this.#position = this.#clamped(state.position);
    this.#render();
  }

  /** @param {KeyboardEvent} event */
  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isText(event.target)) return false;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const by = event.key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) this.stage(by);
      else this.step(by);
      event.preventDefault();
      return true;
    }
    return false;
  }

  /** How far something long has come. */
  busy(what, done, total) {
    if (this.#timeline) return;
    this.message.textContent = total > 0 ? `${what}: ${done} of ${total}` : `${what} …`;
  }

  // -- moving ---------------------------------------------------------------------------------------------------------

  /** Show the graph after so many applications. */
  go(position) {
    if (!this.#timeline) return;
    const goal = this.#clamped(position);
    if (goal === this.#position) return;
    this.#position = goal;
    this.#render();
    this.#asked += 1;
    Promise.resolve(this.#app.act({do: "go", position: goal})).finally(() => {
      this.#asked -= 1;
      if (this.#asked === 0) this.update(this.#app);
    });
  }

  /** One application on (1) or back (−1); those that change nothing are passed over where they are hidden. */
  step(by) {
    const stops = this.timeline.stops;
    const goal = by > 0 ? stops.find((p) => p > this.#position) : stops.findLast((p) => p < this.#position);
    if (goal === undefined) {
      this.#pause();
      this.#app.announce(by > 0 ? "the end of the derivation" : "the primal graph");
      return;
    }
    this.go(goal);
  }

  /** To the end of this stage, or of the next one; back to the end of the stage before. */
  stage(by) {
    const stages = this.#timeline?.stages ?? [];
    const places = stages.map((stage) => stage.stop);
    const goal = by > 0 ? places.find((p) => p > this.#position) : places.findLast((p) => p < this.#position);
    if (goal !== undefined) this.go(goal);
  }

  #clamped(position) {
    return Math.max(0, Math.min(position, this.#timeline?.count ?? position));
  }

  #toggle() {
    if (this.#playing) {
      this.#pause();
      return;
    }
    const last = this.timeline.stops.at(-1);
    if (this.#position >= last) this.go(0);
    this.#playing = window.setInterval(() => {
      // Not faster than the graphs come.
      if (this.#shown === this.#position) this.step(1);
    }, REST);
    this.#playLabel(true);
    this.#stopKeys = (event) => {
      // Space and Enter on the button itself are its click, which pauses too.
      const onButton = event.composedPath().includes(this.play) && [" ", "Enter"].includes(event.key);
      if (!onButton) this.#pause();
    };
    document.addEventListener("keydown", this.#stopKeys, true);
  }

  #pause() {
    if (!this.#playing) return;
    window.clearInterval(this.#playing);
    this.#playing = 0;
    document.removeEventListener("keydown", this.#stopKeys, true);
    this.#playLabel(false);
  }

  #playLabel(on) {
    fill(this.play, iconNode(on ? "pause" : "play"), on ? "pause" : "play");
    this.play.setAttribute("aria-pressed", String(on));
  }

  // -- fetching -------------------------------------------------------------------------------------------------------

  async #load() {
    const base = this.#base;
    this.#timeline = null;
    this.element.classList.add("waiting");
    const reply = await ask(this.#app, "timeline", {state: this.#app.state}, (progress) => this.#progress(progress));
    if (reply === null || base !== this.#base) return;
    this.element.classList.remove("waiting");
    if (reply.error) {
      this.#fail(reply.error);
      return;
    }
    this.#timeline = reply.timeline;
    fill(this.message);
    this.main.classList.remove("failed");
    this.#position = this.#clamped(this.#app.state.position);
    this.#shown = null;
    this.#render();
  }

  #progress({what, done, total}) {
    this.busy(what, done, total);
  }

  #fail(error) {
    fill(this.message, problem(error));
    this.main.classList.add("failed");
    this.timeline.clear();
    this.card.clear();
    for (const pane of Object.values(this.panes)) pane.clear();
    for (const item of Object.values(this.steps)) setDisabled(item, true);
    this.play.disabled = true;
    this.key.textContent = "";
    this.window.hidden = true;
  }

  /** The application at a position, from the cache or asked for. */
  #application(position) {
    const key = `${position}|${this.#rows ?? ""}`;
    let entry = this.#cache.get(key);
    if (!entry) {
      entry = {reply: null, promise: null};
      const state = {...this.#app.state, position};
      entry.promise = ask(this.#app, "application", {state, rows: this.#rows, numbers: null}).then((reply) => {
        entry.reply = reply;
        // What was dropped or went wrong may be asked for again.
        if ((reply === null || reply.error) && this.#cache.get(key) === entry) this.#cache.delete(key);
        return reply;
      });
    } else {
      this.#cache.delete(key);
    }
    this.#cache.set(key, entry);
    if (this.#cache.size > KEPT) this.#cache.delete(this.#cache.keys().next().value);
    return entry;
  }

  async #render() {
    if (!this.#timeline) return;
    const {hide} = this.#app.state;
    this.timeline.update(this.#timeline, this.#position, hide);
    const {stops} = this.timeline;
    const [first, last] = [this.#position <= 0, this.#position >= stops.at(-1)];
    setDisabled(this.steps.back, first);
    setDisabled(this.steps.stageBack, first);
    setDisabled(this.steps.on, last);
    setDisabled(this.steps.stageOn, this.#position >= this.#timeline.count);
    this.play.disabled = stops.length < 2;
    const [position, base] = [this.#position, this.#base];
    const entry = this.#application(position);
    if (!entry.reply) {
      const late = window.setTimeout(() => this.element.classList.add("waiting"), 150);
      await entry.promise;
      window.clearTimeout(late);
    }
    if (position !== this.#position || base !== this.#base) return;
    this.element.classList.remove("waiting");
    const {reply} = entry;
    if (reply?.error) {
      fill(this.message, problem(reply.error));
      return;
    }
    if (reply) this.#show(reply.application);
    this.#ahead();
  }

  /** Fetch the neighbours, one after the other, so that the next key finds them. */
  async #ahead() {
    const [here, base] = [this.#position, this.#base];
    const {stops} = this.timeline;
    const goals = [stops.find((p) => p > here), stops.findLast((p) => p < here)];
    for (const goal of goals) {
      if (goal === undefined) continue;
      await this.#application(goal).promise;
      if (here !== this.#position || base !== this.#base) return;
    }
  }

  // -- showing --------------------------------------------------------------------------------------------------------

  #show(application) {
    const same = this.#shown === application.position && this.shownApplication === application;
    this.#shown = application.position;
    if (same) return;
    fill(this.message);
    const previous = this.shownApplication;
    this.shownApplication = application;
    const glide = previous !== undefined && String(previous.rows) === String(application.rows);
    const {before, after, changed} = application;
    const merge = mergeOf(application);
    if (previous && previous.position > application.position) for (const [a, b] of mergeOf(previous)) merge.set(a, b);
    const marks = changed ?? {};
    const own = {site: marks.site, relabelled: marks.relabelled};
    this.panes.before.show(before, {
      marks: {...own, removed: marks.removed, gone: marks.vertices_gone},
      animate: glide,
      merge,
    });
    this.panes.after.show(after, {
      marks: {...own, added: marks.added},
      animate: glide,
      merge,
      values: application.values,
    });
    for (const pane of Object.values(this.panes)) pane.reveal(marks.site ?? [], prefersStill());
    this.scenes.classList.toggle("alone", before === null);
    this.card.update(application, this.timeline.stageOf(application.position));
    this.#keyOfMarks(application);
    this.#windowControls(application);
    this.#say(application);
  }

  #keyOfMarks({changed, before}) {
    const rows = before === null ? [] : [
      ["added", changed?.added, "added"],
      ["removed", changed?.removed, "removed"],
      ["relabelled", changed?.relabelled, "new label"],
      ["site", changed?.site, "site of the rule"],
    ];
    const shown = rows.filter(([, keys]) => keys?.length);
    fill(this.key, ...shown.map(([kind, , word]) => h("span", {class: `sample ${kind}`}, h("i"), word)));
  }

  #windowControls({rows, all_rows: all}) {
    const [first, last] = all;
    const [from, to] = rows;
    const whole = from <= first && to >= last;
    this.window.hidden = whole && this.#rows === null;
    if (this.window.hidden) return;
    const size = to - from;
    const move = (start) => {
      const t0 = Math.max(first, Math.min(start, last - size));
      this.#look([t0, t0 + size]);
    };
    const by = Math.max(1, Math.floor(size * 0.75));
    const slider = h("input", {
      type: "range",
      min: first,
      max: Math.max(first, last - size),
      value: from,
      "aria-label": "first row shown",
      "aria-valuetext": `rows ${from} to ${to} of ${first} to ${last}`,
      oninput: (event) => move(Number(event.target.value)),
    });
    const earlier = button("▲ earlier rows", {disabled: from <= first, onclick: () => move(from - by)});
    const later = button("▼ later rows", {disabled: to >= last, onclick: () => move(from + by)});
    const follow = h("input", {
      type: "checkbox",
      onchange: () => this.#look(follow.checked ? null : rows),
    });
    follow.checked = this.#rows === null;
    const keep = this.window.contains(this.element.getRootNode().activeElement)
      ? [...this.window.querySelectorAll("input, button")].indexOf(this.element.getRootNode().activeElement)
      : -1;
    fill(
      this.window,
      h("span", {}, `rows ${from}–${to} of ${first}–${last}`),
      earlier,
      slider,
      later,
      h("label", {class: "check"}, follow, "follow the site"),
    );
    if (keep >= 0) this.window.querySelectorAll("input, button")[keep]?.focus();
  }

  #look(rows) {
    this.#rows = rows;
    this.shownApplication = undefined;
    this.#render();
  }

  #say(application) {
    window.clearTimeout(this.#saying);
    this.#saying = window.setTimeout(() => {
      if (this.#app.state.tab !== "derivation") return;
      const {position, title, site, check} = application;
      const words = position === 0 ? "the primal graph" : `${title}${site ? ` at ${site}` : ""}`;
      const verdict = check ? `; ${check.ok ? check.text : `check failed: ${check.witness}`}` : "";
      this.#app.announce(`${position} of ${this.#timeline?.count ?? 0}: ${words}${verdict}`);
    }, QUIET);
  }

  #choose(name) {
    this.scenes.dataset.view = name;
    for (const item of this.views) item.setAttribute("aria-pressed", String(item.dataset.view === name));
  }

  #resize(by) {
    this.#zoom = Math.max(0, Math.min(ZOOMS.length - 1, this.#zoom + by));
    for (const pane of Object.values(this.panes)) pane.resize(ZOOMS[this.#zoom]);
  }
}

/** One of the two drawings, with its heading. */
class Pane {
  constructor(name, heading) {
    this.view = new SceneView({label: heading});
    this.view.element.setAttribute("data-testid", `scene-${name}`);
    this.scroller = h("div", {class: "scroller", tabindex: 0, role: "group", "aria-label": `${heading}: drawing`},
      this.view.element);
    this.empty = h("p", {class: "empty"}, "nothing before the primal graph");
    this.element = h("figure", {class: `pane ${name}`}, h("figcaption", {}, heading), this.scroller, this.empty);
  }

  show(scene, options) {
    this.empty.hidden = scene !== null;
    this.scroller.hidden = scene === null;
    if (scene === null) this.view.clear();
    else this.view.show(scene, options);
  }

  clear() {
    this.view.clear();
  }

  resize(scale) {
    this.view.scale = scale;
    this.element.classList.toggle("enlarged", scale > 1.5);
    if (this.view.scene) this.view.element.style.width = `${this.view.scene.width * scale}px`;
  }

  /** Scroll the drawing, not the page, to some vertices. */
  reveal(keys, still) {
    const box = this.view.boundsOf(keys);
    if (!box || this.scroller.hidden) return;
    const {scroller} = this;
    const scale = this.view.element.clientWidth / this.view.scene.width || this.view.scale;
    const inside = (low, high, start, size) => low >= start && high <= start + size;
    const [left, top, right, bottom] = box.map((x) => x * scale);
    if (
      inside(left, right, scroller.scrollLeft, scroller.clientWidth) &&
      inside(top, bottom, scroller.scrollTop, scroller.clientHeight)
    ) {
      return;
    }
    scroller.scrollTo({
      left: (left + right - scroller.clientWidth) / 2,
      top: (top + bottom - scroller.clientHeight) / 2,
      behavior: still ? "auto" : "smooth",
    });
  }
}

function iconNode(name) {
  const path = svgNode("path", {d: ICONS[name]});
  return svgNode("svg", {class: `icon ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true"}, path);
}

/** Both drawings share one page, so they scroll as one. */
function linkScrolling(one, other) {
  let leader = null;
  const follow = (from, to) => () => {
    if (leader === to) {
      leader = null;
      return;
    }
    if (to.scrollLeft === from.scrollLeft && to.scrollTop === from.scrollTop) return;
    leader = from;
    to.scrollTo(from.scrollLeft, from.scrollTop);
  };
  one.addEventListener("scroll", follow(one, other), {passive: true});
  other.addEventListener("scroll", follow(other, one), {passive: true});
}

/** What the timeline and the applications depend on. */
function baseOf(state, view) {
  return JSON.stringify([view?.key ?? state.text, state.order, state.mode]);
}

/** The vertex that takes the place of those that are gone: the one of the site that stays. */
function mergeOf({changed}) {
  const gone = changed?.vertices_gone ?? [];
  const stays = (changed?.site ?? []).filter((key) => !gone.includes(key));
  return new Map(stays.length === 1 ? gone.map((key) => [key, stays[0]]) : []);
}

function isText(node) {
  return (
    node instanceof HTMLElement &&
    (node.isContentEditable ||
      node instanceof HTMLTextAreaElement ||
      node instanceof HTMLSelectElement ||
      (node instanceof HTMLInputElement && !["range", "checkbox", "radio", "button"].includes(node.type)))
  );
}

/** A disabled button loses the focus, and with it the keyboard; one that only says so keeps it. */
function setDisabled(node, off) {
  node.setAttribute("aria-disabled", String(off));
}
