/** The rows of the order drawing. Only those near the viewport are elements; each is patched where it changed. */

import { nameSpans, s } from "./dom.js";
import { carriedPast, carryPath, edgesOf, halfWidth, stub, yOf } from "./order_layout.js";

/** Keeps what is scrolled sideways from running into the code. */
export const CLIP = "url(#beside-code)";
/** How long a moved row takes, in ms. */
export const MOVE = 160;

/**
 * @typedef {Object} Picture what is drawn
 * @property {Object} frame
 * @property {Object} program
 * @property {Object} order
 * @property {Set<number>} cut values of the certificate
 * @property {?Set<number>} through values on the paths that the certificate is about
 * @property {?number} active step that the keyboard is at; −1 is the row of inputs
 * @property {?number} selected step that is selected
 * @property {?number} dragged step that follows the pointer
 * @property {?number[]} legal rows that are not dimmed
 * @property {boolean} animate
 */

export class Rows {
  #rows = new Map();
  #inputs = null;
  #inputsKey = "";

  constructor() {
    /** The lines of all rows, to be drawn under the rows: a line that passes a name passes behind it. */
    this.wires = s("g", { class: "wiring", "clip-path": CLIP, "aria-hidden": "true" });
    this.element = s("g", { class: "rows", role: "listbox", "aria-label": "steps in their order" });
  }

  /** The element of a step, if it is in the document; −1 is the row of inputs. */
  get(step) {
    return step === -1 ? this.#inputs?.group : this.#rows.get(step)?.group;
  }

  /** Forget everything: another program. */
  clear() {
    this.#rows.clear();
    this.#inputs = null;
    this.#inputsKey = "";
    this.element.replaceChildren();
    this.wires.replaceChildren();
  }

  /**
   * Bring rows first … last, and those that must stay, up to date.
   * @param {Picture} picture
   */
  patch(picture, first, last) {
    const { order, active, dragged } = picture;
    const wanted = new Map();
    for (let row = Math.max(1, first); row <= last; row++) wanted.set(order.steps[row - 1], row);
    for (const step of [active, dragged]) {
      if (step !== null && step >= 0 && !wanted.has(step)) wanted.set(step, picture.rowOf(step));
    }
    for (const [step, parts] of this.#rows) {
      if (!wanted.has(step)) {
        parts.group.remove();
        parts.wires.remove();
        this.#rows.delete(step);
      }
    }
    const from = Math.max(1, first);
    const carried = carriedPast(order, from, last);
    const list = [...wanted].sort((a, b) => a[1] - b[1]);
    this.#patchInputs(picture);
    let place = this.#inputs.group.nextSibling;
    for (const [step, row] of list) {
      const parts = this.#rows.get(step) ?? this.#create(step);
      const values = row >= from && row <= last ? carried[row - from] : carriedPast(order, row, row)[0];
      this.#patchRow(picture, parts, step, row, values);
      if (parts.group === place) place = place.nextSibling;
      else this.element.insertBefore(parts.group, place);
    }
    // What is drawn last lies on top.
    if (dragged !== null) this.element.append(this.#rows.get(dragged).group);
  }

  #create(step) {
    const grip = s("g", { class: "grip" },
      s("rect", { class: "grip-area", x: 0, y: -16, width: 24, height: 32 }),
      s("path", { class: "grip-dots", d: "M8 -5h0M8 0h0M8 5h0M13 -5h0M13 0h0M13 5h0" }));
    const wires = s("g", { class: "wires" });
    const paths = {};
    for (const name of ["carry", "edge", "head", "dot", "carry-through", "edge-through", "head-through"]) {
      paths[name] = s("path", { class: name });
      wires.append(paths[name]);
    }
    const vertex = { group: s("g", { class: "vertex" }), outline: s("rect", { y: -11, height: 22, rx: 11 }),
      ring: s("rect", { class: "ring", y: -14.5, height: 29, rx: 14.5 }), text: s("text", { y: 5 }) };
    vertex.group.append(vertex.ring, vertex.outline, vertex.text);
    const parts = {
      hit: s("rect", { class: "hit", x: 1 }), number: s("text", { class: "number", x: 46, y: 4 }),
      code: s("text", { class: "code", y: 4 }), paths, vertex, wires, held: {}, y: null, x: null, fresh: true,
      codeTitle: s("title"),
      group: s("g", { class: "row", role: "option", "data-testid": "row", "data-step": step, tabindex: -1 }),
    };
    parts.group.append(parts.hit, s("g", { class: "graph", "clip-path": CLIP }, vertex.group),
      s("g", { class: "margin" }, grip, parts.number, parts.code));
    this.wires.append(wires);
    this.#rows.set(step, parts);
    return parts;
  }

