/** The derivation of a mode, application by application: the graph before and after, the rule, its site, its check. */

import { fill, h, s } from "./dom.js";
import { Pane, linkScrolling, nextZoom } from "./pane.js";
import { button, problem, progressOf } from "./parts.js";
import { RuleCard } from "./rule_card.js";
import { prefersStill } from "./scene.js";
import { Timeline } from "./timeline.js";

const MODES = [
  { name: "forward", symbol: "J" },
  { name: "reverse", symbol: "Jᵀ" },
  { name: "forward-inverse", symbol: "J⁻¹" },
  { name: "reverse-inverse", symbol: "J⁻ᵀ" },
];

/** How long play rests at an application, in ms. */
const REST = 900;
/** How long a screen reader is spared while somebody steps quickly. */
const QUIET = 350;
/** How long a drawing may take before the old one is dimmed. */
const LATE = 200;
/** Applications that are kept once they were shown or fetched ahead. */
const KEPT = 80;
/** Of so many changes all are brought into view. */
const MOST_SHOWN = 8;

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
  #told = null;
  #fetching = false;
  #shown = null;
  #rows = null;
  #cache = new Map();
  #playing = 0;
  #saying = 0;
  #late = 0;
  #revealing = 0;
  #zoom = "auto";
  #stopKeys = null;

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.#app = app;
    this.timeline = new Timeline((position) => this.go(position));
    this.card = new RuleCard();
    this.panes = { before: new Pane("before", "Before"), after: new Pane("after", "After") };
    linkScrolling(this.panes.before.scroller, this.panes.after.scroller);
    this.element = h("div", { class: "derivation blank" }, this.#bar(), this.timeline.element, this.#body());
  }

  #bar() {
    this.modeButtons = MODES.map(({ name, symbol }) =>
      button(h("span", { class: "symbol" }, symbol), {
        class: "mode",
        "data-mode": name,
        on: { click: () => this.#app.act({ do: "mode", mode: name }) },
      }, h("span", { class: "mode-name" }, name)),
    );
    this.hide = h("input", {
      type: "checkbox",
      "data-testid": "hide",
      on: { change: () => this.#app.act({ do: "hide", hide: this.hide.checked }) },
    });
    this.play = button("", { class: "play", "data-testid": "play", on: { click: () => this.#toggle() } });
    this.#playLabel(false);
    const step = (label, keys, icon, testid, action) =>
      button(iconNode(icon), {
        "data-testid": testid,
        "aria-label": label,
        title: `${label} (${keys})`,
        on: { click: action },
      });
    this.steps = {
      stageBack: step("previous stage", "Shift+←", "stageBack", "previous-stage", () => this.stage(-1)),
      back: step("previous application", "←", "back", "previous", () => this.step(-1)),
      on: step("next application", "→", "on", "next", () => this.step(1)),
      stageOn: step("next stage", "Shift+→", "stageOn", "next-stage", () => this.stage(1)),
    };
    return h(
      "div",
      { class: "derivation-bar" },
      h("div", { class: "segmented modes", role: "group", "aria-label": "mode" }, ...this.modeButtons),
      h(
        "div",
        { class: "segmented steps", role: "group", "aria-label": "step" },
        ...Object.values(this.steps),
        this.play,
      ),
      h("label", { class: "check", title: "applications that change nothing" }, this.hide, "hide no-ops"),
    );
  }

  #body() {
    this.views = ["before", "both", "after"].map((name) =>
      button(name, {
        "data-view": name,
        "aria-pressed": String(name === "both"),
        on: { click: () => this.#choose(name) },
      }),
    );
    this.message = h("div", { class: "derivation-message" });
    this.window = h("div", { class: "window-controls", hidden: true });
    this.key = h("p", { class: "marks-key", "aria-hidden": "true" });
    const zooms = h(
      "div",
      { class: "segmented zooms", role: "group", "aria-label": "size of the drawing" },
      button("−", { "aria-label": "smaller", title: "smaller", on: { click: () => this.#resize(-1) } }),
      button("+", { "aria-label": "larger", title: "larger", on: { click: () => this.#resize(1) } }),
      button("fit", { title: "the whole drawing; again for the usual size", on: { click: () => this.#resize(0) } }),
    );
    this.tools = h(
      "div",
      { class: "scene-tools" },
      h("div", { class: "segmented views", role: "group", "aria-label": "graphs shown" }, ...this.views),
      zooms,
    );
    this.timeline.foot.append(this.tools);
    const panes = Object.values(this.panes).map((pane) => pane.element);
    this.scenes = h("div", { class: "scenes", "data-view": "both" }, ...panes);
    this.main = h(
      "div",
      { class: "derivation-main" },
      this.message,
      this.card.line,
      this.window,
      this.scenes,
      this.key,
      this.card.lettersBox,
    );
    const title = h("summary", {}, "Applications");
    const list = h("details", { class: "list-box", open: true }, title, this.timeline.list.element);
    return h("div", { class: "derivation-body" }, this.main, h("div", { class: "side" }, this.card.element, list));
  }

  // -- what the app calls ---------------------------------------------------------------------------------------------

  /** Bring everything up to date with the app's state. */
  update(app) {
    this.#app = app;
    const { state, view } = app;
    if (app.tab !== "derivation") {
      this.#pause();
      return;
    }
    for (const item of this.modeButtons) item.setAttribute("aria-pressed", String(item.dataset.mode === state.mode));
    this.hide.checked = state.hide;
    if (!view || view.key === null) {
      this.#fail({ message: "there is no program to derive", remedy: "mend the text, or open a program" });
      this.#base = "";
      return;
    }
    const base = baseOf(state, view);
    if (base !== this.#base) {
      this.#base = base;
      this.#told = null;
      this.#cache.clear();
      this.#rows = null;
      this.#pause();
      this.#load();
      return;
    }
    if (this.#told === state.position) this.#heard(state.position);
    // While the app is being told, the place on the screen is ahead of the state.
    if (this.#told === null) this.#position = this.#clamped(state.position);
    this.#render();
  }

  /** @param {KeyboardEvent} event */
  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isText(event)) return false;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const by = event.key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) this.stage(by);
      else this.step(by);
      event.preventDefault();
      return true;
    }
    return false;
  }

  // -- moving ---------------------------------------------------------------------------------------------------------

  /** Show the graph after so many applications. */
  go(position) {
    if (!this.#timeline) return;
    const goal = this.#clamped(position);
    if (goal === this.#position) return;
    // What went wrong the last time may be asked for again.
    if (this.#cache.get(this.#cacheKey(goal))?.error) this.#cache.delete(this.#cacheKey(goal));
    this.#position = goal;
    this.#render();
    this.#sync();
  }

  /** Tell the app where we are; while it hears of one place, later ones wait, and only the last of them is told. */
  #sync() {
    const goal = this.#position;
    if (this.#told !== null || goal === this.#app.state.position) return;
    this.#told = goal;
    Promise.resolve(this.#app.act({ do: "go", position: goal })).finally(() => this.#heard(goal));
  }

  #heard(goal) {
    if (this.#told !== goal) return;
    this.#told = null;
    if (this.#position === goal) this.update(this.#app);
    else this.#sync();
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
    this.element.classList.add("fetching");
    const reply = await this.#app.request("timeline", { state: this.#app.state }, (message) => this.#progress(message));
    if (base !== this.#base) return;
    this.element.classList.remove("fetching");
    if (reply.error) {
      this.#fail(reply.error);
      return;
    }
    this.#timeline = reply.timeline;
    fill(this.message);
    this.element.classList.remove("failed");
    this.#position = this.#clamped(this.#app.state.position);
    this.#shown = null;
    this.#render();
  }

  #progress(message) {
    const { what, done, total } = progressOf(message);
    if (!this.#timeline) this.message.textContent = total > 0 ? `${what}: ${done} of ${total}` : `${what} …`;
  }

  #fail(error) {
    fill(this.message, problem(error));
    if (error.error === "NotInvertible") {
      this.message.append(h("p", { class: "hint" }, "The modes J and Jᵀ need no inverse: choose one of them above."));
    }
    this.element.classList.add("failed");
    this.timeline.clear();
    this.card.clear();
    for (const pane of Object.values(this.panes)) pane.clear();
    for (const item of Object.values(this.steps)) setDisabled(item, true);
    this.play.disabled = true;
    this.key.textContent = "";
    this.window.hidden = true;
  }

  #render() {
    if (!this.#timeline) return;
    this.timeline.update(this.#timeline, this.#position, this.#app.state.hide);
    const { stops } = this.timeline;
    const [first, last] = [this.#position <= 0, this.#position >= stops.at(-1)];
    setDisabled(this.steps.back, first);
    setDisabled(this.steps.stageBack, first);
    setDisabled(this.steps.on, last);
    setDisabled(this.steps.stageOn, this.#position >= this.#timeline.count);
    this.play.disabled = stops.length < 2;
    const reply = this.#cache.get(this.#cacheKey(this.#position));
    if (reply) this.#answer(reply);
    else this.#late ||= window.setTimeout(() => this.element.classList.add("fetching"), LATE);
    this.#fetch();
  }

  #answer(reply) {
    window.clearTimeout(this.#late);
    this.#late = 0;
    this.element.classList.remove("fetching");
    if (reply.error) fill(this.message, problem(reply.error));
    else this.#show(reply.application);
  }

  #cacheKey(position) {
    return `${position}|${this.#rows ?? ""}`;
  }

  /**
   * Fetch the application that is wanted, then its neighbours, so that the next key finds them. One after the other:
   * who steps quickly passes most of them before they would come.
   */
  async #fetch() {
    if (this.#fetching) return;
    this.#fetching = true;
    for (let goal = this.#missing(); goal !== undefined; goal = this.#missing()) {
      const [base, rows, key] = [this.#base, this.#rows, this.#cacheKey(goal)];
      const fields = { state: { ...this.#app.state, position: goal }, rows, numbers: null };
      const reply = await this.#app.request("application", fields);
      if (base !== this.#base) continue;
      this.#cache.set(key, reply);
      if (this.#cache.size > KEPT) this.#cache.delete(this.#cache.keys().next().value);
      if (key === this.#cacheKey(this.#position)) this.#answer(reply);
    }
    this.#fetching = false;
  }

  /** The position to fetch next: this one, the next one or the one before, where it is not there yet. */
  #missing() {
    if (!this.#timeline || this.#app.tab !== "derivation") return undefined;
    const here = this.#position;
    const { stops } = this.timeline;
    const goals = [here, stops.find((p) => p > here), stops.findLast((p) => p < here)];
    return goals.find((goal) => goal !== undefined && !this.#cache.has(this.#cacheKey(goal)));
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
    const { before, after, changed } = application;
    const merge = mergeOf(application);
    if (previous && previous.position > application.position) for (const [a, b] of mergeOf(previous)) merge.set(a, b);
    const marks = told(changed ?? {});
    const own = { site: marks.site, relabelled: marks.relabelled, turned: marks.turned };
    this.panes.before.show(before, {
      marks: { ...own, removed: marks.removed, gone: marks.gone },
      animate: glide,
      merge,
    });
    this.panes.after.show(after, {
      marks: { ...own, added: marks.added },
      animate: glide,
      merge,
      values: application.values,
    });
    // In the next frame, when the layout is done anyway.
    window.cancelAnimationFrame(this.#revealing);
    this.#revealing = window.requestAnimationFrame(() => {
      for (const pane of Object.values(this.panes)) pane.reveal(placeOf(marks), prefersStill());
    });
    this.element.classList.remove("blank");
    this.scenes.classList.toggle("alone", before === null);
    this.panes.after.caption.textContent = before === null ? "Primal graph" : "After";
    this.card.update(application, marks, this.timeline.stageOf(application.position));
    this.#keyOfMarks(marks, before === null);
    this.#windowControls(application);
    this.#say(application);
  }

  #keyOfMarks(marks, start) {
    const words = {
      added: "added",
      removed: "removed",
      turned: "turned round",
      relabelled: "new label",
      gone: "merged away",
      site: "site of the rule",
    };
    const shown = start ? [] : Object.entries(words).filter(([kind]) => marks[kind]?.length);
    fill(this.key, ...shown.map(([kind, word]) => h("span", { class: `sample ${kind}` }, h("i"), word)));
  }

  #windowControls({ rows, all_rows: all }) {
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
      on: { input: (event) => move(Number(event.target.value)) },
    });
    const earlier = button("▲ earlier rows", { disabled: from <= first, on: { click: () => move(from - by) } });
    const later = button("▼ later rows", { disabled: to >= last, on: { click: () => move(from + by) } });
    const follow = h("input", {
      type: "checkbox",
      on: { change: () => this.#look(follow.checked ? null : rows) },
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
      h("label", { class: "check" }, follow, "follow the site"),
    );
    if (keep >= 0) this.window.querySelectorAll("input, button")[keep]?.focus();
  }

  #look(rows) {
    this.#rows = rows;
    this.#render();
  }

  #say(application) {
    window.clearTimeout(this.#saying);
    this.#saying = window.setTimeout(() => {
      if (this.#app.tab !== "derivation") return;
      const { position, title, site, check } = application;
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
    if (by === 0) this.#zoom = this.#zoom === "fit" ? "auto" : "fit";
    else this.#zoom = nextZoom(this.panes.after.scale(), by);
    for (const pane of Object.values(this.panes)) pane.resize(this.#zoom);
  }
}

function iconNode(name) {
  const shape = s("path", { d: ICONS[name] });
  return s("svg", { class: `step-icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, shape);
}

/** What the timeline and the applications depend on. */
function baseOf(state, view) {
  return JSON.stringify([view.key, state.order, state.mode]);
}

/**
 * What changed, as marks. Edges that were turned round are neither new nor gone: to mark each twice would hide that
 * nothing else happened.
 */
function told({ added = [], removed = [], relabelled = [], vertices_gone: gone = [], site = [] }) {
  const lost = new Set(removed);
  const paired = added.length === removed.length && added.every((key) => lost.has(turnedRound(key)));
  if (paired && added.length > 0) return { turned: [...added, ...removed], relabelled, gone, site };
  return { added, removed, relabelled, gone, site };
}

/** The vertices to bring into view: the site, and the ends of what changed where that is little. */
function placeOf({ site = [], added = [], removed = [] }) {
  const changed = [...added, ...removed];
  return changed.length > MOST_SHOWN ? site : [...site, ...changed.flatMap((key) => key.split(" -> "))];
}

/** The key of an edge the other way; an arrow into an input becomes one out of an output. */
function turnedRound(key) {
  const [source, target] = key.split(" -> ");
  if (source === "input") return `${target} -> output`;
  return target === "output" ? `input -> ${source}` : `${target} -> ${source}`;
}

/** The vertex that takes the place of those that are gone: the one of the site that stays. */
function mergeOf({ changed }) {
  const gone = changed?.vertices_gone ?? [];
  const stays = (changed?.site ?? []).filter((key) => !gone.includes(key));
  return new Map(stays.length === 1 ? gone.map((key) => [key, stays[0]]) : []);
}

/** Whether a key was pressed in a field for text; where the event comes from is hidden behind the shadow root. */
function isText(event) {
  const node = event.composedPath()[0];
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
