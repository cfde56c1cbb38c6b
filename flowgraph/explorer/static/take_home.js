/** The dialog "Take home": files, a link, command lines, Python. */

import { fill, h, icon } from "./dom.js";
import { button, copy, problem, progressOf } from "./parts.js";
import { encode } from "./share.js";

const DRAWINGS = ["svg", "pdf", "png", "tex"];

/** What can be taken home, and as what. */
export const EXPORTS = {
  order: { title: "Order drawing", text: "registers, width profile and lumps as shown", formats: DRAWINGS },
  graph: { title: "Graph", text: "the graph at this place of the derivation", formats: DRAWINGS },
  sequence: { title: "Rewrite sequence", text: "stage by stage, one figure with several panels", formats: DRAWINGS },
  derivation: { title: "Derivation", text: "every application with its rule and site", formats: ["json"] },
  analysis: { title: "Analysis", text: "lumps, blocks, costs, certificate", formats: ["json"] },
  program: { title: "Program", text: "the straight-line code in this order", formats: ["fg"] },
};

const FORMATS = { svg: "SVG", pdf: "PDF", png: "PNG", tex: "TikZ (.tex)", json: "JSON", fg: "flowgraph (.fg)" };
/** Formats that are text, which one may rather paste than save. */
const TEXTS = ["svg", "tex", "json", "fg"];
/** How long "copied" stands, in ms. */
const SAID = 2500;

