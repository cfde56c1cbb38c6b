/** The program as text, with line numbers; a mistake is marked where it is and told below. */

import { debounce, fill, h, icon } from "./dom.js";

const DELAY = 250;
const LEVELS = { error: "Error", warning: "Warning", info: "Note" };

export class Editor {
  #sent = null;
  #refused = null;
  #wrong = null;
  #stepLine = 0;
  #send = debounce(() => this.#edit(), DELAY);

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    this.text = h("textarea", {
      class: "editor-text", "data-testid": "editor", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
      "aria-label": "the program, in the notation of the paper",
      on: {
        input: () => this.#typed(), scroll: () => this.#follow(), blur: () => this.flush(),
      },
    });
    // The same text set the same way under the field: it has the numbers, and knows where lines were broken.
    this.lines = h("div", { class: "editor-lines" });
    this.caret = h("span", { class: "editor-caret" });
    this.mark = h("div", { class: "editor-mark", hidden: true });
    this.step = h("div", { class: "editor-step", hidden: true });
    this.sheet = h("div", { class: "editor-sheet" }, this.step, this.mark, this.lines, this.caret);
    this.messages = h("div", { class: "messages" });
    this.element = h("div", { class: "editor" },
      h("div", { class: "editor-box" },
        h("div", { class: "editor-page" }, h("div", { class: "editor-under", "aria-hidden": "true" }, this.sheet),
          this.text)),
      this.messages);
    new ResizeObserver(() => this.laidOut()).observe(this.text);
  }

  /** The field was shown, or has another size. No observer hears of what happened to it while it was folded away. */
  laidOut() {
    this.#follow();
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
    const lines = this.text.value.split("\n");
    const { children } = this.lines;
    while (children.length > lines.length) this.lines.lastChild.remove();
    const from = children.length;
    this.lines.append(...lines.slice(from).map((_, k) => h("div", { "data-number": from + k + 1 })));
    lines.forEach((line, k) => {
      if (children[k].textContent !== line) children[k].textContent = line;
    });
    this.element.style.setProperty("--digits", String(lines.length).length);
  }

  #follow() {
    // As wide as the field is without its scrollbar, so that lines break at the same places.
    this.sheet.style.width = `${this.text.clientWidth}px`;
    this.sheet.style.transform = `translateY(${-this.text.scrollTop}px)`;
    this.#cover(this.mark, this.#wrong?.line);
    this.#cover(this.step, this.#stepLine);
    this.#point();
  }

  /** Let a mark cover a line, which may take several rows. */
  #cover(mark, number) {
    const line = this.lines.children[number - 1];
    mark.hidden = !line;
    if (!line) return;
    mark.style.top = `${line.offsetTop}px`;
    mark.style.height = `${line.offsetHeight}px`;
  }

  /** The place of the mistake in its line. */
  #point() {
    const line = this.lines.children[this.#wrong?.line - 1];
    this.caret.hidden = !line;
    if (!line) return;
    const text = line.firstChild;
    const at = Math.min((this.#wrong.column ?? 1) - 1, line.textContent.length);
    const sheet = this.sheet.getBoundingClientRect();
    let [x, y] = [line.getBoundingClientRect().left, line.getBoundingClientRect().top];
    if (text) {
      const range = document.createRange();
      range.setStart(text, Math.max(0, Math.min(at, text.length - 1)));
      range.setEnd(text, Math.min(at + 1, text.length));
      const box = range.getBoundingClientRect();
      [x, y] = [at < text.length ? box.left : box.right, box.top];
    }
    this.caret.style.transform = `translate(${x - sheet.left}px, ${y - sheet.top}px)`;
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
    this.#wrong = message ?? null;
  }

  /** The line that the selected step comes from. */
  #markStep() {
    const { state, program } = this.app;
    const step = state.selection?.kind === "step" ? state.selection.index : -1;
    const line = program?.lines[step] ?? 0;
    this.#stepLine = state.shown === null ? line : 0;
    this.#follow();
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
