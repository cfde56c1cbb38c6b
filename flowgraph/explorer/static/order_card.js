/** The card beside what is pointed at: where a value lives, why a lump exists and what would split it. */

import { debounce, fill, h, mathName } from "./dom.js";
import { lumpWords } from "./order_marks.js";

/** Explanations that are remembered. */
const REMEMBERED = 200;
/** How long one rests on a lump before Python is asked, in ms. */
const REST = 140;
const NAMES = 5;

export class Card {
  #app;
  #known = new Map();
  #key = "";
  #at = null;
  #ask = debounce((picture, index, aloud) => this.#askWhy(picture, index, aloud), REST);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.#app = app;
    /** Whether the same stands elsewhere, so that it is only said. */
    this.quiet = false;
    this.element = h("div", { class: "card", role: "tooltip", hidden: true });
  }

  hide() {
    this.#ask.cancel();
    this.#key = "";
    this.element.hidden = true;
  }

  /** @param {number[]} readers the steps that read the value */
  showValue(picture, value, readers) {
    const { program } = picture;
    this.#ask.cancel();
    this.#key = "";
    const names = readers.map((step) => program.names[program.n + step]);
    const list = names.length > NAMES ? [...names.slice(0, NAMES), "…"] : names;
    this.#fill(
      h("b", {}, mathName(program.names[value]), value < program.n ? ", an input" : ""), h("br"),
      lifeWords(picture.order, value),
      ...list.flatMap((name, k) => [k ? ", " : "; read by ", name === "…" ? name : mathName(name)]),
      program.outputs.includes(value) ? "; an output" : "");
  }

  /** @param {boolean} aloud whether it is read to screen readers too */
  showLump(picture, index, aloud) {
    const lump = picture.order.lumps[index];
    if (!lump) {
      this.hide();
      return;
    }
    this.#key = keyOf(picture, index);
    const known = this.#known.get(this.#key);
    const reasons = known ? [known.why, known.split].filter(Boolean) : [];
    this.#fill(h("b", { text: lumpWords(picture, lump) }), ...reasons.map((text) => h("p", { text })),
      known ? null : h("p", { class: "quiet", text: "why it exists …" }));
    if (known && aloud) this.#app.announce(reasons.join(". "));
    if (!known) this.#ask(picture, index, aloud);
  }

  #fill(...content) {
    fill(this.element, ...content);
    this.element.hidden = this.quiet;
    this.place(this.#at);
  }


  /**
   * Stand beside a point of the window, or under a box, but always inside the stage.
   * @param {?{x: number, y: number}|DOMRect} at
   */
  place(at) {
    this.#at = at;
    if (!at || this.element.hidden) return;
    const stage = this.element.parentElement.getBoundingClientRect();
    const isBox = at.bottom !== undefined;
    const x = isBox ? Math.min(at.right, stage.right) - 340 : at.x;
    const y = isBox ? Math.min(at.bottom, stage.bottom - 40) : at.y;
    const { offsetWidth, offsetHeight } = this.element;
    const left = Math.max(6, Math.min(x - stage.left + 14, stage.width - offsetWidth - 6));
    let top = y - stage.top + 16;
    if (top + offsetHeight > stage.height - 4) top = y - stage.top - offsetHeight - 12;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
  }

  async #askWhy(picture, index, aloud) {
    const key = keyOf(picture, index);
    const reply = await this.#app.request("explain", { lump: index });
    if (reply.error) return;
    if (this.#known.size > REMEMBERED) this.#known.clear();
    this.#known.set(key, reply.explain);
    // Somebody may point elsewhere by now, or at another order.
    if (key === this.#key) this.showLump(picture, index, aloud);
  }
}

function keyOf({ program, order }, index) {
  return `${program.key} ${order.steps.join(" ")} ${index}`;
}

/** Where a value lives, in words. */
export function lifeWords(order, value) {
  if (order.last[value] < 0) return "nothing reads it";
  const until = order.last[value] > order.steps.length ? "the end" : `row ${order.last[value]}`;
  return `lives from row ${order.rows[value]} to ${until}`;
}
