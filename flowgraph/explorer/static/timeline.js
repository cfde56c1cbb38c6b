/** The timeline of a derivation: stages, a scrubber over all applications, and the list of the applications. */

import { fill, h, plural } from "./dom.js";
import { button, maths } from "./parts.js";

const ROW = 28;
const OVERSCAN = 6;
/** Up to this many applications in a stage, each has its tick on the scrubber. */
const MOST_TICKS = 60;

/** Stages and scrubber; `list` is the list of applications, which stands elsewhere. */
export class Timeline {
  #go;
  #timeline = null;
  #position = 0;
  #hide = null;
  #counts = [];

  /** @param {(position: number) => void} go */
  constructor(go) {
    this.#go = go;
    /** Positions that ←/→ stop at. */
    this.stops = [0];
    this.crumbs = h("p", { class: "crumbs" });
    this.stages = h("div", { class: "stages", role: "group", "aria-label": "stages" });
    this.track = h("div", { class: "track", "aria-hidden": "true" });
    this.thumb = h("span", { class: "thumb" });
    this.slider = h("input", {
      type: "range",
      class: "slider",
      min: 0,
      step: 1,
      "aria-label": "application",
      on: { input: () => this.#go(this.stops[Number(this.slider.value)] ?? 0) },
    });
    this.scrubber = h("div", { class: "scrubber" }, this.slider, this.track);
    this.#pointer();
    this.list = new ApplicationList(go);
    /** Below the scrubber: where we are, and room for more. */
    this.foot = h("div", { class: "timeline-foot" }, this.crumbs);
    this.element = h("div", { class: "timeline", "data-testid": "timeline" }, this.stages, this.scrubber, this.foot);
  }

  clear() {
    this.#timeline = null;
    fill(this.stages);
    fill(this.track);
    fill(this.crumbs);
    this.stops = [0];
    this.list.clear();
  }

  update(timeline, position, hide) {
    this.#position = position;
    if (timeline !== this.#timeline || hide !== this.#hide) {
      this.#timeline = timeline;
      this.#hide = hide;
      this.#build();
    }
    this.#point();
  }

  /** The stage that a position is in: the one that the application before it belongs to. */
  stageOf(position) {
    const stages = this.#timeline?.stages ?? [];
    return stages.find((stage, k) => (k === 0 ? position === 0 : position > stage.start && position <= stage.stop));
  }

  #build() {
    const { stages, applications } = this.#timeline;
    const shown = applications.flatMap(({ noop }, k) => (noop && this.#hide ? [] : [k + 1]));
    this.stops = [0, ...shown];
    this.#counts = stages.map(({ start, stop }) => {
      let n = 0;
      for (let k = start; k < stop; k += 1) if (!(this.#hide && applications[k].noop)) n += 1;
      return n;
    });
    const columns = this.#counts.map((n) => `minmax(var(--least), ${Math.max(n, 0.0001)}fr)`).join(" ");
    for (const row of [this.stages, this.track]) row.style.setProperty("--columns", columns);
    this.stageButtons = stages.map((stage, k) => {
      const all = stage.stop - stage.start;
      const what = all === this.#counts[k] ? `${all}` : `${this.#counts[k]} of ${all}`;
      const title = k === 0 ? stage.tooltip : `${stage.title}: ${what} applications. ${stage.tooltip}`;
      return button(
        h("span", { class: "stage-name" }, stage.name),
        {
          class: "stage-button",
          "data-testid": "stage",
          "data-stage": stage.name,
          title,
          on: { click: () => this.#go(stage.stop) },
        },
        k === 0 ? "" : h("span", { class: "stage-count" }, this.#counts[k]),
      );
    });
    fill(this.stages, ...this.stageButtons);
    this.segments = stages.map((stage, k) => {
      const segment = h("span", { class: "segment" }, h("span", { class: "done" }));
      if (this.#counts[k] > 1 && this.#counts[k] <= MOST_TICKS) {
        segment.classList.add("ticks");
        segment.style.backgroundSize = `${100 / this.#counts[k]}% 100%`;
      }
      return segment;
    });
    fill(this.track, ...this.segments);
    this.slider.max = String(this.stops.length - 1);
    this.list.load(this.#timeline, this.#hide);
  }

  #point() {
    const { stages, applications, count: total } = this.#timeline;
    const place = lowerBound(this.stops, this.#position);
    this.slider.value = String(place);
    const stage = this.stageOf(this.#position) ?? stages[0];
    const application = applications[this.#position - 1];
    const within = this.#position - stage.start;
    const where =
      this.#position === 0
        ? "primal graph"
        : `application ${this.#position} of ${total}, ${stage.name} ${within} of ${stage.stop - stage.start}, ` +
          `${application?.rule} at ${application?.site}`;
    this.slider.setAttribute("aria-valuetext", where);
    let before = 0;
    stages.forEach((item, k) => {
      const n = this.#counts[k];
      const part = item === stage && k > 0 ? (n > 0 ? Math.min(1, Math.max(0, (place - before) / n)) : 1) : null;
      const done = part ?? (item.stop <= this.#position ? 1 : 0);
      const segment = this.segments[k];
      segment.firstChild.style.width = `${100 * done}%`;
      this.stageButtons[k].toggleAttribute("data-current", item === stage);
      if (item === stage) this.stageButtons[k].setAttribute("aria-current", "step");
      else this.stageButtons[k].removeAttribute("aria-current");
      if (item === stage) {
        segment.append(this.thumb);
        this.thumb.style.left = `${100 * (k === 0 ? 0.5 : done)}%`;
      }
      before += n;
    });
    fill(
      this.crumbs,
      h("span", {}, this.#timeline.mode),
      " › ",
      h("span", {}, stage.name),
      " › ",
      h("span", {}, this.#position === 0 ? "start" : `${within} of ` +
        `${(stage.stop - stage.start)}`),
      h("span", { class: "overall" }, this.#position === 0
        ? `${plural(total, "application")} in all`
        : `${this.#position} of ${total} in all`),
    );
    this.list.point(this.#position);
  }

  /** Drag anywhere on the track. The slider beneath keeps the keyboard and the screen readers. */
  #pointer() {
    const seek = (event) => {
      const goal = this.#at(event.clientX);
      if (goal !== null) this.#go(goal);
    };
    this.track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.track.setPointerCapture(event.pointerId);
      this.slider.focus({ preventScroll: true });
      seek(event);
      event.preventDefault();
    });
    this.track.addEventListener("pointermove", (event) => {
      if (this.track.hasPointerCapture(event.pointerId)) seek(event);
    });
  }

  /** The stop nearest to a place on the screen. */
  #at(x) {
    if (!this.#timeline) return null;
    let before = 0;
    for (let k = 0; k < this.segments.length; k += 1) {
      const box = this.segments[k].getBoundingClientRect();
      const n = this.#counts[k];
      if (x <= box.right || k === this.segments.length - 1) {
        if (k === 0) return 0;
        const part = Math.min(1, Math.max(0, (x - box.left) / (box.width || 1)));
        return this.stops[before + Math.max(Math.min(n, 1), Math.round(part * n))] ?? this.stops.at(-1);
      }
      before += n;
    }
    return null;
  }
}

/** All applications, one below the other; only those in view are in the document. */
class ApplicationList {
  #go;
  #rows = [];
  #applications = [];
  #position = 0;
  #frame = 0;

  constructor(go) {
    this.#go = go;
    this.space = h("div", { class: "space" });
    this.element = h(
      "div",
      {
        class: "applications",
        role: "listbox",
        tabindex: 0,
        "aria-label": "applications of rules",
        on: { scroll: () => this.#draw(), keydown: (event) => this.#key(event) },
      },
      this.space,
    );
  }

  clear() {
    this.#rows = [];
    this.#draw();
  }

  load(timeline, hide) {
    this.#applications = timeline.applications;
    this.#rows = timeline.applications.flatMap((application, k) => (application.noop && hide ? [] : [k + 1]));
    this.space.style.height = `${this.#rows.length * ROW}px`;
    this.#draw();
  }

  point(position) {
    this.#position = position;
    // In the next frame, when the layout is done anyway.
    window.cancelAnimationFrame(this.#frame);
    this.#frame = window.requestAnimationFrame(() => this.#follow(position));
  }

  #follow(position) {
    const k = this.#rows.indexOf(position);
    const { element } = this;
    if (k >= 0 && (k * ROW < element.scrollTop || (k + 1) * ROW > element.scrollTop + element.clientHeight)) {
      element.scrollTop = Math.max(0, k * ROW - (element.clientHeight - ROW) / 2);
    }
    this.#draw();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW) - OVERSCAN);
    const seen = Math.ceil((this.element.clientHeight || 10 * ROW) / ROW);
    const rows = this.#rows.slice(first, first + seen + 2 * OVERSCAN);
    fill(this.space, ...rows.map((position, k) => this.#row(position, first + k)));
    const current = this.#rows.includes(this.#position) ? `application-${this.#position}` : "";
    this.element.setAttribute("aria-activedescendant", current);
  }

  #row(position, k) {
    const { rule, site, noop } = this.#applications[position - 1];
    const row = h(
      "div",
      {
        id: `application-${position}`,
        role: "option",
        class: "application",
        "data-testid": "application",
        "data-position": position,
        "aria-selected": String(position === this.#position),
        "aria-posinset": k + 1,
        "aria-setsize": this.#rows.length,
        on: { click: () => this.#go(position) },
      },
      h("span", { class: "index" }, position),
      h("span", { class: "rule" }, rule),
      maths(site),
    );
    if (noop) row.append(h("span", { class: "noop" }, "changes nothing"));
    row.style.top = `${k * ROW}px`;
    return row;
  }

  #key(event) {
    const k = lowerBound(this.#rows, this.#position);
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -8, PageDown: 8, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const start = this.#rows[k] === this.#position ? k : by > 0 ? k - 1 : k;
    const goal = Math.max(0, Math.min(this.#rows.length - 1, start + by));
    if (this.#rows.length > 0) this.#go(this.#rows[goal]);
  }
}

/** The index of the first entry that is not less than x; the last index where there is none. */
function lowerBound(sorted, x) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, Math.max(0, sorted.length - 1));
}