  #patchRow(picture, parts, step, row, carried) {
    const { frame, program, order, through } = picture;
    const result = program.n + step;
    const put = (key, element, name, value) => {
      if (parts.held[key] === value) return false;
      parts.held[key] = value;
      element.setAttribute(name, value);
      return true;
    };
    const edges = edgesOf(frame, program, order, step);
    const strong = (value) => through !== null && through.has(value);
    const both = (edge) => strong(edge.value) && strong(result);
    const join = (list, field) => list.map((item) => item[field]).join("");
    const drawn = {
      carry: carryPath(frame, program, order, row, carried),
      edge: join(edges.filter((edge) => !both(edge)), "line"),
      head: join(edges.filter((edge) => !both(edge)), "head"),
      dot: join(edges, "dot"),
      "carry-through": through ? carryPath(frame, program, order, row, carried.filter(strong)) : "",
      "edge-through": join(edges.filter(both), "line"),
      "head-through": join(edges.filter(both), "head"),
    };
    let rewired = false;
    for (const [name, path] of Object.entries(drawn)) rewired = put(name, parts.paths[name], "d", path) || rewired;
    const names = this.#classOf(picture, step, row, result);
    put("class", parts.group, "class", names);
    put("wires", parts.wires, "class", `wires${names.includes(" dimmed") ? " dimmed" : ""}`);
    this.#lift(parts, picture.dragged === step);
    put("row", parts.group, "data-row", row);
    put("label", parts.group, "aria-label", this.#labelOf(picture, step, row));
    put("position", parts.group, "aria-posinset", row + 1);
    put("size", parts.group, "aria-setsize", order.steps.length + 1);
    put("selected", parts.group, "aria-selected", String(picture.active === step));
    put("tab", parts.group, "tabindex", picture.active === step ? 0 : -1);
    put("hit-y", parts.hit, "y", -frame.pitch / 2 + 1);
    put("hit-height", parts.hit, "height", frame.pitch - 2);
    put("hit-width", parts.hit, "width", frame.right + 6);
    put("code-x", parts.code, "x", frame.code);
    this.#text(parts, "number", parts.number, String(row));
    this.#code(parts, program.code[step], frame.characters);
    this.#patchVertex(picture, parts, result);
    this.#place(picture, parts, step, yOf(frame, row), rewired);
  }

