/** The Order tab's drawing: registers are columns, time runs down, and rows are dragged into another order. */

import { ringed, whyWords } from "./certificate.js";
import { debounce, fill, h, plural, s, set } from "./dom.js";
import { Card, lifeWords } from "./order_card.js";
import { RowDrag } from "./order_drag.js";
import { between, frameOf, readersOf, valueAt, yOf } from "./order_layout.js";
import { headOf, Marks } from "./order_marks.js";
import { Rows } from "./order_rows.js";

/** Rows that are kept ready beyond the edges of the view. */
const OVERSCAN = 6;
/** Height of the line with the names of the registers, in px. */
const HEAD = 22;
/** How long the edge that was in the way is shown, in ms. */
const FLASH = 2200;

export class OrderView {
  #rows = new Rows();
  #marks = new Marks();
  #drag;
  #program = null;
  #readers = [];
  #active = null;
  #activeLump = null;
  #input = 0;
  #pointed = null;
  // What the scroller measures. To ask it between changes would make the browser lay everything out at once.
  #size = { width: 0, height: 0, stage: 0 };
  #top = 0;
  #headKey = "";
  #refocus = false;
  #clips;
  #aside = -1;
  #flash = null;
  #flashed = "";
  #announceSelection = debounce(() => this.#select(), 120);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    /** What is drawn now. @type {?import("./order_rows.js").Picture} */
    this.picture = null;
    this.drawing = s("svg", { class: "drawing", "data-testid": "drawing", role: "group",
      "aria-label": "the program in registers, time downward" });
    this.#clips = [clipOf("beside-code"), clipOf("beside-row")];
    this.drawing.append(this.#clips[0].element, this.#marks.under, this.#marks.profile, this.#rows.wires,
      this.#rows.element, this.#marks.over);
    this.head = s("svg", { class: "drawing-head", height: HEAD, "aria-hidden": "true" });
    this.caption = h("p", { class: "caption" });
    this.card = new Card(app);
    this.empty = h("p", { class: "empty", text: "Nothing to draw yet: type a program, or open an example." });
    this.scroller = h("div", { class: "scroller" }, h("div", { class: "sheet" }, this.head, this.drawing));
    this.element = h("section", { class: "order-view", "aria-label": "order of the steps" },
      this.caption, h("div", { class: "stage" }, this.scroller, this.empty, this.card.element));
    this.#drag = new RowDrag(this);
    this.#listen();
  }

