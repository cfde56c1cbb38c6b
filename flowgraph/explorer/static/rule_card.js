/** What a rule application is: rule, site, effect, check, and the meaning of the letters in the labels. */

import { fill, h, plural } from "./dom.js";
import { maths, reference } from "./parts.js";

/** Up to this many letters are shown unasked. */
const MOST_LETTERS = 30;

/** The card beside the drawings; `lettersBox`, the meanings of the letters, stands below them. */
export class RuleCard {
  constructor() {
    this.name = h("h3", { "data-testid": "rule-name" });
    this.badge = h("p", { class: "badge", "data-testid": "badge", hidden: true });
    this.tooltip = h("p", { class: "tooltip" });
    this.site = h("dd", { "data-testid": "site" });
    this.effect = h("dd", { "data-testid": "effect" });
    this.change = h("dd");
    this.source = h("dd");
    this.facts = h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Site"),
      this.site,
      h("dt", {}, "Effect"),
      this.effect,
      h("dt", {}, "Change"),
      this.change,
      h("dt", {}, "Source"),
      this.source,
    );
    /** What the card says, on one line over the drawings where the card stands below them. */
    this.line = h("p", { class: "rule-line", "aria-hidden": "true" });
    this.letters = h("dl", { class: "letters" });
    this.lettersTitle = h("summary");
    this.lettersBox = h("details", { class: "letters-box", open: true }, this.lettersTitle, this.letters);
    this.element = h(
      "aside",
      { class: "rule-card", "aria-label": "the rule application" },
      this.name,
      this.badge,
      this.tooltip,
      this.facts,
    );
  }

  clear() {
    for (const node of [this.name, this.tooltip]) fill(node);
    fill(this.line);
    this.facts.hidden = true;
    this.badge.hidden = true;
    this.lettersBox.hidden = true;
  }

  /**
   * @param {object} application as in the replies of Python
   * @param {import("./scene.js").Marks} marks what changed
   * @param {{name: string}|undefined} stage
   */
  update(application, marks, stage) {
    const start = application.position === 0;
    this.name.textContent = application.title;
    this.tooltip.textContent = application.tooltip;
    fill(this.line, ...lineOf(application));
    this.facts.hidden = start;
    fill(this.site, application.site ? maths(application.site) : "the whole graph");
    this.effect.textContent = application.effect ?? "";
    fill(this.change, changes(application.noop, marks));
    fill(this.source, reference(application.reference ?? ""));
    this.element.dataset.stage = stage?.name ?? "";
    this.#check(application.check, application.effect);
    this.#meanings(application.meanings);
  }

  #check(check, effect) {
    this.badge.hidden = !check;
    if (!check) return;
    this.badge.dataset.ok = String(check.ok);
    // What was checked, the effect, stands below.
    const verdict = check.ok ? (check.text || "checked exactly").replace(`: ${effect}`, "") : "the check failed";
    fill(
      this.badge,
      h("span", { class: "sign", "aria-hidden": "true" }, check.ok ? "✓" : "✗"),
      h("span", {}, h("strong", {}, verdict), h("span", { class: "method" }, check.method ?? "")),
    );
    if (!check.ok && check.witness) this.badge.append(h("span", { class: "witness" }, check.witness));
  }

  #meanings(meanings) {
    const rows = Object.entries(meanings);
    this.lettersBox.hidden = rows.length === 0;
    if (rows.length > MOST_LETTERS !== this.many) {
      this.many = rows.length > MOST_LETTERS;
      this.lettersBox.open = !this.many;
    }
    this.lettersTitle.textContent = this.many ? `Letters (${rows.length})` : "Letters";
    const pair = ([letter, meaning]) => h("div", {}, h("dt", {}, maths(letter)), h("dd", {}, maths(meaning)));
    fill(this.letters, ...rows.map(pair));
  }
}

function lineOf({ title, site, check }) {
  const sign = check ? h("span", { class: check.ok ? "good" : "bad" }, check.ok ? "✓ " : "✗ ") : "";
  return [sign, h("strong", {}, title), ...(site ? [" at ", maths(site)] : [])];
}

function changes(noop, marks) {
  if (noop) return "nothing: the graph stays as it was";
  const edges = (kind) => (marks[kind] ?? []).filter(isEdge).length;
  const words = { added: "added", removed: "removed", relabelled: "with a new label" };
  const parts = Object.entries(words)
    .filter(([kind]) => edges(kind) > 0)
    .map(([kind, word]) => `${plural(edges(kind), "edge")} ${word}`);
  if (edges("turned") > 0) parts.push(`${plural(edges("turned") / 2, "edge")} turned round`);
  const gone = marks.gone?.length ?? 0;
  if (gone > 0) parts.push(gone === 1 ? "1 vertex merged away" : `${gone} vertices merged away`);
  return parts.join(", ") || "none in the rows shown";
}

/** Whether a key is that of an edge between vertices: no vertex, and no arrow at an input or output. */
function isEdge(key) {
  return key.includes(" -> ") && !key.startsWith("input -> ") && !key.endsWith(" -> output");
}
