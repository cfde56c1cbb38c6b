/** Checks: all four modes verified here and now, and the modes with numbers, as tables and on the edges of a graph. */

import { fill, h, plural } from "./dom.js";
import { button, maths, number, problem, progressOf } from "./parts.js";
import { SceneView } from "./scene.js";

/** Up to this many components have a field each; more share one text field. */
const MOST_FIELDS = 12;
/** Rows of a result that are shown before one asks for all. */
const MOST_ROWS = 40;
const SIGNS = { ok: ["✓", "holds"], fail: ["✗", "fails"], skipped: ["–", "skipped"] };

/** The tab "Check". */
export class CheckView {
  #app;
  #base = "";
  #running = 0;
  #seed = 0;
  #numbers = null;
  #graphMode = null;
  #asked = 0;
  #graphAsked = 0;

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.#app = app;
    this.columns = h("div", { class: "check-columns" }, this.#verification(), this.#numbersPart());
    this.nothing = h("p", { class: "hint", hidden: true }, "There is no program to check: mend the text, or open one.");
    this.element = h("div", { class: "check-view" }, this.nothing, this.columns);
  }

  #verification() {
    this.verify = button("Verify all four modes", {
      class: "primary",
      "data-testid": "verify",
      on: { click: () => this.#verify() },
    });
    this.progress = h("progress", { "aria-label": "progress of the verification", max: 1, hidden: true });
    this.progressText = h("span", { class: "progress-text" });
    this.verdict = h("p", { class: "verdict" });
    this.rows = h("tbody");
    this.table = h(
      "table",
      { class: "checks", hidden: true },
      h("thead", {}, h("tr", {}, ...["Result", "Claim", "Evidence"].map((name) => h("th", { scope: "col" }, name)))),
      this.rows,
    );
    return h(
      "section",
      { class: "verification", "aria-labelledby": "verification-title" },
      h("h2", { id: "verification-title" }, "Proof"),
      h(
        "p",
        { class: "lead" },
        "Derives all four modes anew and decides every claim: each application of each rule, the map of each graph, " +
          "the labels, and the numbers.",
      ),
      h("div", { class: "run" }, this.verify, this.progress, this.progressText),
      this.verdict,
      this.table,
    );
  }

  #numbersPart() {
    this.x = new Vector("x", "numbers-x", "point");
    this.v = new Vector("v", "numbers-v", "vector");
    // A button that submits: without one, Enter in a field of several would do nothing.
    this.run = button("Compute", { type: "submit", class: "primary", "data-testid": "numbers-run" });
    this.random = button("Random", {
      "data-testid": "numbers-random",
      title: "draw x and v anew",
      on: { click: () => this.#draw() },
    });
    this.seed = h("span", { class: "seed" });
    this.numbersMessage = h("div", { class: "numbers-message" });
    this.results = h("div", { class: "results" });
    this.graph = new SceneView({ label: "numbers on the edges" });
    this.graphTitle = h("h3");
    this.graphValues = h("div", { class: "values" });
    this.graphMessage = h("div");
    this.graphBox = h(
      "div",
      { class: "numbers-graph", hidden: true },
      this.graphTitle,
      this.graphMessage,
      h("div", { class: "scene-scroller", tabindex: 0, role: "group", "aria-label": "drawing" }, this.graph.element),
      this.graphValues,
    );
    const form = h(
      "form",
      {
        class: "numbers-form",
        novalidate: true,
        on: { submit: (event) => {
          event.preventDefault();
          this.#run();
        } },
      },
      this.x.element,
      this.v.element,
      h("div", { class: "run" }, this.run, this.random, this.seed),
    );
    return h(
      "section",
      { class: "numbers", "aria-labelledby": "numbers-title" },
      h("h2", { id: "numbers-title" }, "Numbers"),
      h(
        "p",
        { class: "lead" },
        "One vector through every mode at the point x: as v where a tangent is given, as w where a cotangent is.",
      ),
      form,
      this.numbersMessage,
      this.results,
      this.graphBox,
    );
  }

  // -- what the app calls ---------------------------------------------------------------------------------------------