  #listen() {
    // Not on the drawing: an SVG element that listens for the focus can have it.
    const stage = this.scroller;
    stage.addEventListener("focusin", (event) => this.#focused(event));
    stage.addEventListener("focusout", () => this.#unhover());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(this.scroller);
    this.drawing.addEventListener("pointermove", (event) => this.#hover(event));
    this.drawing.addEventListener("pointerleave", () => this.#unhover());
    this.drawing.addEventListener("click", (event) => this.#click(event));
  }

  // -- drawing ------------------------------------------------------------------------------------------------------

  update() {
    const { app } = this;
    const order = app.view?.order;
    const drawn = Boolean(order && app.program);
    this.empty.hidden = drawn;
    this.scroller.hidden = !drawn;
    if (!drawn) {
      this.picture = null;
      fill(this.caption);
      return;
    }
    const changed = this.#program?.key !== app.program.key;
    if (changed) this.#newProgram(app.program);
    if (this.#flashed !== order.steps.join()) this.#stopFlash();
    const before = changed ? null : this.#rowInView();
    this.#adoptSelection();
    this.#compose(!changed && app.motion);
    this.#caption();
    if (changed) this.#scrollTo(0);
    // A row that the keyboard moves is followed; nothing else moves the view.
    else if (before !== null && before !== this.picture.rowOf(this.#active)) this.#reveal(this.#active);
    this.#draw();
    this.#point();
  }

  #newProgram(program) {
    this.#drag.cancel();
    this.#program = program;
    this.#readers = readersOf(program);
    this.#rows.clear();
    this.#active = null;
    this.#activeLump = null;
    this.#pointed = null;
    this.#input = 0;
  }

  /** The selection of the state is the truth, except while the keyboard is ahead of it. */
  #adoptSelection() {
    const { order } = this.app.view;
    const selection = this.app.state.selection;
    if (selection?.kind === "step" && !this.#announceSelection.waits && order.steps.includes(selection.index)) {
      this.#active = selection.index;
      this.#activeLump = null;
    }
    if (selection?.kind === "lump") this.#activeLump = selection.index;
    if (this.#active === null || (this.#active >= 0 && !order.steps.includes(this.#active))) {
      this.#active = order.steps[0] ?? -1;
    }
    if (this.#activeLump !== null && this.#activeLump >= order.lumps.length) this.#activeLump = null;
  }

  #compose(animate) {
    const { program, view } = this.app;
    const { order, certificate } = view;
    const frame = frameOf(program, order, Math.max(300, this.#size.width || 680), this.#pitch(order));
    const places = new Map(order.steps.map((step, k) => [step, k + 1]));
    const drag = this.#drag.now;
    this.picture = {
      frame, program, order, animate, rowOf: (step) => places.get(step) ?? 0,
      cut: new Set(certificate ? ringed(certificate) : []),
      through: certificate ? between(program, certificate.inputs, certificate.outputs) : null,
      active: this.#active, selected: this.#selected(), activeLump: this.#activeLump,
      dragged: drag?.step ?? null, legal: drag?.band ?? null,
    };
    for (const svg of [this.drawing, this.head]) set(svg, "width", frame.width);
    set(this.drawing, "height", frame.height);
    this.#keepCode();
    const key = `${frame.xs} ${frame.profile} ${frame.label} ${order.n}`;
    if (key === this.#headKey) return;
    this.#headKey = key;
    this.head.replaceChildren(this.#clips[1].element, ...headOf(frame, order));
  }

  /** Short programs get some air; fingers need more room than a pointer. */
  #pitch(order) {
    const least = matchMedia("(pointer: coarse)").matches ? 40 : 32;
    const room = (this.#size.stage - 120) / (order.steps.length + 1.5);
    return Math.round(Math.max(least, Math.min(44, room)));
  }

  /** The rows in view, with some to spare. */
  #window() {
    const { frame, order } = this.picture;
    const top = this.#top - HEAD;
    const last = order.steps.length;
    const height = this.#size.height || 600;
    return [
      Math.max(0, Math.floor((top - frame.top) / frame.pitch) - OVERSCAN),
      Math.min(last, Math.ceil((top + height - frame.top) / frame.pitch) + OVERSCAN), top, top + height,
    ];
  }

  #draw() {
    const [first, last, top, bottom] = this.#window();
    this.drawnWindow = `${first} ${last}`;
    const hadFocus = this.#focusedStep();
    this.#rows.patch(this.picture, first, last);
    this.#marks.patch(this.picture, first, last);
    this.#marks.follow(top + 24, bottom);
    const drag = this.#drag.now;
    if (drag) this.#rows.float(drag.step, drag.y);
    // Moving an element in the document takes the focus from it.
    if (hadFocus !== null && this.#focusedStep() === null) this.#refocus = true;
    if (this.#refocus) {
      this.#refocus = false;
      this.#rows.get(this.#active)?.focus({ preventScroll: true });
    }
  }

  /** Scrolled sideways, the numbers and the code of the rows stay, and the graph passes beside them. */
  #keepCode() {
    const left = this.scroller.scrollLeft;
    const edge = left > 0 ? left + this.picture.frame.margin : -1000;
    if (edge === this.#aside) return;
    this.#aside = edge;
    for (const svg of [this.drawing, this.head]) svg.style.setProperty("--left", `${left}px`);
    for (const { area } of this.#clips) area.setAttribute("x", edge);
    this.element.classList.toggle("aside", left > 0);
  }

  #focusedStep() {
    const row = this.drawing.getRootNode().activeElement?.closest?.(".row");
    return row ? Number(row.dataset.step ?? -1) : null;
  }

  #scrolled() {
    this.#top = this.scroller.scrollTop;
    if (!this.picture) return;
    this.#keepCode();
    const [first, last, top, bottom] = this.#window();
    if (this.drawnWindow !== `${first} ${last}`) {
      this.picture.animate = false;
      this.#draw();
    } else {
      this.#marks.follow(top + 24, bottom);
    }
    this.card.hide();
  }

  #resized() {
    const { clientWidth: width, clientHeight: height } = this.scroller;
    const stage = this.element.clientHeight;
    const same = this.#size.width === width && this.#size.height === height && this.#size.stage === stage;
    this.#size = { width, height, stage };
    if (!this.picture || same) return;
    this.#compose(false);
    this.#draw();
    this.#point();
  }

  /** The row that the keyboard is at, where it has the focus and can be seen. */
  #rowInView() {
    if (!this.picture || this.#drag.now || this.#focusedStep() !== this.#active) return null;
    const row = this.picture.rowOf(this.#active);
    const y = yOf(this.picture.frame, row) + HEAD - this.#top;
    return y >= 0 && y <= this.#size.height ? row : null;
  }

  #reveal(step) {
    const { frame } = this.picture;
    const row = step === -1 ? 0 : this.picture.rowOf(step);
    const top = yOf(frame, row - 0.5) - (row <= 1 ? 40 : 0);
    const bottom = yOf(frame, row + 0.5) + HEAD;
    if (top < this.#top) this.#scrollTo(top);
    else if (bottom > this.#top + this.#size.height) this.#scrollTo(bottom - this.#size.height + 8);
  }

  #scrollTo(top) {
    this.scroller.scrollTop = top;
    this.#top = this.scroller.scrollTop;
  }

  #caption() {
    const { program, view } = this.app;
    const { order, certificate } = view;
    const mistake = view.messages.find((message) => message.line !== null);
    if (mistake) {
      fill(this.caption, h("strong", { class: "bad", text: `The text has a mistake in line ${mistake.line}. ` }),
        "Shown is the last program that had none.");
      return;
    }
    if (certificate) {
      fill(this.caption, ...whyWords(program, certificate));
      return;
    }
    const most = Math.max(0, ...order.lumps.map((lump) => lump.size));
    const kind = order.own ? "the program’s own order" : order.best ? "a best order" : "an order of yours";
    const words = [plural(program.n, "input"), plural(order.steps.length, "step"), kind];
    if (order.own && order.best) words[2] = "the program’s own order, and a best one";
    if (order.lumps.length) words.splice(2, 0, `${plural(order.lumps.length, "lump")}, largest l = ${most}`);
    fill(this.caption, words.join(" · "));
  }

  // -- pointing -----------------------------------------------------------------------------------------------------

  #hover(event) {
    if (this.#drag.now || !this.picture || event.pointerType === "touch") return;
    const lump = event.target.closest(".lump");
    if (lump) {
      this.#pointAt({ kind: "lump", index: Number(lump.dataset.index), x: event.clientX, y: event.clientY });
      return;
    }
    const box = this.drawing.getBoundingClientRect();
    const { frame, program, order } = this.picture;
    const x = event.clientX - box.left;
    const shown = x > this.#aside;
    const value = shown ? valueAt(frame, program, order, x, event.clientY - box.top) : -1;
    if (value < 0) this.#unhover();
    else this.#pointAt({ kind: "value", index: value, x: event.clientX, y: event.clientY });
  }

  #unhover() {
    if (this.#pointed === null || this.#drag.now) return;
    this.#pointed = null;
    this.card.hide();
    this.#point();
  }

  #pointAt(thing) {
    const before = this.#pointed;
    this.#pointed = thing;
    if (before?.kind !== thing.kind || before.index !== thing.index) {
      this.#stopFlash();
      this.#point();
    }
    this.card.place(thing.x === undefined ? this.#marks.lump(thing.index)?.getBoundingClientRect() : thing);
  }

  /** Draw what the pointer is at, or else what has the focus. */
  #point() {
    const { picture } = this;
    if (!picture || this.#drag.now || this.#flash) return;
    const thing = this.#pointed;
    this.card.quiet = thing?.kind === "lump" && thing.index === this.#activeLump && this.#toldBeside();
    if (thing?.kind === "value") {
      this.#marks.showValue(picture, thing.index, this.#readers[thing.index] ?? []);
      this.card.showValue(picture, thing.index, this.#readers[thing.index] ?? []);
    } else if (thing?.kind === "lump") {
      this.#marks.clearPointer();
      this.card.showLump(picture, thing.index, thing.x === undefined);
    } else {
      const value = this.#activeValue();
      if (value === null) this.#marks.clearPointer();
      else this.#marks.showValue(picture, value, this.#readers[value] ?? []);
    }
  }

  /** Whether what is selected is told beside the drawing. */
  #toldBeside() {
    return !this.app.narrow && this.app.panels.sections.detail.open;
  }

  #selected() {
    const selection = this.app.state.selection;
    if (this.#announceSelection.waits || this.#drag.now) return this.#active;
    return selection?.kind === "step" ? selection.index : null;
  }

  #activeValue() {
    const selection = this.app.state.selection;
    if (selection?.kind === "value") return selection.index;
    if (this.#focusedStep() === null && selection?.kind !== "step") return null;
    return this.#active === -1 ? this.#input : this.picture.program.n + this.#active;
  }

  // -- selection ----------------------------------------------------------------------------------------------------

  #click(event) {
    if (!this.picture) return;
    const lump = event.target.closest(".lump");
    if (lump) {
      this.#focusLump(Number(lump.dataset.index));
      return;
    }
    const vertex = event.target.closest("[data-value]");
    if (vertex) {
      this.#input = Number(vertex.dataset.value);
      this.#activate(-1);
      return;
    }
    const row = event.target.closest(".row");
    if (row) this.#activate(row.dataset.step === undefined ? -1 : Number(row.dataset.step));
  }

  #focused(event) {
    const row = event.target.closest(".row");
    if (row) {
      const step = row.dataset.step === undefined ? -1 : Number(row.dataset.step);
      if (step !== this.#active) this.#activate(step, false);
      this.#point();
      return;
    }
    const lump = event.target.closest(".lump");
    if (!lump || !event.target.matches(":focus-visible")) return;
    this.#pointAt({ kind: "lump", index: Number(lump.dataset.index) });
  }

  /** Select a step. */
  choose(step) {
    this.#activate(step);
  }

  /** Give a step the focus; −1 is the row of inputs. */
  #activate(step, focus = true) {
    this.#active = step;
    this.#activeLump = null;
    this.picture.active = step;
    this.picture.selected = step;
    this.picture.activeLump = null;
    this.picture.animate = false;
    this.#reveal(step);
    if (focus) this.#refocus = true;
    this.#draw();
    this.#announceSelection.waits = true;
    this.#announceSelection();
    this.#point();
  }

  #select() {
    this.#announceSelection.waits = false;
    const step = this.#active;
    const selection = step === -1 ? { kind: "value", index: this.#input } : { kind: "step", index: step };
    const now = this.app.state.selection;
    if (now?.kind === selection.kind && now.index === selection.index) return;
    this.app.act({ do: "select", selection });
  }

  #focusLump(index) {
    if (!this.picture.order.lumps[index]) return;
    this.#activeLump = index;
    this.picture.activeLump = index;
    this.#draw();
    this.#marks.lump(index)?.focus({ preventScroll: true });
    this.#pointAt({ kind: "lump", index });
    this.app.act({ do: "select", selection: { kind: "lump", index } });
  }

  // -- keys ---------------------------------------------------------------------------------------------------------

  /** @returns {boolean} whether the key meant something here */
  keydown(event) {
    if (!this.picture) return false;
    if (event.key === "Escape" && this.#drag.cancel()) return true;
    const root = this.drawing.getRootNode();
    const focused = root.activeElement;
    if (focused && !this.drawing.contains(focused) && !focused.contains(this.drawing)) return false;
    if (event.ctrlKey || event.metaKey) return false;
    if (root.activeElement?.closest?.(".lump")) return this.#lumpKey(event.key);
    const delta = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.altKey) {
      if (!delta || this.#active < 0) return false;
      this.#shift(delta);
      return true;
    }
    return this.#rowKey(event.key, delta);
  }

  #rowKey(key, delta) {
    const { order, frame, program } = this.picture;
    const row = this.#active === -1 ? 0 : this.picture.rowOf(this.#active);
    const page = Math.max(1, Math.floor(this.#size.height / frame.pitch) - 2);
    const to = {
      ArrowUp: row - 1, ArrowDown: row + 1, Home: 1, End: order.steps.length, PageUp: row - page, PageDown: row + page,
    }[key];
    if (to !== undefined) {
      const place = Math.max(0, Math.min(order.steps.length, this.#focusedStep() === null && delta ? row : to));
      this.#activate(place === 0 ? -1 : order.steps[place - 1]);
      return true;
    }
    const across = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (across && this.#active === -1 && this.#focusedStep() !== null) {
      this.#input = (this.#input + across + program.n) % program.n;
      this.app.announce(this.#valueWords(this.#input));
      this.#activate(-1);
      return true;
    }
    if (key === "ArrowRight" && this.#focusedStep() !== null) {
      const lump = order.lumps.find((each) => each.start < row && row <= each.stop);
      if (lump) this.#focusLump(lump.index);
      return Boolean(lump);
    }
    if (key === "Escape" && this.#pointed) {
      this.#unhover();
      return true;
    }
    return false;
  }

  #valueWords(value) {
    const { program } = this.picture;
    return `${program.names[value]}, an input: ${lifeWords(this.picture.order, value)}`;
  }

  #lumpKey(key) {
    const { order } = this.picture;
    const delta = { ArrowUp: -1, ArrowDown: 1 }[key];
    const place = Math.max(0, Math.min(order.lumps.length - 1, this.#activeLump + (delta ?? 0)));
    if (delta) {
      this.#reveal(order.steps[order.lumps[place].start]);
      this.#focusLump(place);
      return true;
    }
    if (key === "ArrowLeft" || key === "Escape") {
      this.#unhover();
      this.#activate(order.steps[order.lumps[this.#activeLump]?.start ?? 0]);
      return true;
    }
    return false;
  }

  async #shift(by) {
    const step = this.#active;
    this.#announceSelection.cancel();
    this.#announceSelection.waits = false;
    const { order } = this.picture;
    const row = this.picture.rowOf(step) + by;
    if (row < 1 || row > order.steps.length) {
      this.app.announce(by < 0 ? "already the first step" : "already the last step");
      return;
    }
    await this.app.act({ do: "shift", step, by });
  }

  /** Show for a moment which edge keeps a step from going to a row. Called after an action that changed nothing. */
  flashBlocker(step, row) {
    const { picture } = this;
    if (!picture || !picture.rowOf(step)) return;
    const edge = this.#blocking(step, row, picture.order.band[picture.rowOf(step) - 1],
      picture.order.blocker[picture.rowOf(step) - 1]);
    if (!edge) return;
    this.#stopFlash();
    this.#flashed = picture.order.steps.join();
    this.#marks.showBlocker(picture, edge.from, edge.to, edge.words, this.#across());
    this.#flash = setTimeout(() => {
      this.#stopFlash();
      this.#point();
    }, FLASH);
  }

  #stopFlash() {
    clearTimeout(this.#flash);
    if (this.#flash) this.#marks.clearPointer();
    this.#flash = null;
  }

  /** Between which x the graph is seen. */
  #across() {
    return [Math.max(0, this.#aside), this.scroller.scrollLeft + (this.#size.width || 600)];
  }

  #blocking(step, row, band, [before, after]) {
    const name = (k) => this.picture.program.names[this.picture.program.n + k];
    const edge = (from, to) => ({ from, to, words: `${name(to)} needs ${name(from)}` });
    if (row < band[0] && before !== null) return edge(before, step);
    if (row > band[1] && after !== null) return edge(step, after);
    return null;
  }

  // -- dragging: called by RowDrag ----------------------------------------------------------------------------------

  dragBegan(drag) {
    this.#stopFlash();
    // A request now would take the place of the previews; the selection is told at the end.
    this.#announceSelection.cancel();
    this.#pointed = null;
    this.card.hide();
    this.#active = drag.step;
    this.#activeLump = null;
    this.#marks.clearPointer();
    this.element.classList.add("dragging");
    this.#compose(false);
    this.#draw();
    this.#marks.showLegal(this.picture, drag.band);
    const [first, last] = drag.band;
    const words = first === last ? "it cannot move" : `it may go to rows ${first} to ${last}`;
    this.app.announce(`dragging ${this.picture.program.code[drag.step]}: ${words}`);
  }

  dragMoved(drag) {
    this.#rows.float(drag.step, drag.y);
    this.element.classList.toggle("illegal", !drag.legal);
    const edge = drag.legal ? null : this.#blocking(drag.step, drag.row, drag.band, drag.blocker);
    if (edge) this.#marks.showBlocker(this.picture, edge.from, edge.to, edge.words, this.#across(), drag);
    else this.#marks.clearPointer();
  }

  /** @param {boolean} stays whether nothing else will draw it in its place */
  dragEnded(drag, stays) {
    this.element.classList.remove("dragging", "illegal");
    this.#marks.showLegal(this.picture, null);
    this.#marks.clearPointer();
    if (stays) {
      this.#compose(this.app.motion);
      this.#draw();
    }
    // A click follows a short drag; the row has the focus already.
    this.#rows.get(drag.step)?.focus({ preventScroll: true });
    this.#announceSelection.waits = true;
    this.#announceSelection();
  }
}

/** An area to clip to: everything to the right of its x. */
function clipOf(id) {
  const area = s("rect", { x: -1000, y: -100_000, width: 200_000, height: 400_000 });
  return { area, element: s("clipPath", { id, clipPathUnits: "userSpaceOnUse" }, area) };
}
