/** Dragging a row: it follows the pointer, and at every new place the explorer shows what the move would lead to. */

import { rowAt, yOf } from "./order_layout.js";

/** How far the pointer goes before a press is a drag, in px. */
const SLACK = 4;
/** How near an edge of the view scrolls it, in px, and by how much a frame. */
const MARGIN = 36;
const SPEED = 9;

export class RowDrag {
  #view;
  #pressed = null;
  #scrolling = 0;

  /** @param {import("./order_view.js").OrderView} view */
  constructor(view) {
    this.#view = view;
    /** What is dragged: {step, home, band, y, row, legal, reply}, where reply is to come; or null. */
    this.now = null;
    const svg = view.drawing;
    svg.addEventListener("pointerdown", (event) => this.#press(event));
    svg.addEventListener("pointermove", (event) => this.#move(event));
    svg.addEventListener("pointerup", (event) => this.#release(event));
    // A finger on the handle drags. CSS alone does not keep every browser from scrolling with it.
    svg.addEventListener("touchstart", (event) => {
      if (event.target.closest(".grip")) event.preventDefault();
    }, { passive: false });
    svg.addEventListener("pointercancel", () => this.cancel());
    svg.addEventListener("lostpointercapture", (event) => {
      // A touch is captured by what it began on, until the drawing takes it over.
      if (event.target === svg) this.cancel();
    });
  }

  #press(event) {
    const row = event.target.closest("[data-step]");
    if (!row || event.button !== 0 || this.now) return;
    // A finger scrolls, except on the handle.
    if (event.pointerType === "touch" && !event.target.closest(".grip")) return;
    const step = Number(row.dataset.step);
    const grip = Boolean(event.target.closest(".grip"));
    this.#pressed = { step, pointer: event.pointerId, y: event.clientY, grip };
  }

  #move(event) {
    const pressed = this.#pressed;
    if (!pressed || event.pointerId !== pressed.pointer) return;
    if (!this.now && event.buttons === 0) {
      // It was let go outside the drawing, before it was a drag.
      this.#pressed = null;
      return;
    }
    if (!this.now) {
      if (Math.abs(event.clientY - pressed.y) < SLACK) return;
      this.#begin(pressed);
    }
    this.now.clientY = event.clientY;
    this.#follow();
    this.#scroll();
  }

  #begin({ step, pointer, y }) {
    const { picture } = this.#view;
    const home = picture.rowOf(step);
    const box = this.#view.drawing.getBoundingClientRect();
    this.now = {
      step, home, pointer, band: picture.order.band[home - 1], blocker: picture.order.blocker[home - 1],
      grabbed: y - box.top - yOf(picture.frame, home), y: yOf(picture.frame, home), row: home, legal: true, reply: null,
      asked: home, clientY: y,
    };
    this.#view.drawing.setPointerCapture(pointer);
    this.#view.dragBegan(this.now);
  }

  #follow() {
    const drag = this.now;
    const { picture } = this.#view;
    const { frame, order } = picture;
    const box = this.#view.drawing.getBoundingClientRect();
    const y = drag.clientY - box.top - drag.grabbed;
    drag.y = Math.max(yOf(frame, 0.4), Math.min(yOf(frame, order.steps.length + 0.4), y));
    drag.row = Math.max(1, rowAt(frame, drag.y, order.steps.length));
    drag.legal = drag.row >= drag.band[0] && drag.row <= drag.band[1];
    if (drag.legal && drag.row !== drag.asked) this.#ask();
    // Over a place where it may not go everything is as it was.
    if (!drag.legal && drag.asked !== drag.home) this.#goHome();
    this.#view.dragMoved(drag);
  }

  #goHome() {
    this.now.asked = this.now.home;
    this.now.reply = null;
    this.#view.app.cancelPreview();
  }

  #ask() {
    const drag = this.now;
    const { app } = this.#view;
    const row = drag.row;
    drag.asked = row;
    if (row === drag.home) {
      this.#goHome();
      return;
    }
    drag.reply = app.preview({ do: "move", step: drag.step, to: row - 1 });
  }

  #scroll() {
    const box = this.#view.scroller.getBoundingClientRect();
    const { clientY } = this.now;
    const before = this.#scrolling;
    this.#scrolling = clientY < box.top + MARGIN ? -SPEED : clientY > box.bottom - MARGIN ? SPEED : 0;
    if (this.#scrolling && !before) requestAnimationFrame(() => this.#scrollOn());
  }

  #scrollOn() {
    if (!this.now || !this.#scrolling) return;
    this.#view.scroller.scrollTop += this.#scrolling;
    this.#follow();
    requestAnimationFrame(() => this.#scrollOn());
  }

  #release(event) {
    const pressed = this.#pressed;
    if (!pressed || event.pointerId !== pressed.pointer) return;
    this.#pressed = null;
    const drag = this.now;
    if (!drag) {
      // No click follows a touch of the handle.
      if (pressed.grip && event.pointerType === "touch") this.#view.choose(pressed.step);
      return;
    }
    this.now = null;
    this.#scrolling = 0;
    const { app } = this.#view;
    const action = { do: "move", step: drag.step, to: drag.row - 1 };
    const back = drag.row === drag.home || !drag.legal;
    if (back) app.cancelPreview();
    this.#view.dragEnded(drag, back);
    if (drag.row === drag.home) return;
    if (drag.legal) this.#keep(drag.reply, action);
    else app.act(action);
  }

  /** What was shown last for this place is what happens; where it was overtaken, Python is asked again. */
  async #keep(shown, action) {
    const { app } = this.#view;
    const reply = await shown;
    if (reply) app.keep(reply, action);
    else app.act(action);
  }

  /** Put the row back. Returns whether there was one. */
  cancel() {
    this.#pressed = null;
    const drag = this.now;
    if (!drag) return false;
    this.now = null;
    this.#scrolling = 0;
    this.#view.app.cancelPreview();
    this.#view.dragEnded(drag, true);
    return true;
  }
}