  update(app) {
    this.#app = app;
    const { state, view } = app;
    if (app.tab !== "check") return;
    const key = view?.key ?? null;
    const base = JSON.stringify([key, state.order]);
    this.columns.hidden = key === null;
    this.nothing.hidden = key !== null;
    if (base === this.#base || key === null) return;
    const sameProgram = this.program === key;
    this.program = key;
    this.#base = base;
    this.#running += 1;
    this.#forgetProof();
    if (sameProgram && this.#numbers) {
      this.#run();
      return;
    }
    this.#numbers = null;
    fill(this.results);
    this.graphBox.hidden = true;
    const { names, n } = app.program;
    this.x.shape(names.slice(0, n));
    this.v.shape(Array.from({ length: n }, (_, k) => `v${k + 1}`));
    this.#seed = 0;
    this.#request(null, null);
  }

  // -- proof ----------------------------------------------------------------------------------------------------------

  #forgetProof() {
    fill(this.rows);
    fill(this.verdict);
    this.table.hidden = true;
    this.#idle();
  }

  #idle() {
    this.verify.disabled = false;
    this.progress.hidden = true;
    this.progressText.textContent = "";
  }

  async #verify() {
    this.#forgetProof();
    this.#running += 1;
    const mine = this.#running;
    this.verify.disabled = true;
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    this.progressText.textContent = "starting …";
    const told = (message) => {
      const { what, done, total } = progressOf(message);
      if (mine !== this.#running) return;
      if (total > 0) this.progress.value = done / total;
      this.progressText.textContent = total > 1 ? `${what}: ${done} of ${total}` : what;
    };
    const reply = await this.#app.request("verify", { state: this.#app.state, seed: 0 }, told);
    if (mine !== this.#running) return;
    this.#idle();
    if (reply.error) {
      fill(this.verdict, problem(reply.error));
      return;
    }
    this.#report(reply.verification);
  }

  #report({ ok, checks, program, method, left_out: without }) {
    const kinds = checks.map((check) => (check.skipped ? "skipped" : check.ok ? "ok" : "fail"));
    const total = (kind) => kinds.filter((item) => item === kind).length;
    const failed = `${plural(total("fail"), "check")} of ${checks.length} failed`;
    const words = ok ? `all ${total("ok")} checks hold` : failed;
    const skipped = total("skipped") > 0 ? `, ${total("skipped")} could not be made` : "";
    this.verdict.dataset.ok = String(ok);
    fill(
      this.verdict,
      h("span", { class: "sign", "aria-hidden": "true" }, ok ? "✓" : "✗"),
      h("strong", {}, words + skipped),
      h("span", { class: "about" }, `${program}; ${method === "exact" ? "decided exactly" : "in prime fields"}`),
      without?.length
        ? h("span", { class: "about" }, `not checked: ${without.join(" and ")}, as J is singular for every x`)
        : null,
    );
    fill(this.rows, ...checks.map((check, k) => checkRow(check, kinds[k])));
    this.table.hidden = false;
    this.#app.announce(`verification: ${words}${skipped}`);
  }

  // -- numbers --------------------------------------------------------------------------------------------------------

  #draw() {
    this.#seed += 1;
    this.#request(null, null);
  }

  #run() {
    const [x, v] = [this.x.read(), this.v.read()];
    if (x.error || v.error) {
      fill(this.numbersMessage, problem(x.error ?? v.error));
      (x.error ? this.x : this.v).focusWrong();
      return;
    }
    this.#request(x.values, v.values);
  }

  /** Compute. A null stands for what is drawn with the seed. */
  async #request(x, v) {
    fill(this.numbersMessage);
    const base = this.#base;
    this.#asked += 1;
    const mine = this.#asked;
    this.seed.textContent = "computing …";
    this.results.classList.add("stale");
    const reply = await this.#app.request("numbers", { state: this.#app.state, x, v, seed: this.#seed });
    if (base !== this.#base || mine !== this.#asked) return;
    this.seed.textContent = "";
    this.results.classList.remove("stale");
    if (reply.error) {
      fill(this.numbersMessage, problem(reply.error));
      return;
    }
    const { numbers } = reply;
    this.#numbers = { ...numbers, asked: { x, seed: this.#seed } };
    if (x === null) this.x.write(numbers.x);
    if (v === null) this.v.write(numbers.v);
    const drawn = [x === null ? "x" : "", v === null ? "v" : ""].filter(Boolean).join(" and ");
    this.seed.textContent = drawn ? `${drawn} drawn with seed ${numbers.seed}` : "";
    this.#results();
  }

  #results() {
    const { modes, note } = this.#numbers;
    fill(this.results, ...modes.map((mode) => this.#card(mode)));
    if (note) this.results.append(h("p", { class: "note" }, note));
    const usable = modes.filter((mode) => mode.result !== null);
    const chosen = usable.find((mode) => mode.mode === this.#graphMode) ?? usable[0];
    if (chosen) this.#showGraph(chosen.mode, false);
    else this.graphBox.hidden = true;
  }

  #card(mode) {
    const words = mode.mode.replace("-", " ");
    const vector = mode.mode.startsWith("reverse") ? "w" : "v";
    const card = h(
      "article",
      { class: "number-result", "data-testid": "number-result", "data-mode": mode.mode },
      h("h3", {}, h("span", { class: "symbol" }, `${mode.symbol} ${vector}`), h("span", { class: "mode-name" }, words)),
    );
    if (mode.result === null) {
      card.append(h("p", { class: "refused" }, h("span", { "aria-hidden": "true" }, "✗ "), mode.error));
      return card;
    }
    card.append(numberTable(mode));
    if (mode.check) {
      const ok = mode.check.startsWith("agrees");
      card.append(h("p", { class: "agreement", "data-ok": String(ok) },
        h("span", { "aria-hidden": "true" }, ok ? "✓ " : "✗ "), mode.check));
    }
    card.append(
      button("on the graph", {
        class: "quiet",
        "aria-label": `numbers on the graph of ${words}`,
        on: { click: () => this.#showGraph(mode.mode, true) },
      }),
    );
    return card;
  }

  /** The last graph of a mode's derivation with the numbers on its edges. */
  async #showGraph(mode, scroll) {
    this.#graphMode = mode;
    for (const card of this.results.querySelectorAll(".number-result")) {
      card.toggleAttribute("data-current", card.dataset.mode === mode);
    }
    this.#graphAsked += 1;
    const mine = this.#graphAsked;
    const stale = () => mine !== this.#graphAsked;
    const state = { ...this.#app.state, mode };
    const { asked, modes } = this.#numbers;
    const v = modes.find((entry) => entry.mode === mode).vector;
    this.graphBox.hidden = false;
    this.graphTitle.textContent = `The graph of ${mode.replace("-", " ")} mode`;
    const timeline = await this.#app.request("timeline", { state });
    if (stale()) return;
    const reply = timeline.error
      ? timeline
      : await this.#app.request("application", {
          state: { ...state, position: timeline.timeline.count },
          rows: null,
          numbers: { ...asked, v },
        });
    if (stale()) return;
    fill(this.graphMessage, ...(reply.error ? [problem(reply.error)] : []));
    if (reply.error) {
      this.graph.clear();
      fill(this.graphValues);
      return;
    }
    const { after, values, rows, note, all_rows: all } = reply.application;
    if (note) this.graphMessage.append(h("p", { class: "hint" }, note));
    this.graph.show(after, { values });
    const part = rows[0] > all[0] || rows[1] < all[1] ? `rows ${rows[0]} to ${rows[1]} of ${all[0]} to ${all[1]}` : "";
    fill(this.graphValues, ...valueList(values, part));
    if (scroll) this.graphBox.scrollIntoView({ block: "nearest" });
  }
}

