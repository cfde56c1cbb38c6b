/** The program as text, with line numbers; a mistake is marked where it is and told below. */

import { debounce, fill, h, icon } from "./dom.js";

const DELAY = 250;
const TAB = 4;
const LEVELS = { error: "Error", warning: "Warning", info: "Note" };

export class Editor {
  #sent = null;
  #refused = null;
  #numbered = 0;
  #send = debounce(() => this.#edit(), DELAY);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    this.text = h("textarea", {
      class: "editor-text", "data-testid": "editor", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
      wrap: "off", "aria-label": "the program, in the notation of the paper",
      on: {
        input: () => this.#typed(), scroll: () => this.#follow(), blur: () => this.flush(),
      },
    });
    this.numbers = h("pre", { class: "editor-numbers", "aria-hidden": "true" });
    this.mark = h("div", { class: "editor-mark", hidden: true, "aria-hidden": "true" },
      h("span", { class: "editor-caret" }));
    this.step = h("div", { class: "editor-step", hidden: true, "aria-hidden": "true" });
    this.messages = h("div", { class: "messages" });
    this.element = h("div", { class: "editor" },
      h("div", { class: "editor-box" }, this.numbers,
        h("div", { class: "editor-page" }, h("div", { class: "editor-marks" }, this.step, this.mark), this.text)),
      this.messages);
  }

  /** Send what was typed now, where it waits. */
  flush() {
    this.#send.cancel();
    if (this.#sent !== null) this.#edit();
  }

  /** An edit was not even looked at, so the state has another text: what is typed stays, and is sent with a change. */
  refused(error) {
    const message = { level: "error", text: error.message, ...error, action: "edit" };
    this.#refused = { text: this.text.value, message };
    this.#sent = this.app.state.text;
  }

  #typed() {
    this.#number();
    this.#follow();
    this.#send();
  }

  #edit() {
    const text = this.text.value;
    if (text === this.#sent || text === this.#refused?.text) return;
    this.#sent = text;
    this.#refused = null;
    this.app.act({ do: "edit", text });
  }

  update() {
    const { state, view } = this.app;
    const typing = this.#sent !== null && this.text.value !== this.#sent;
    // What a person types is never overwritten: the state takes it over when they stop.
    if (!typing && !this.app.editing && (state.text !== this.text.value || this.#sent === null)) {
      const caret = Math.min(this.text.selectionStart, state.text.length);
      this.text.value = state.text;
      this.text.setSelectionRange(caret, caret);
      this.#sent = state.text;
      this.#number();
    }
    this.#show([...(this.#refused ? [this.#refused.message] : []), ...(view?.messages ?? [])]);
  }

  #number() {
    const lines = this.text.value.split("\n").length;
    if (lines === this.#numbered) return;
    this.#numbered = lines;
    this.numbers.textContent = Array.from({ length: lines }, (_, k) => k + 1).join("\n");
  }

  #follow() {
    const { scrollTop, scrollLeft } = this.text;
    this.numbers.style.transform = `translateY(${-scrollTop}px)`;
    for (const mark of [this.mark, this.step]) {
      mark.style.setProperty("--scroll-top", `${-scrollTop}px`);
      mark.style.setProperty("--scroll-left", `${-scrollLeft}px`);
    }
  }

  #show(messages) {
    const shown = messages.filter((message) => message.action === null || message.action === "edit");
    const placed = shown.find((message) => message.line !== null);
    this.#place(placed);
    this.#markStep();
    this.text.setAttribute("aria-invalid", String(Boolean(placed)));
    fill(this.messages, ...shown.map((message) => this.#message(message)));
  }

  #place(message) {
    this.mark.hidden = !message;
    if (!message) return;
    const line = this.text.value.split("\n")[message.line - 1] ?? "";
    this.mark.style.setProperty("--line", message.line - 1);
    this.mark.style.setProperty("--column", columns(line, (message.column ?? 1) - 1));
    this.#follow();
  }

  /** The line that the selected step comes from. */
  #markStep() {
    const { state, program } = this.app;
    const step = state.selection?.kind === "step" ? state.selection.index : -1;
    const line = program?.lines[step] ?? 0;
    this.step.hidden = line === 0 || state.shown !== null;
    this.step.style.setProperty("--line", line - 1);
  }

  #message(message) {
    const rows = [["where", message.line === null ? message.where : null], ["got", message.got],
      ["expected", message.expected]].filter(([, text]) => text);
    const { level } = message;
    const role = level === "error" ? "alert" : "status";
    return h("div", { class: `message ${level}`, "data-testid": "message", role },
      h("p", { class: "message-text" },
        h("span", { class: "message-level", text: LEVELS[level] }), " ",
        message.line === null ? null : h("button", {
          type: "button", class: "message-place", title: "go there in the text",
          text: `line ${message.line}${message.column ? `, column ${message.column}` : ""}`,
          on: { click: () => this.goTo(message.line, message.column ?? 1) },
        }), " ", message.text),
      rows.length ? h("dl", {}, ...rows.flatMap(([name, text]) => [h("dt", { text: name }), h("dd", { text })])) : null,
      message.remedy ? h("p", { class: "remedy" }, icon("save"), h("span", { text: message.remedy })) : null);
  }

  /** Put the caret at a place of the text. */
  goTo(line, column) {
    const lines = this.text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    const at = start + Math.min(column - 1, lines[line - 1]?.length ?? 0);
    this.text.focus();
    this.text.setSelectionRange(at, at);
  }
}

/** How many columns of a line come before a character, tabs counted as they are shown. */
function columns(line, index) {
  let at = 0;
  for (const character of line.slice(0, index)) at = character === "\t" ? (Math.floor(at / TAB) + 1) * TAB : at + 1;
  return at;
}