/** The dialog. `element` is a <dialog>; `open()` shows it. */
export class TakeHome {
  #app;
  #format = "svg";

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.#app = app;
    this.element = h(
      "dialog",
      { class: "take-home-dialog", "data-testid": "take-home-dialog", "aria-labelledby": "take-home-title" },
      h(
        "header",
        {},
        h("h2", { id: "take-home-title" }, "Take home"),
        button(icon("close"), {
          class: "close",
          "aria-label": "close",
          title: "close (Esc)",
          on: { click: () => this.element.close() },
        }),
      ),
      this.#files(),
      this.#link(),
      this.#lines(),
    );
    this.element.addEventListener("click", (event) => {
      // A click on the backdrop is one on the dialog itself, outside its box.
      if (event.target === this.element && !inside(event, this.element)) this.element.close();
    });
  }

  #files() {
    this.whats = Object.entries(EXPORTS).map(([what, { title, text }]) => {
      const input = h("input", { type: "radio", name: "what", value: what, on: { change: () => this.#formats() } });
      const words = [h("span", { class: "what-title" }, title), h("span", { class: "hint" }, text)];
      return h("label", { class: "what" }, input, ...words);
    });
    this.format = h("select", {
      "data-testid": "export-format",
      on: { change: () => {
        this.#format = this.format.value;
        this.#buttons();
      } },
    });
    this.save = button("Download", {
      class: "primary",
      "data-testid": "export",
      on: { click: () => this.#download() },
    });
    this.copyFile = button("Copy", { "data-testid": "export-copy", on: { click: () => this.#copyFile() } });
    this.fileStatus = h("span", { class: "status", role: "status" });
    this.fileText = h("textarea", {
      class: "file-text",
      rows: 6,
      readonly: true,
      hidden: true,
      "aria-label": "text of the file",
    });
    this.fileMessage = h("div");
    return h(
      "section",
      {},
      h("h3", {}, "As a file"),
      h(
        "div",
        { class: "whats", role: "radiogroup", "aria-label": "what", "data-testid": "export-what" },
        ...this.whats,
      ),
      h("div", { class: "run" }, h("label", {}, "as ", this.format), this.save, this.copyFile, this.fileStatus),
      this.fileText,
      this.fileMessage,
    );
  }

  #link() {
    this.url = h("input", { type: "text", readonly: true, class: "url", "data-testid": "share", "aria-label": "link",
      on: { focus: () => this.url.select() } });
    this.linkHint = h("p", { class: "hint" });
    const line = h("div", { class: "run" }, this.url, copier(this.url, () => this.url.value));
    return h("section", {}, h("h3", {}, "As a link"), line, this.linkHint);
  }

  #lines() {
    this.shell = h("div", { "data-testid": "commands-shell" });
    this.python = h("pre", { tabindex: 0, "data-testid": "commands-python", "aria-label": "Python lines" });
    this.lineMessage = h("div");
    return h(
      "section",
      {},
      h("h3", {}, "As command lines"),
      this.lineMessage,
      this.shell,
      h("h3", {}, "As Python"),
      h("div", { class: "code-line" }, this.python, copier(this.python, () => this.python.textContent)),
    );
  }

  /** Show the dialog. */
  open() {
    if (this.element.open) return;
    const usual = this.#app.tab === "derivation" ? "graph" : "order";
    if (!this.#what()) this.#choose(usual);
    fill(this.fileMessage);
    this.fileStatus.textContent = "";
    this.fileText.hidden = true;
    this.element.showModal();
    this.element.querySelector("input[name=what]:checked").focus();
    this.#fresh();
  }

  update(app) {
    this.#app = app;
    if (this.element.open) this.#fresh();
  }

  /** Link and lines for the state as it is now. */
  async #fresh() {
    const { state } = this.#app;
    this.#shareLink(state);
    const reply = await this.#app.request("commands", { state });
    if (state !== this.#app.state) return;
    fill(this.lineMessage, ...(reply.error ? [problem(reply.error)] : []));
    const { shell = [], python = "" } = reply.commands ?? {};
    fill(
      this.shell,
      ...shell.map((line) => {
        const pre = h("pre", { class: "command", tabindex: 0, "aria-label": "command line" }, line);
        return h("div", { class: "code-line" }, pre, copier(pre, () => line));
      }),
    );
    this.python.textContent = python;
  }

  async #shareLink(state) {
    const fragment = await encode(state);
    if (state !== this.#app.state) return;
    const widget = this.#app.connection?.kind === "widget";
    this.url.value = widget ? fragment : `${location.origin}${location.pathname}${location.search}${fragment}`;
    this.linkHint.textContent = widget
      ? "Put it behind the address of a running “flowgraph explore”."
      : "Program, order, mode and place are in the link itself; nothing is stored anywhere. " +
        "It opens wherever “flowgraph explore” runs at this address.";
    if (this.url.value.length > 8000) {
      const length = this.url.value.length.toLocaleString("en");
      this.linkHint.textContent += ` It has ${length} characters, more than some mail programs keep whole.`;
    }
  }

  #what() {
    return this.element.querySelector("input[name=what]:checked")?.value ?? "";
  }

  #choose(what) {
    this.element.querySelector(`input[name=what][value=${what}]`).checked = true;
    this.#formats();
  }

  #formats() {
    const { formats } = EXPORTS[this.#what()];
    fill(this.format, ...formats.map((format) => h("option", { value: format }, FORMATS[format])));
    this.format.value = formats.includes(this.#format) ? this.#format : formats[0];
    this.format.disabled = formats.length === 1;
    this.#buttons();
  }

  #buttons() {
    this.copyFile.hidden = !TEXTS.includes(this.format.value);
    this.fileText.hidden = true;
    this.fileStatus.textContent = "";
    fill(this.fileMessage);
  }

  /** The file that is chosen, or null with a message. */
  async #file() {
    fill(this.fileMessage);
    this.fileStatus.textContent = "drawing …";
    for (const item of [this.save, this.copyFile]) item.disabled = true;
    const told = (message) => {
      const { what, done, total } = progressOf(message);
      this.fileStatus.textContent = total > 1 ? `${what}: ${done} of ${total}` : `${what} …`;
    };
    const fields = { state: this.#app.state, what: this.#what(), format: this.format.value };
    const reply = await this.#app.request("export", fields, told);
    for (const item of [this.save, this.copyFile]) item.disabled = false;
    this.fileStatus.textContent = "";
    if (reply.error) fill(this.fileMessage, problem(reply.error));
    return reply.file ?? null;
  }

  async #download() {
    const file = await this.#file();
    if (!file) return;
    const url = URL.createObjectURL(new Blob([bytesOf(file.base64)], { type: file.media }));
    const link = h("a", { href: url, download: file.name, hidden: true });
    this.element.append(link);
    link.click();
    link.remove();
    // The browser has taken the file once the click is over; some only a moment later.
    window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.fileStatus.textContent = `saved as ${file.name}`;
  }

  async #copyFile() {
    const file = await this.#file();
    if (!file) return;
    const text = new TextDecoder().decode(bytesOf(file.base64));
    this.fileText.value = text;
    this.fileText.hidden = false;
    this.fileStatus.textContent = (await copy(text, this.fileText)) ? "copied" : "selected: press Ctrl+C";
  }
}

/** A button that copies a text and says so. */
function copier(field, read) {
  const node = button("Copy", {
    class: "copy",
    on: { click: async () => {
      const done = await copy(read(), field);
      node.textContent = done ? "Copied ✓" : "Press Ctrl+C";
      window.setTimeout(() => (node.textContent = "Copy"), SAID);
    } },
  });
  return node;
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function inside(event, node) {
  const box = node.getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
}