/** Fields for the components of a vector: one each, or one for all. */
class Vector {
  constructor(letter, testid, label) {
    this.letter = letter;
    this.testid = testid;
    this.names = [];
    this.inputs = [];
    /** The numbers that were drawn, by what stands for them in the fields. */
    this.drawn = new Map();
    this.fields = h("div", { class: "fields" });
    this.element = h(
      "fieldset",
      { class: "vector", "data-testid": testid },
      h("legend", {}, `${label} `, h("i", { class: "maths" }, letter)),
      this.fields,
    );
  }

  shape(names) {
    if (names.join() === this.names.join() && this.inputs.length > 0) return;
    this.names = names;
    this.drawn = new Map();
    if (names.length > MOST_FIELDS) {
      const field = h("textarea", {
        rows: 3,
        spellcheck: "false",
        "aria-label": `${this.letter}: ${names.length} numbers with commas`,
      });
      this.inputs = [field];
      fill(this.fields, h("span", { class: "hint" }, `${names.length} numbers, with commas, ${range(names)}`), field);
      return;
    }
    const plain = { type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false" };
    this.inputs = names.map(() => h("input", plain));
    fill(this.fields, ...names.map((name, k) => h("label", {}, maths(name), this.inputs[k])));
  }

  /** Show drawn numbers. They are rounded to the eye only: a text that still stands means the number behind it. */
  write(values) {
    const texts = values.map((value) => String(Number(value.toPrecision(6))));
    this.drawn = new Map(texts.map((text, k) => [`${k} ${text}`, values[k]]));
    if (this.names.length > MOST_FIELDS) this.inputs[0].value = texts.join(", ");
    else this.inputs.forEach((input, k) => (input.value = texts[k] ?? ""));
    for (const input of this.inputs) input.removeAttribute("aria-invalid");
  }

  /** The numbers, null where all are those that were drawn, or what is wrong with them. */
  read() {
    const many = this.names.length > MOST_FIELDS;
    const separate = () => this.inputs[0].value.split(/[\s,;]+/).filter(Boolean);
    const texts = many ? separate() : this.inputs.map((input) => input.value);
    const held = texts.map((text, k) => this.drawn.get(`${k} ${text}`));
    const values = texts.map((text, k) => held[k] ?? parsed(text));
    for (const input of this.inputs) input.removeAttribute("aria-invalid");
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      this.inputs[many ? 0 : bad].setAttribute("aria-invalid", "true");
      const where = many ? `number ${bad + 1} of ${this.letter}` : `${this.letter}, field ${this.names[bad]}`;
      return {
        values: null,
        error: {
          message: "this is no number",
          where,
          got: texts[bad].trim() === "" ? "nothing" : texts[bad],
          expected: "a number such as 0.5, -2 or 1e-3",
        },
      };
    }
    if (values.length !== this.names.length) {
      this.inputs[0].setAttribute("aria-invalid", "true");
      return {
        values: null,
        error: {
          message: `${this.letter} has the wrong number of components`,
          got: String(values.length),
          expected: String(this.names.length),
          remedy: "separate the numbers by commas or blanks",
        },
      };
    }
    return { values: held.includes(undefined) ? values : null, error: null };
  }

