/** Help: what the keys do, and what the drawing shows. */

import { h, icon } from "./dom.js";

const KEYS = [
  ["Order", [
    ["↑ ↓", "go from step to step; Home and End to the first and last"],
    ["Alt+↑ Alt+↓", "move the step up or down"],
    ["→ ←", "from a step to its lump and back; among the inputs, from one to the next"],
    ["Esc", "let go of what is dragged; close"],
    ["o b w r", "original order, best order, worst found, random order"],
  ]],
  ["Derivation", [
    ["← →", "one application back or forth"],
    ["Shift+← Shift+→", "one stage back or forth"],
  ]],
  ["Everywhere", [
    ["1 2 3", "order, derivation, check"],
    ["Ctrl+Z Ctrl+Shift+Z", "undo, redo"],
    ["s", "take home"],
    ["?", "this help"],
  ]],
];

const DRAWING = [
  ["Rows", "Row 0 holds the inputs; row t has the value that step t computes. Time runs downward."],
  ["Columns", "Registers. A value that dies leaves its register to the result."],
  ["Grey lines", "Values that live on, to the row in which they are last read; outputs to the end."],
  ["Profile", "The number w of live values after each row, to the right of the line w = n. A dot: w = n, a cut."],
  ["Bands", "Lumps: what lies between two cuts, with l, the number of values that it replaces, and its cost in J⁻¹v."],
  ["Dashed outlines", "Blocks: what has to be solved together, where that is less than a whole lump. Brackets, where " +
    "other steps lie between. Blocks of one step have no mark."],
  ["While dragging", "The shaded rows are where the step may go. Elsewhere, the edge that is in the way is shown."],
  ["Red rings", "A cut of too few values: all that is between must pass through it, so J is singular for every x."],
];

const DRAGGING = "Drag a row by its handle, or anywhere on it with a mouse. At every place you see what the order " +
  "would be: its widths, its lumps, its cost. Rest on a value to see where it lives, on the words of a lump to see " +
  "why it exists.";

const TEXT = "One line a step: z = f(x, y). Begin with inputs x, y and end with outputs z, y. Names that are no " +
  "operation are functions without a definition. # starts a comment.";

export class Help {
  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    const close = h("button", {
      type: "button", class: "button square", "aria-label": "close", on: { click: () => this.element.close() },
    }, icon("close"));
    this.element = h("dialog", { class: "dialog help", "data-testid": "help-dialog", "aria-label": "help" },
      h("div", { class: "dialog-head" }, h("h2", { text: "Help" }), close),
      h("div", { class: "help-columns" },
        h("section", {}, h("h3", { text: "Reordering" }), h("p", { text: DRAGGING }), h("h3", { text: "The drawing" }),
          h("dl", { class: "help-list" }, ...DRAWING.flatMap(pair))),
        h("section", {}, ...KEYS.flatMap(([title, keys]) => [
          h("h3", { text: title }), h("dl", { class: "help-keys" }, ...keys.flatMap(keyPair)),
        ]), h("h3", { text: "Text" }), h("p", { text: TEXT }))));
  }
}

function pair([name, text]) {
  return [h("dt", { text: name }), h("dd", { text })];
}

function keyPair([keys, text]) {
  const names = keys.split(" ").flatMap((key, k) => [k ? " " : "", h("kbd", { text: key })]);
  return [h("dt", {}, ...names), h("dd", { text })];
}
