/** The Order tab's drawing: registers are columns, time runs down, and rows are dragged into another order. */

import { debounce, fill, h, mathName, plural, s } from "./dom.js";
import { RowDrag } from "./order_drag.js";
import { between, frameOf, readersOf, rowAt, valueAt, yOf } from "./order_layout.js";
import { headOf, lumpWords, Marks } from "./order_marks.js";
import { Rows } from "./order_rows.js";

/** Rows that are kept ready beyond the edges of the view. */
const OVERSCAN = 6;
/** Explanations that are remembered. */
const REMEMBERED = 200;
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
  #explained = new Map();
  #width = 0;
  #refocus = false;
  #flash = null;
  #flashed = "";
  #announceSelection = debounce(() => this.#select(), 120);
  #explain = debounce((index) => this.#askWhy(index), 140);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    /** What is drawn now. @type {?import("./order_rows.js").Picture} */
    this.picture = null;
    this.drawing = s("svg", { class: "drawing", "data-testid": "drawing", role: "group",
      "aria-label": "the program in registers, time downward" });
    this.drawing.append(this.#marks.under, this.#marks.profile, this.#rows.element, this.#marks.over);
    this.head = s("svg", { class: "drawing-head", height: 22, "aria-hidden": "true" });
    this.caption = h("p", { class: "caption" });
    this.card = h("div", { class: "card", role: "tooltip", hidden: true });
    this.empty = h("p", { class: "empty", text: "Nothing to draw yet: type a program, or open an example." });
    this.scroller = h("div", { class: "scroller" }, h("div", { class: "sheet" }, this.head, this.drawing));
    this.element = h("section", { class: "order-view", "aria-label": "order of the steps" },
      this.caption, h("div", { class: "stage" }, this.scroller, this.empty, this.card));
    this.#drag = new RowDrag(this);
    this.#listen();
  }

  #listen() {
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(this.scroller);
    this.drawing.addEventListener("pointermove", (event) => this.#hover(event));
    this.drawing.addEventListener("pointerleave", () => this.#unhover());
    this.drawing.addEventListener("click", (event) => this.#click(event));
    this.drawing.addEventListener("focusin", (event) => this.#focused(event));
    this.drawing.addEventListener("focusout", () => this.#unhover());
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
    this.#adoptSelection();
    this.#compose(!changed && app.motion);
    this.#caption();
    if (changed) this.scroller.scrollTop = 0;
    else if (!this.#drag.now && this.#active !== null) this.#reveal(this.#active);
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
    this.#explained.clear();
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
    const frame = frameOf(program, order, Math.max(300, this.scroller.clientWidth || 680), this.#pitch(order));
    const places = new Map(order.steps.map((step, k) => [step, k + 1]));
    const drag = this.#drag.now;
    this.picture = {
      frame, program, order, animate, rowOf: (step) => places.get(step) ?? 0,
      cut: new Set(certificate?.cut ?? []),
      through: certificate ? between(program, certificate.inputs, certificate.outputs) : null,
      active: this.#active, selected: this.#selected(), activeLump: this.#activeLump, dragged: drag?.step ?? null, legal: drag?.band ?? null,
    };
    for (const svg of [this.drawing, this.head]) {
      svg.setAttribute("width", frame.width);
      svg.style.width = `${frame.width}px`;
    }
    this.drawing.setAttribute("height", frame.height);
    this.head.replaceChildren(...headOf(frame, order));
  }

  /** Short programs get some air; fingers need more room than a pointer. */
  #pitch(order) {
    const least = matchMedia("(pointer: coarse)").matches ? 40 : 32;
    const room = (this.element.clientHeight - 120) / (order.steps.length + 1.5);
    return Math.round(Math.max(least, Math.min(44, room)));
  }

  /** The rows in view, with some to spare. */
  #window() {
    const { frame, order } = this.picture;
    const top = this.scroller.scrollTop - this.head.clientHeight;
    const last = order.steps.length;
    const height = this.scroller.clientHeight || 600;
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

  #focusedStep() {
    const row = this.drawing.getRootNode().activeElement?.closest?.(".row");
    return row ? Number(row.dataset.step ?? -1) : null;
  }

  #scrolled() {
    if (!this.picture) return;
    const [first, last, top, bottom] = this.#window();
    if (this.drawnWindow !== `${first} ${last}`) {
      this.picture.animate = false;
      this.#draw();
    } else {
      this.#marks.follow(top + 24, bottom);
    }
    this.card.hidden = true;
  }

  #resized() {
    const width = this.scroller.clientWidth;
    if (!this.picture || width === this.#width) return;
    this.#width = width;
    this.#compose(false);
    this.#draw();
    this.#point();
  }

  #reveal(step) {
    const { frame } = this.picture;
    const row = step === -1 ? 0 : this.picture.rowOf(step);
    const head = this.head.clientHeight;
    const top = yOf(frame, row - 0.5) - (row <= 1 ? 40 : 0);
    const bottom = yOf(frame, row + 0.5) + head;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.scroller.scrollTop = bottom - clientHeight + 8;
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
      fill(this.caption, h("strong", { class: "bad", text: "J is singular for every x. " }), certificate.text);
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
    const value = valueAt(frame, program, order, event.clientX - box.left, event.clientY - box.top);
    if (value < 0) this.#unhover();
    else this.#pointAt({ kind: "value", index: value, x: event.clientX, y: event.clientY });
  }

  #unhover() {
    if (this.#pointed === null || this.#drag.now) return;
    this.#pointed = null;
    this.#explain.cancel();
    this.card.hidden = true;
    this.#point();
  }

  #pointAt(thing) {
    const before = this.#pointed;
    this.#pointed = thing;
    if (before?.kind !== thing.kind || before.index !== thing.index) {
      this.#explain.cancel();
      this.#stopFlash();
      this.#point();
      if (thing.kind === "lump") this.#explain(thing.index);
    }
    this.#placeCard();
  }

  /** Draw what the pointer is at, or else what has the focus. */
  #point() {
    const { picture } = this;
    if (!picture || this.#drag.now || this.#flash) return;
    const thing = this.#pointed;
    if (thing?.kind === "value") {
      this.#marks.showValue(picture, thing.index, this.#readers[thing.index] ?? []);
      this.#showCard(this.#valueCard(thing.index));
    } else if (thing?.kind === "lump") {
      this.#marks.clearPointer();
      this.#showCard(this.#lumpCard(thing.index));
    } else {
      const value = this.#activeValue();
      if (value === null) this.#marks.clearPointer();
      else this.#marks.showValue(picture, value, this.#readers[value] ?? []);
    }
  }

  #selected() {
    const selection = this.app.state.selection;
    return this.#announceSelection.waits || this.#drag.now ? this.#active : selection?.kind === "step" ? selection.index : null;
  }

  #activeValue() {
    const selection = this.app.state.selection;
    if (selection?.kind === "value") return selection.index;
    if (this.#focusedStep() === null && selection?.kind !== "step") return null;
    return this.#active === -1 ? this.#input : this.picture.program.n + this.#active;
  }

  #valueCard(value) {
    const { program, order } = this.picture;
    const names = this.#readers[value].map((step) => program.names[program.n + step]);
    const list = names.length > 5 ? [...names.slice(0, 5), "…"] : names;
    const end = order.steps.length;
    const isOutput = program.outputs.includes(value);
    const from = order.rows[value];
    const until = order.last[value] > end ? "the end" : `row ${order.last[value]}`;
    const life = order.last[value] < 0 ? "nothing reads it" : `lives from row ${from} to ${until}`;
    return [
      h("b", {}, mathName(program.names[value]), value < program.n ? ", an input" : ""), h("br"), life,
      ...(list.length ? ["; read by ", ...list.flatMap((name, k) => [k ? ", " : "", name === "…" ? "…" : mathName(name)])] : []),
      isOutput ? "; an output" : "",
    ];
  }

  #lumpCard(index) {
    const lump = this.picture.order.lumps[index];
    if (!lump) return [];
    const known = this.#explained.get(this.#explainKey(index));
    return [
      h("b", { text: lumpWords(this.picture, lump) }),
      ...(known ? [h("p", { text: known.why }), h("p", { text: known.split })] : [h("p", { class: "quiet", text: "why it exists …" })]),
    ];
  }

  #explainKey(index) {
    return `${this.picture.program.key} ${this.app.view.order.steps.join(" ")} ${index}`;
  }

  async #askWhy(index) {
    const key = this.#explainKey(index);
    if (!this.#explained.has(key)) {
      const reply = await this.app.request("explain", { lump: index });
      if (reply.error) return;
      if (this.#explained.size > REMEMBERED) this.#explained.clear();
      this.#explained.set(key, reply.explain);
    }
    const still = this.#pointed?.kind === "lump" && this.#pointed.index === index;
    if (!this.picture || key !== this.#explainKey(index) || !still) return;
    this.#point();
    this.#placeCard();
    if (this.#pointed.x === undefined) {
      const { why, split } = this.#explained.get(key);
      this.app.announce(`${why}. ${split}`);
    }
  }

  #showCard(content) {
    fill(this.card, ...content);
    this.card.hidden = content.length === 0;
  }

  /** Beside the pointer, or under what has the focus; always inside the stage. */
  #placeCard() {
    const thing = this.#pointed;
    if (!thing || this.card.hidden) return;
    const stage = this.card.parentElement.getBoundingClientRect();
    let { x, y } = thing;
    if (x === undefined) {
      const mark = this.#marks.lump(thing.index)?.getBoundingClientRect();
      if (!mark) return;
      x = Math.min(mark.right, stage.right) - 320;
      y = Math.min(mark.bottom, stage.bottom - 40);
    }
    const { offsetWidth, offsetHeight } = this.card;
    const left = Math.max(6, Math.min(x - stage.left + 14, stage.width - offsetWidth - 6));
    let top = y - stage.top + 16;
    if (top + offsetHeight > stage.height - 4) top = y - stage.top - offsetHeight - 12;
    this.card.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
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
    if (lump && event.target.matches(":focus-visible")) this.#pointAt({ kind: "lump", index: Number(lump.dataset.index) });
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
    const selection = this.#active === -1 ? { kind: "value", index: this.#input } : { kind: "step", index: this.#active };
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
    if (root.activeElement && !this.drawing.contains(root.activeElement)) return false;
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
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / frame.pitch) - 2);
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
    return this.#valueCard(value).map((part) => part.textContent ?? part).join("");
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
    this.#marks.showBlocker(picture, edge.from, edge.to, edge.words);
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

  #blocking(step, row, band, [before, after]) {
    const name = (k) => this.picture.program.names[this.picture.program.n + k];
    if (row < band[0] && before !== null) return { from: before, to: step, words: `${name(step)} needs ${name(before)}` };
    if (row > band[1] && after !== null) return { from: step, to: after, words: `${name(after)} needs ${name(step)}` };
    return null;
  }

  // -- dragging: called by RowDrag ----------------------------------------------------------------------------------

  dragBegan(drag) {
    this.#stopFlash();
    this.#pointed = null;
    this.card.hidden = true;
    this.#active = drag.step;
    this.#activeLump = null;
    this.#marks.clearPointer();
    this.element.classList.add("dragging");
    this.#compose(false);
    this.#draw();
    this.#marks.showLegal(this.picture, drag.band);
    const words = drag.band[0] === drag.band[1] ? "it cannot move" : `it may go to rows ${drag.band[0]} to ${drag.band[1]}`;
    this.app.announce(`dragging ${this.picture.program.code[drag.step]}: ${words}`);
  }

  dragMoved(drag) {
    this.#rows.float(drag.step, drag.y);
    this.element.classList.toggle("illegal", !drag.legal);
    const edge = drag.legal ? null : this.#blocking(drag.step, drag.row, drag.band, drag.blocker);
    if (edge) this.#marks.showBlocker(this.picture, edge.from, edge.to, edge.words, drag);
    else this.#marks.clearPointer();
  }

  dragEnded(drag) {
    this.element.classList.remove("dragging", "illegal");
    this.#marks.showLegal(this.picture, null);
    this.#marks.clearPointer();
    this.#compose(this.app.motion);
    this.#draw();
    // A click follows a short drag; the row has the focus already.
    this.#rows.get(drag.step)?.focus({ preventScroll: true });
    this.#announceSelection.waits = true;
    this.#announceSelection();
  }
}