  focusWrong() {
    this.inputs.find((input) => input.hasAttribute("aria-invalid"))?.focus();
  }
}

const parsed = (text) => (text.trim() === "" ? NaN : Number(text.trim().replace("−", "-")));
const range = (names) => (names.length > 1 ? `for ${names[0]} to ${names.at(-1)}` : "");

function checkRow({ subject, method, detail, witness }, kind) {
  const [sign, word] = SIGNS[kind];
  const row = h(
    "tr",
    { class: `check-row ${kind}`, "data-testid": "check-row", "data-result": kind },
    h(
      "td",
      { class: "result" },
      h("span", { class: "sign", "aria-hidden": "true" }, sign),
      h("span", { class: "word" }, word),
    ),
    h("th", { scope: "row" }, subject),
    h("td", { class: "evidence" }, `${method}; ${detail}`),
  );
  if (witness) {
    const label = kind === "fail" ? "witness" : "reason";
    row.lastChild.append(h("p", { class: "witness" }, h("span", { class: "term" }, `${label} `), witness));
  }
  return row;
}

function numberTable({ given, found, vector, result }) {
  const names = (list) => (k) => maths(list[k] ?? String(k + 1));
  const [from, to] = [names(given), names(found)];
  const size = Math.max(given.length, found.length);
  const row = (k) =>
    h(
      "tr",
      {},
      h("td", { class: "name" }, k < given.length ? from(k) : ""),
      h("td", { class: "value given" }, k < given.length ? number(vector[k]) : ""),
      h("td", { class: "name" }, k < found.length ? to(k) : ""),
      h("td", { class: "value found" }, k < found.length ? number(result[k]) : ""),
    );
  const body = h("tbody", {}, ...Array.from({ length: Math.min(size, MOST_ROWS) }, (_, k) => row(k)));
  const table = h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...["given", "found"].map((name) => h("th", { scope: "col", colspan: 2 }, name)))),
    body,
  );
  if (size <= MOST_ROWS) return table;
  const more = button(`show all ${size}`, {
    class: "quiet",
    on: { click: () => {
      body.append(...Array.from({ length: size - MOST_ROWS }, (_, k) => row(MOST_ROWS + k)));
      more.remove();
    } },
  });
  return h("div", {}, table, more);
}

function valueList(values, part) {
  const entries = Object.entries(values ?? {});
  const nodes = [];
  if (part) nodes.push(h("p", { class: "hint" }, part));
  if (entries.length === 0) return nodes;
  const shown = entries.slice(0, 4 * MOST_ROWS);
  nodes.push(
    h(
      "ul",
      { "aria-label": "values at the vertices" },
      ...shown.map(([name, value]) => h("li", {}, maths(name), h("span", { class: "value" }, number(value)))),
    ),
  );
  if (shown.length < entries.length) nodes.push(h("p", { class: "hint" }, `and ${entries.length - shown.length} more`));
  return nodes;
}
