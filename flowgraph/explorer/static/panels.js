/** Beside the drawing: what the order costs, other orders, what orders cost in general, and what is selected. */

import { certificateWords } from "./certificate.js";
import { count, debounce, fill, h, icon, plural, ratio, s, set } from "./dom.js";

/** Up to so many steps the sample is drawn without being asked for. */
const CHEAP = 60;
const BARS = 26;
const WIDTH = 252;
const HEIGHT = 56;

export class Panels {
  #sample = null;
  #sampleKey = null;
  #sampling = false;
  #seed = 0;
  #told = null;
  #auto = debounce(() => this.#draw(), 500);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    this.costs = h("div", { class: "costs", "data-testid": "costs" });
    this.orders = h("div", { class: "orders" },
      this.#orderButton("original", "Original", "o", () => ({ do: "original" })),
      this.#orderButton("best", "Best", "b", () => ({ do: "best" })),
      this.#orderButton("worst", "Worst found", "w", () => ({ do: "worst", seed: this.#seed })),
      this.#orderButton("random", "Random", "r", () => ({ do: "random", seed: fresh() })));
    this.distribution = h("div", { class: "distribution", "data-testid": "distribution" });
    this.saveName = h("input", { type: "text", class: "field", maxlength: 80, "data-testid": "save-name",
      placeholder: "name for this order", "aria-label": "name for this order" });
    this.savedList = h("ul", { class: "saved", "data-testid": "saved" });
    const form = h("form", { class: "save", on: { submit: (event) => this.#save(event) } }, this.saveName,
      h("button", { type: "submit", class: "button", "data-testid": "save", text: "Save" }));
    this.detail = h("div", { class: "detail", "data-testid": "detail", "aria-live": "off" });
    this.certificate = h("div", { class: "certificate", "data-testid": "certificate" });
    this.sections = {
      costs: section("Cost", this.costs, true),
      certificate: section("Why there is no inverse", this.certificate, true),
      orders: section("Orders", this.orders, true),
      detail: section("Selection", this.detail, true),
      distribution: section("All orders", this.distribution, true),
      saved: section("Saved orders", h("div", {}, form, this.savedList), true),
    };
    this.element = h("aside", { class: "panels", "aria-label": "costs and orders" }, ...Object.values(this.sections));
    fill(this.distribution);
  }

  #orderButton(name, title, key, action) {
    return h("button", {
      type: "button", class: "button", "data-testid": name, "aria-keyshortcuts": key,
      title: `${title.toLowerCase()} order (${key})`, on: { click: () => this.app.act(action()) },
    }, title, h("kbd", { text: key, "aria-hidden": "true" }));
  }

  /** Single letters for the orders. @returns {boolean} */
  keydown(event) {
    const name = { o: "original", b: "best", w: "worst", r: "random" }[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return false;
    this.orders.querySelector(`[data-testid=${name}]`).click();
    return true;
  }

  update() {
    const { view } = this.app;
    const costs = view?.costs ?? null;
    const certificate = view?.certificate ?? null;
    this.sections.costs.hidden = !costs;
    this.sections.distribution.hidden = !costs;
    this.sections.certificate.hidden = !certificate;
    this.#showCosts(costs);
    this.#showCertificate(certificate);
    this.#showOrders(view?.order ?? null, costs);
    this.#showDistribution(costs);
    this.#showSaved(view?.saved ?? []);
    this.#showDetail(view?.detail ?? null);
  }

  // -- costs --------------------------------------------------------------------------------------------------------

  #showCosts(costs) {
    if (!costs) {
      fill(this.costs);
      return;
    }
    const before = this.app.previewing ? this.app.kept?.costs : null;
    const known = costs.this !== null;
    const bars = [
      ["J v", costs.jvp, "other"], ["this order", costs.this, "this"], ["best order", costs.best, "best"],
      ["by blocks", costs.blocks, "other"],
    ].filter(([, number]) => number !== null);
    const most = Math.max(1, ...bars.map(([, number]) => number));
    fill(this.costs,
      h("p", { class: "cost-main" },
        h("span", { class: "math", text: "J" }), h("sup", { text: "−1" }), h("span", { class: "math", text: "v" }),
        h("b", { class: "cost-number", text: known ? count(costs.this) : "–" }),
        h("span", { class: "quiet", text: known ? "operations" : "too large to count" }),
        before && known && before.this !== null ? change(costs.this - before.this) : null),
      h("p", { class: "cost-line" }, ...gapWords(costs)),
      h("div", { class: "bars" }, ...bars.map(([title, number, kind]) => h("div", { class: `bar ${kind}` },
        h("span", { class: "bar-name" }, title === "J v" ? product("J\u2009v") : title),
        h("span", { class: "bar-track" },
          h("span", { class: "bar-fill", style: { width: `${(100 * number) / most}%` } })),
        h("span", { class: "bar-number", text: count(number) })))),
      h("p", { class: "cost-line" }, ...lumpWords(costs, before)));
  }

  #showCertificate(certificate) {
    const { program } = this.app;
    if (!certificate || !program) {
      fill(this.certificate);
      return;
    }
    fill(this.certificate, ...certificateWords(program, certificate),
      h("p", { class: "quiet",
        text: "Lumps, costs and the inverse modes need an inverse. Forward and reverse do not." }));
  }

