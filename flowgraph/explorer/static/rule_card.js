/** What a rule application is: rule, site, effect, check, and the meaning of the letters in the labels. */

import {count, fill, h, maths, reference} from "./parts.js";

/** The card beside the drawings. */
export class RuleCard {
  constructor() {
    this.name = h("h3", {"data-testid": "rule-name"});
    this.badge = h("p", {class: "badge", "data-testid": "badge"});
    this.tooltip = h("p", {class: "tooltip"});
    this.site = h("dd", {"data-testid": "site"});
    this.effect = h("dd", {"data-testid": "effect"});
    this.change = h("dd", {class: "change"});
    this.source = h("dd");
    this.facts = h(
      "dl",
      {class: "facts"},
      h("dt", {}, "Site"),
      this.site,
      h("dt", {}, "Effect"),
      this.effect,
      h("dt", {}, "Change"),
      this.change,
      h("dt", {}, "Source"),
      this.source,
    );
    this.letters = h("dl", {class: "letters"});
    this.lettersBox = h("details", {class: "letters-box", open: true}, h("summary", {}, "Letters"), this.letters);
    this.element = h(
      "aside",
      {class: "rule-card", "aria-label": "the rule application"},
      this.name,
      this.badge,
      this.tooltip,
      this.facts,
      this.lettersBox,
    );
  }

  clear() {
    for (const node of [this.name, this.badge, this.tooltip, this.site, this.effect, this.change, this.source]) fill(node);
    this.facts.hidden = true;
    this.badge.hidden = true;
    this.lettersBox.hidden = true;
  }

  update(application, stage) {
    const start = application.position === 0;
    this.name.textContent = start ? "The primal graph" : application.title;
    this.tooltip.textContent = start
      ? "The program as a graph: every value a vertex, every argument an edge. No rule has been applied."
      : application.tooltip;
    this.facts.hidden = start;
    fill(this.site, maths(application.site || "the whole graph"));
    this.effect.textContent = application.effect ?? "";
    fill(this.change, ...changes(application));
    fill(this.source, reference(application.reference ?? ""));
    this.element.dataset.stage = stage?.name ?? "";
    this.#check(application.check);
    this.#meanings(application.meanings ?? application.legend ?? {});
  }

  #check(check) {
    this.badge.hidden = !check;
    if (!check) return;
    this.badge.dataset.ok = String(check.ok);
    const verdict = check.ok ? check.text || "checked exactly" : "the check failed";
    fill(
      this.badge,
      h("span", {class: "sign", "aria-hidden": "true"}, check.ok ? "✓" : "✗"),
      h("span", {}, h("strong", {}, verdict), h("span", {class: "method"}, check.method ?? "")),
    );
    if (!check.ok && check.witness) this.badge.append(h("span", {class: "witness"}, check.witness));
  }

  #meanings(meanings) {
    const rows = Object.entries(meanings);
    this.lettersBox.hidden = rows.length === 0;
    fill(this.letters, ...rows.flatMap(([letter, meaning]) => [h("dt", {}, maths(letter)), h("dd", {}, maths(meaning))]));
  }
}

function changes({changed, noop}) {
  if (noop) return ["nothing: the rule was applied here and left the graph as it was"];
  const parts = [
    [changed?.added, "added"],
    [changed?.removed, "removed"],
    [changed?.relabelled, "with a new label"],
  ];
  const words = parts.filter(([keys]) => keys?.length).map(([keys, word]) => `${count(keys.length, "edge")} ${word}`);
  const gone = changed?.vertices_gone?.length ?? 0;
  if (gone > 0) words.push(gone === 1 ? "1 vertex gone" : `${gone} vertices gone`);
  return [words.join(", ") || "none in the rows shown"];
}