  /** A row that is dragged takes its lines along, over all others. */
  #lift(parts, dragged) {
    if (dragged === (parts.wires.parentNode !== this.wires)) return;
    if (dragged) {
      parts.wires.removeAttribute("transform");
      parts.vertex.group.before(parts.wires);
    } else {
      this.wires.append(parts.wires);
      parts.y = null;
    }
  }

  #text(parts, key, element, text) {
    const name = `text ${key}`;
    if (parts.held[name] === text) return;
    parts.held[name] = text;
    element.textContent = text;
  }

  /** The code, shortened where it is too long; then all of it is shown on pointing at it. */
  #code(parts, code, most) {
    const text = clipped(code, most);
    if (parts.held.shownCode === text) return;
    parts.held.shownCode = text;
    parts.codeTitle.textContent = code;
    parts.code.replaceChildren(...(text === code ? [] : [parts.codeTitle]), text);
  }

  #patchVertex(picture, parts, result) {
    const { frame, program, order } = picture;
    const { vertex } = parts;
    const shown = order.place[result] >= 0;
    vertex.group.style.display = shown ? "" : "none";
    if (!shown) return;
    if (!parts.held.name) {
      parts.held.name = program.names[result];
      vertex.text.append(...nameSpans(program.names[result]));
      const half = halfWidth(program.names[result]);
      for (const [element, extra] of [[vertex.outline, 0], [vertex.ring, 3.5]]) {
        element.setAttribute("x", -half - extra);
        element.setAttribute("width", 2 * (half + extra));
      }
    }
    const x = frame.xs[order.place[result]];
    if (parts.x === x) return;
    vertex.group.setAttribute("transform", `translate(${x} 0)`);
    if (picture.animate && parts.x !== null) glide(vertex.group, parts.x - x, 0, x, 0);
    parts.x = x;
  }

  /** A row that moved glides there; new wires fade in, since there is nothing between old and new ones. */
  #place(picture, parts, step, y, rewired) {
    if (picture.dragged === step) return;
    if (parts.y !== y) {
      for (const group of [parts.group, parts.wires]) {
        group.setAttribute("transform", `translate(0 ${y})`);
        if (picture.animate && parts.y !== null) glide(group, 0, parts.y - y, 0, y);
      }
    }
    if (picture.animate && rewired && !parts.fresh) parts.wires.animate({ opacity: [0, 1] }, MOVE);
    parts.y = y;
    parts.fresh = false;
  }

  /** Let a row follow the pointer; null gives it back to its place. */
  float(step, y, animate) {
    const parts = this.#rows.get(step);
    if (!parts) return;
    if (y !== null) {
      parts.group.setAttribute("transform", `translate(0 ${y})`);
      parts.y = y;
    } else if (animate) {
      // From where it floats: the next patch moves it.
      parts.fresh = false;
    }
  }

  #classOf(picture, step, row, result) {
    const { cut, dragged, legal, program } = picture;
    const outside = legal !== null && step !== dragged && (row < legal[0] || row > legal[1]);
    return `row${cut.has(result) ? " cut" : ""}${dragged === step ? " dragged" : ""}${outside ? " dimmed" : ""}` +
      `${program.active[step] ? "" : " inactive"}${picture.selected === step ? " selected" : ""}`;
  }

  #labelOf(picture, step, row) {
    const { program, order } = picture;
    const [first, last] = order.band[row - 1];
    const lump = order.lumps.find((each) => each.start < row && row <= each.stop);
    const range = first === last ? "cannot move" : `may go to rows ${first} to ${last}`;
    const cut = picture.cut.has(program.n + step) ? ", in the cut that makes J singular" : "";
    return `row ${row}: ${program.code[step]}, ${range}${lump ? `, in lump ${lump.index + 1}` : ""}${cut}`;
  }

  #patchInputs(picture) {
    const { frame, program, order, cut, through } = picture;
    const key = JSON.stringify([frame.xs, frame.pitch, frame.right, program.key, order.place.slice(0, program.n),
      [...cut], picture.active === -1, through !== null]);
    if (key === this.#inputsKey) return;
    this.#inputsKey = key;
    if (!this.#inputs) {
      this.#inputs = { group: s("g", { class: "row inputs", role: "option", "data-row": 0 }) };
      this.element.prepend(this.#inputs.group);
    }
    const { group } = this.#inputs;
    const names = Array.from({ length: program.n }, (_, value) => program.names[value]);
    group.setAttribute("transform", `translate(0 ${yOf(frame, 0)})`);
    group.setAttribute("aria-label", `row 0: inputs ${names.join(", ")}`);
    group.setAttribute("aria-posinset", 1);
    group.setAttribute("aria-setsize", order.steps.length + 1);
    group.setAttribute("aria-selected", String(picture.active === -1));
    group.setAttribute("tabindex", picture.active === -1 ? 0 : -1);
    group.setAttribute("class", "row inputs");
    const arrows = names.map((_, value) => stub(frame.xs[order.place[value]] ?? 0, -28, -12.5));
    group.replaceChildren(
      s("rect", { class: "hit", x: 1, y: -frame.pitch / 2 + 1, height: frame.pitch - 2, width: frame.right + 6 }),
      s("g", { class: "graph", "clip-path": CLIP },
        s("path", { class: "edge quiet", d: arrows.map((arrow) => arrow.line).join("") }),
        s("path", { class: "head quiet", d: arrows.map((arrow) => arrow.head).join("") }),
        ...names.map((name, value) => inputVertex(frame, order, name, value, cut.has(value), through?.has(value)))),
      s("g", { class: "margin" }, s("text", { class: "number", x: 46, y: 4, text: "0" }),
        s("text", { class: "code quiet", x: frame.code, y: 4, text: "inputs" })));
  }
}

function inputVertex(frame, order, name, value, isCut, isThrough) {
  const half = halfWidth(name);
  return s("g", {
    class: `vertex input${isCut ? " cut" : ""}${isThrough ? " through" : ""}`, "data-value": value,
    transform: `translate(${frame.xs[order.place[value]] ?? 0} 0)`,
  },
  s("rect", { class: "ring", x: -half - 3.5, y: -14.5, width: 2 * half + 7, height: 29, rx: 14.5 }),
  s("rect", { x: -half, y: -11, width: 2 * half, height: 22, rx: 11 }),
  s("text", { y: 5 }, ...nameSpans(name)));
}

function glide(element, dx, dy, x, y) {
  element.animate([{ transform: `translate(${x + dx}px, ${y + dy}px)` }, { transform: `translate(${x}px, ${y}px)` }],
    { duration: MOVE, easing: "cubic-bezier(.2,.7,.3,1)" });
}

/** Code without the last digits of long numbers, and without its end where it is too long all the same. */
function clipped(text, most) {
  const short = text.replace(/(\d\.\d{4})\d{2,}/g, "$1…");
  return short.length > most ? `${short.slice(0, most - 1)}…` : short;
}