  #showOrders(order, costs) {
    for (const button of this.orders.children) {
      const name = button.dataset.testid;
      if (name === "original") set(button, "aria-pressed", String(Boolean(order?.own)));
      if (name === "best") set(button, "aria-pressed", String(Boolean(order?.best)));
      button.disabled = !order || (name !== "original" && name !== "random" && !costs);
    }
  }

  // -- distribution -------------------------------------------------------------------------------------------------

  #showDistribution(costs) {
    const { program, view } = this.app;
    if (!costs || !program) return;
    if (this.#sampleKey !== program.key) {
      this.#sample = null;
      this.#sampleKey = program.key;
      this.#seed = 0;
      this.#told = null;
    }
    // A notebook has one Python for everything, so there it waits for the button.
    const cheap = this.app.connection.kind === "server" && view.order.steps.length <= CHEAP && costs.this !== null;
    if (!this.#sample && !this.#sampling && cheap) this.#auto();
    this.#paint(costs);
  }

  async #draw() {
    const key = this.#sampleKey;
    if (this.#sampling || !this.app.view?.costs) return;
    this.#sampling = true;
    this.#told = null;
    this.#paint(this.app.view.costs);
    const reply = await this.app.request("distribution", { seed: this.#seed }, (progress) => this.#progress(progress));
    this.#sampling = false;
    if (key === this.#sampleKey) {
      this.#told = reply.error ? reply.error.message : null;
      this.#sample = reply.distribution ?? this.#sample;
    }
    if (this.app.view?.costs) this.#paint(this.app.view.costs);
  }

  /** How far the sample is. */
  #progress({ done, total }) {
    if (!total) return;
    this.#told = `${done} of ${total} orders`;
    if (this.app.view?.costs) this.#paint(this.app.view.costs);
  }

  #paint(costs) {
    const again = h("button", {
      type: "button", class: "button small", disabled: this.#sampling,
      text: this.#sampling ? "sampling …" : this.#sample ? "Sample again" : "Sample the orders",
      on: {
        click: () => {
          if (this.#sample) this.#seed++;
          this.#draw();
        },
      },
    });
    const told = this.#told ? h("span", { class: "quiet", role: "status", text: this.#told }) : null;
    const head = h("div", { class: "row-of-buttons" }, again, told);
    if (!this.#sample) {
      fill(this.distribution, h("p", { class: "quiet" }, "What ", product("J"), h("sup", { text: "−1" }), product("v"),
        " costs along random legal orders."), head);
      return;
    }
    fill(this.distribution, ...this.#histogram(costs), head);
  }

  #histogram(costs) {
    const counted = this.#sample.operations.every((number) => number !== null) && costs.this !== null;
    const numbers = counted ? this.#sample.operations : this.#sample.lumps;
    const pick = (entry) => (counted ? entry.operations : entry.lumps);
    const marks = [
      ["this order", counted ? costs.this : costs.lumps, "this"], ["best", pick(this.#sample.best), "best"],
      ["original", pick(this.#sample.original), "original"],
    ];
    const values = [...numbers, ...marks.map(([, number]) => number)];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const unit = counted ? "operations" : "lumps";
    if (low === high) {
      return [h("p", { text: `All ${count(numbers.length)} random orders have ${count(low)} ${unit}.` })];
    }
    const bins = Math.min(BARS, high - low + 1);
    const heights = new Array(bins).fill(0);
    for (const number of numbers) heights[binOf(number, low, high, bins)]++;
    const most = Math.max(...heights);
    const step = WIDTH / bins;
    const gap = bins > 16 ? 1 : 2;
    const x = (number) => (binOf(number, low, high, bins) + 0.5) * step;
    const bars = heights.map((height, k) => s("rect", {
      class: "column", x: k * step + gap / 2, width: Math.max(1, step - gap), y: 12 + HEIGHT * (1 - height / most),
      height: (HEIGHT * height) / most,
    }));
    const costlier = numbers.filter((number) => (counted ? number > marks[0][1] : number < marks[0][1])).length;
    const summary = `${count(numbers.length)} random orders, ${count(low)} to ${count(high)} ${unit}; ` +
      `this order is better than ${Math.round((100 * costlier) / numbers.length)} % of them`;
    return [
      s("svg", { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT + 30}`, role: "img", "aria-label": summary },
        ...bars, s("path", { class: "axis", d: `M0 ${HEIGHT + 12.5}H${WIDTH}` }),
        ...marks.toReversed().map(([, number, kind]) =>
          s("path", { class: `mark ${kind}`, d: markPath(kind, x(number)) })),
        s("text", { x: 0, y: HEIGHT + 28, text: count(low) }),
        s("text", { x: WIDTH, y: HEIGHT + 28, class: "end", text: `${count(high)} ${unit}` })),
      h("ul", { class: "legend" }, ...marks.map(([title, number, kind]) => h("li", {},
        s("svg", { class: "legend-mark", viewBox: "0 0 12 12", "aria-hidden": "true" },
          s("path", { class: `mark ${kind}`, d: markPath(kind, 6, 12) })),
        `${title} ${count(number)}`))),
      h("p", { class: "quiet", text: summary }),
    ];
  }

  // -- saved orders and the selection -------------------------------------------------------------------------------

  async #save(event) {
    event.preventDefault();
    const name = this.saveName.value.trim() || this.#freeName();
    const reply = await this.app.act({ do: "save", name });
    if (!reply.error && reply.state.saved.some((entry) => entry.name === name)) {
      this.saveName.value = "";
      this.app.announce(`order saved as ${name}`);
    }
  }

  #freeName() {
    const taken = new Set(this.app.state.saved.map((entry) => entry.name));
    let k = 1;
    while (taken.has(`order ${k}`)) k++;
    return `order ${k}`;
  }

  #showSaved(saved) {
    if (saved.length === 0) {
      fill(this.savedList, h("li", { class: "quiet none", text: "none yet" }));
      return;
    }
    fill(this.savedList, ...saved.map((entry) => {
      const unfit = entry.fits === false;
      const facts = [entry.lumps === null ? null : plural(entry.lumps, "lump"),
        entry.operations === null ? null : `${count(entry.operations)} ops`].filter(Boolean).join(" · ");
      return h("li", { class: entry.current ? "current" : "" },
        h("button", {
          type: "button", class: "saved-load", "aria-pressed": String(entry.current), disabled: unfit,
          title: unfit ? "it does not fit this program" : "take this order",
          on: { click: () => this.app.act({ do: "load", name: entry.name }) },
        }, h("span", { text: entry.name }), h("span", { class: "quiet", text: unfit ? "does not fit" : facts })),
        h("button", {
          type: "button", class: "button square bare", "aria-label": `forget ${entry.name}`, title: "forget",
          on: { click: () => this.app.act({ do: "forget", name: entry.name }) },
        }, icon("close")));
    }));
  }

  #showDetail(detail) {
    if (!detail) {
      fill(this.detail, h("p", { class: "quiet", text: "Choose a row, a value or a lump in the drawing." }));
      return;
    }
    const kind = detail.kind === "step" ? "detail-title code" : "detail-title";
    fill(this.detail, h("p", { class: kind, text: detail.title }),
      h("ul", {}, ...detail.lines.map((text) => h("li", { text }))));
  }
}

function section(title, content, open) {
  return h("details", { class: "section", open }, h("summary", {}, h("h2", { text: title })), content);
}

function change(difference) {
  if (difference === 0) return h("span", { class: "change", text: "as before" });
  const better = difference < 0;
  const text = `${better ? "−" : "+"}${count(Math.abs(difference))}`;
  return h("span", { class: `change ${better ? "better" : "worse"}`, text });
}

function product(text) {
  return h("span", { class: "math", text });
}

function gapWords(costs) {
  const words = [];
  if (costs.ratio !== null) words.push(h("span", {}, `${ratio(costs.ratio)} × `, product("J\u2009v")));
  if (costs.gap > 0) words.push(h("span", { class: "worse", text: `${count(costs.gap)} above the best order` }));
  else if (costs.gap !== null) {
    const text = costs.gap === 0 ? "as cheap as the best order" : `${count(-costs.gap)} below the best order`;
    words.push(h("span", { class: "better", text }));
  }
  return words.flatMap((word, k) => (k ? [", ", word] : [word]));
}

function lumpWords(costs, before) {
  const gap = costs.best_lumps - costs.lumps;
  const words = [h("b", { text: plural(costs.lumps, "lump") }), `, largest `, h("span", { class: "math", text: "l" }),
    ` = ${costs.largest}`, gap > 0 ? `; ${costs.best_lumps} in the best order` : "; no order has more"];
  if (before && before.lumps !== costs.lumps) {
    words.push(h("span", { class: "change", text: ` (was ${before.lumps})` }));
  }
  return words;
}

function binOf(number, low, high, bins) {
  return high === low ? 0 : Math.min(bins - 1, Math.floor(((number - low) / (high - low + 1)) * bins));
}

/** Three shapes, so that no colour is needed to tell them apart. */
function markPath(kind, x, below = 11) {
  if (kind === "this") return `M${x} ${below}l-5 -9h10z`;
  if (kind === "best") return `M${x} ${below}l-4.5 -5 4.5 -5 4.5 5z`;
  return `M${x - 4} ${below - 5}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`;
}

function fresh() {
  return Math.floor(Math.random() * 2 ** 31);
}
