/** The explorer: state and view, who draws them, and what keys and buttons do. Python decides everything else. */

import { Address } from "./address.js";
import { CheckView } from "./check_view.js";
import { DerivationView } from "./derivation_view.js";
import { count, debounce, h, icon, isTextField, plural, set } from "./dom.js";
import { Editor } from "./editor.js";
import { Header } from "./header.js";
import { Help } from "./help.js";
import { OrderView } from "./order_view.js";
import { Panels } from "./panels.js";
import { Requests } from "./requests.js";
import { TakeHome } from "./take_home.js";

const TABS = ["order", "derivation", "check"];
const NARROW = 760;
/** From here on there is room for the text beside a derivation. */
const ROOMY = 1500;
const LARGEST_FILE = 200_000;
const TOAST = 6000;
const LEVELS = { error: "Error", warning: "Not possible", info: "Note" };

/** A state with no program in it: Python fills in what is missing. */
const NEW = {
  v: 1, text: "", name: "", source: null, shown: null, order: null, mode: "forward-inverse", position: 0, tab: "order",
  hide: true, selection: null, saved: [], past: [], future: [],
};

/**
 * @typedef {Object} Connection
 * @property {function(Object, function({what: string, done: number, total: number}): void): Promise<Object>} request
 * @property {"server"|"widget"} kind a page of its own has an address; in a notebook the notebook sets the theme
 * @property {function(Object): void} [onState] is told every state that is shown
 * @property {function(string[]): void} [onOrder] is told every other order, as names
 */

/**
 * Put the explorer into an element.
 * @param {HTMLElement} host
 * @param {Connection} connection
 * @param {{css: string, theme: ("auto"|"light"|"dark"|undefined), state: (Object|undefined)}} options
 * @returns {App}
 */
export function mount(host, connection, options) {
  const app = new App(host, connection, options);
  app.start();
  return app;
}

export class App {
  #requests;
  #views;
  #narrow = null;
  #roomy = true;
  #fold = null;
  #folds = new Map();
  #left = new AbortController();
  #late = null;

  constructor(host, connection, options) {
    this.host = host;
    this.connection = connection;
    this.options = options;
    /** What Python said last. @type {Object} */
    this.state = options.state ?? NEW;
    /** What is drawn: the view of the state, or of a preview. @type {?Object} */
    this.view = null;
    /** The view of the state. @type {?Object} */
    this.kept = null;
    /** The program that is drawn. @type {?Object} */
    this.program = null;
    this.previewing = false;
    /** Edits that are under way. */
    this.editing = 0;
    this.tab = this.state.tab;
    this.theme = "auto";
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#requests = new Requests(connection, {
      state: () => this.state, have: () => this.program?.key ?? null,
      accept: (reply, action) => this.#accept(reply, action),
      fail: (error, action) => this.#fail(error, action), busy: (running) => this.#busy(running),
      progress: (progress) => this.#progress(progress),
    });
    this.#build();
  }

  /** Whether moves are shown as moves. */
  get motion() {
    return !this.calm.matches;
  }

  // -- the page -----------------------------------------------------------------------------------------------------

  #build() {
    const root = this.host.shadowRoot ?? this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(this.options.css);
    root.adoptedStyleSheets = [sheet];
    this.header = new Header(this);
    this.editor = new Editor(this);
    this.order = new OrderView(this);
    this.panels = new Panels(this);
    this.derivation = new DerivationView(this);
    this.check = new CheckView(this);
    this.helpDialog = new Help(this);
    this.takeHomeDialog = new TakeHome(this);
    this.#views = [
      this.header, this.editor, this.order, this.panels, this.derivation, this.check, this.takeHomeDialog,
    ];
    this.live = h("div", { class: "sr-only", "data-testid": "live", "aria-live": "polite", role: "status" });
    this.toasts = h("div", { class: "toasts" });
    this.editorPane = h("details", { class: "editor-pane", open: true, on: { toggle: () => this.editor.laidOut() } },
      h("summary", {}, h("h2", { text: "Program" })), this.editor.element);
    this.tabPanels = {
      order: this.#panel("order", this.order.element, this.panels.element),
      derivation: this.#panel("derivation", this.derivation.element),
      check: this.#panel("check", this.check.element),
    };
    this.element = h("div", { class: "root", "data-ready": "false", "data-busy": "false", "data-seq": "0" },
      this.header.element,
      h("main", { class: "main" }, this.editorPane, ...Object.values(this.tabPanels)),
      this.helpDialog.element, this.takeHomeDialog.element, this.toasts, this.live,
      h("div", { class: "drop", "aria-hidden": "true" }, h("p", { text: "Drop a .fg file to open it" })));
    root.replaceChildren(this.element);
    this.host.dataset.kind = this.connection.kind;
    if (this.connection.kind === "server") {
      this.setTheme(this.options.theme ?? "auto");
      this.address = new Address((state) => this.adopt(state), (error) => this.toast("error", sentence(error), true),
        this.#left.signal);
    }
    this.#listen(root);
  }

  #panel(name, ...content) {
    const id = `panel-${name}`;
    const label = `tab-${name}`;
    return h("div", { class: `panel ${id}`, id, role: "tabpanel", tabindex: -1, "aria-labelledby": label }, ...content);
  }

  #listen(root) {
    const { signal } = this.#left;
    root.addEventListener("keydown", (event) => this.#key(event), { signal });
    root.addEventListener("pointerdown", (event) => this.header.closeMenuUnless(event.composedPath()), { signal });
    // Keys that no element has reach the page only; there, the explorer is all there is.
    if (this.connection.kind === "server") {
      document.addEventListener("keydown", (event) => {
        if (event.target === document.body) this.#key(event);
      }, { signal });
    }
    for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
      root.addEventListener(name, (event) => this.#fileDrag(event, over), { signal });
    }
    this.observer = new ResizeObserver(() => this.#resized());
    this.observer.observe(this.element);
  }

  /** Take the explorer out of its element. */
  destroy() {
    this.#left.abort();
    this.observer.disconnect();
    this.element.remove();
  }

  #resized() {
    const { clientWidth } = this.element;
    const narrow = clientWidth < NARROW;
    this.#roomy = clientWidth >= ROOMY;
    if (narrow === this.#narrow) {
      this.#foldEditor();
      return;
    }
    this.#narrow = narrow;
    // What is beside the drawing when there is room is folded under it when there is none.
    this.#foldEditor();
    for (const [name, section] of Object.entries(this.panels.sections)) {
      section.open = !narrow || ["costs", "orders", "certificate"].includes(name);
    }
  }

  /** The text makes room for the two graphs of a derivation, unless somebody opened it there. */
  #foldEditor() {
    if (this.#narrow === null) return;
    const open = !this.#narrow && (this.tab !== "derivation" || this.#roomy);
    const fold = `${this.#narrow} ${this.tab === "derivation"} ${open}`;
    if (fold === this.#fold) return;
    if (this.#fold !== null) this.#folds.set(this.#fold, this.editorPane.open);
    this.#fold = fold;
    this.editorPane.open = this.#folds.get(fold) ?? open;
  }

  /** Whether what is beside the drawing stands below it. */
  get narrow() {
    return this.#narrow === true;
  }

  /** Ask for the first view. */
  async start() {
    const programs = this.request("programs", {});
    const given = this.options.state ?? (await this.address?.read());
    if (given) this.adopt(given);
    const reply = await programs;
    this.header.setPrograms(reply.programs ?? []);
    if (reply.error) this.toast("error", sentence(reply.error));
    else if (!given && reply.programs.length) this.open(first(reply.programs));
  }

  /** Show a state that comes from elsewhere: a link, or Python. */
  adopt(state) {
    return this.#requests.act(null, state);
  }

  // -- requests -----------------------------------------------------------------------------------------------------

  /**
   * Do something to the state.
   * @param {?Object} action
   * @returns {Promise<Object>} the reply
   */
  act(action) {
    const edit = action?.do === "edit";
    if (edit) this.editing++;
    else this.editor.flush();
    return this.#requests.act(action).finally(() => {
      if (edit) this.editing--;
    });
  }

  /**
   * Show what an action would lead to, without doing it.
   * @returns {Promise<?Object>} the reply, to be given to `keep`; null where something newer took its place
   */
  async preview(action) {
    const reply = await this.#requests.preview(action);
    if (reply) this.#show(reply, true);
    return reply;
  }

  /** Make what a preview showed the state. */
  keep(reply, action) {
    if (this.#requests.isNewest(reply) && !this.#requests.acting) this.#requests.keep(reply, action);
    else this.act(action);
  }

  /** Show the state again. */
  cancelPreview() {
    this.#requests.cancelPreview();
    if (!this.previewing) return;
    this.previewing = false;
    this.view = this.kept;
    this.render();
  }

  /**
   * Ask anything but a step, about the state at hand.
   * @param {string} kind
   * @param {Object} [fields]
   * @param {function(Object): void} [onProgress]
   * @returns {Promise<Object>} the reply, which may hold `error`; it never throws
   */
  request(kind, fields = {}, onProgress) {
    return this.#requests.ask(kind, { state: this.state, ...fields }, onProgress);
  }

  #accept(reply, action) {
    this.state = reply.state;
    // Where more is under way, the tab may have been changed since.
    if (!this.#requests.acting) this.tab = this.state.tab;
    this.#show(reply, false);
    this.#tell(reply.view, action);
    this.address?.write(this.state);
    this.connection.onState?.(this.state);
    this.#handOver();
  }

  #show(reply, previewing) {
    const { view } = reply;
    if (view.program) this.program = view.program;
    if (view.key === null) this.program = null;
    this.view = view;
    if (!previewing) this.kept = view;
    this.previewing = previewing;
    this.seq = reply.seq;
    this.render();
  }

  /** Bring everything that is seen up to date. */
  render() {
    for (const [name, panel] of Object.entries(this.tabPanels)) panel.hidden = name !== this.tab;
    this.#foldEditor();
    for (const view of this.#views) view.update(this);
    set(this.element, "data-ready", "true");
    set(this.element, "data-seq", this.seq);
  }

  #handOver() {
    const { order } = this.kept;
    if (!this.connection.onOrder || !order || !this.program) return;
    const names = order.steps.map((step) => this.program.names[this.program.n + step]);
    if (names.join() === this.handedOver) return;
    this.handedOver = names.join();
    this.connection.onOrder(names);
  }

  #fail(error, action) {
    if (action?.do === "edit") this.editor.refused(error);
    this.toast("error", sentence(error));
    this.view = this.kept;
    this.previewing = false;
    this.render();
  }

  #tell(view, action) {
    const told = view.messages.filter((message) => message.action !== null && message.action !== "edit");
    for (const message of told) this.toast(message.level, sentence(message));
    const refused = told.find((message) => message.steps);
    if (refused && (action?.do === "move" || action?.do === "shift")) this.#pointOut(action, view);
    if (told.length === 0 && action && view.order) this.#announceOrder(action, view);
  }

  #pointOut(action, view) {
    const at = view.order.steps.indexOf(action.step) + 1;
    this.order.flashBlocker(action.step, action.do === "move" ? action.to + 1 : at + action.by);
  }

  #announceOrder(action, view) {
    const { costs, order } = view;
    const moved = { move: action.step, shift: action.step }[action.do];
    if (["select", "tab", "go", "mode", "hide", "save", "forget"].includes(action.do)) return;
    const words = [];
    if (moved !== undefined) {
      words.push(`${this.program.names[this.program.n + moved]} is in row ${order.steps.indexOf(moved) + 1}`);
    }
    if (costs) words.push(plural(costs.lumps, "lump"));
    if (costs && costs.this !== null) words.push(`${count(costs.this)} operations`);
    this.announce(words.join(", "));
  }

  #busy(running) {
    set(this.element, "data-busy", String(running > 0));
    clearTimeout(this.#late);
    // Most answers are there before anything could be read.
    if (running > 0) this.#late = setTimeout(() => this.element.classList.add("waiting"), 250);
    else {
      this.element.classList.remove("waiting");
      this.header.working("", 0, 0);
    }
  }

  #progress({ what, done, total }) {
    this.header.working(what, done, total);
  }

  // -- what people do -----------------------------------------------------------------------------------------------

  /** Open a program: {name, source, text}. Undo brings back the one before. */
  open({ name, source, text }) {
    this.editor.flush();
    return this.act({ do: "open", text, name, source: source ?? null });
  }

  /** Open a file that was chosen or dropped. */
  async openFile(file) {
    if (file.size > 4 * LARGEST_FILE) {
      const most = `programs have at most ${count(LARGEST_FILE)} characters`;
      this.toast("error", `${file.name} is too large: ${count(file.size)} bytes, and ${most}`);
      return;
    }
    const text = await file.text();
    if (text.includes("\0")) {
      this.toast("error", `${file.name} is no text: open a program in the notation of the paper, a .fg file`);
      return;
    }
    await this.open({ name: file.name, source: null, text });
    this.announce(`opened ${file.name}`);
  }

  undo() {
    return this.#step("undo");
  }

  redo() {
    return this.#step("redo");
  }

  #step(name) {
    this.editor.flush();
    if (!this.kept?.history[name] && !this.#requests.acting) {
      this.announce(`nothing to ${name}`);
      return Promise.resolve(null);
    }
    return this.act({ do: name });
  }

  /** Bring a tab to the front; Python hears of it so that it is part of what can be shared. */
  showTab(name) {
    if (this.tab === name) return;
    this.tab = name;
    if (this.view) this.render();
    this.act({ do: "tab", tab: name });
  }

  takeHome() {
    open(this.takeHomeDialog);
  }

  help() {
    open(this.helpDialog);
  }

  /** @param {"auto"|"light"|"dark"} theme */
  setTheme(theme) {
    this.theme = theme;
    set(this.host, "data-theme", theme);
    this.header.showTheme(theme);
  }

  /** Say something to screen readers. */
  announce(text) {
    // The same words again are news too.
    this.live.textContent = this.live.textContent === text ? `${text}\u00a0` : text;
  }

  /**
   * Show a message for a while, and say it.
   * @param {"error"|"warning"|"info"} level
   * @param {string} text
   * @param {boolean} [stay] until it is closed
   */
  toast(level, text, stay = false) {
    const close = () => note.remove();
    for (const old of this.toasts.children) if (old.dataset.text === text) old.remove();
    const note = h("div", { class: `toast ${level}`, "data-testid": "toast", "data-text": text },
      h("span", { class: "toast-level", text: LEVELS[level] }), h("span", { class: "toast-text", text }),
      h("button", { type: "button", class: "button square bare", "aria-label": "close", on: { click: close } },
        icon("close")));
    while (this.toasts.children.length > 2) this.toasts.firstChild.remove();
    this.toasts.append(note);
    this.announce(text);
    const leave = debounce(() => (note.matches(":hover, :focus-within") ? leave() : close()), TOAST);
    if (!stay) leave();
  }

  // -- keys and files -----------------------------------------------------------------------------------------------

  #key(event) {
    if (event.defaultPrevented || event.isComposing || this.element.querySelector("dialog[open]")) return;
    if (this.#keyOf(event)) event.preventDefault();
  }

  #keyOf(event) {
    const target = event.composedPath()[0];
    const inText = isTextField(target);
    const command = event.ctrlKey || event.metaKey;
    if (command && !event.altKey && event.key.toLowerCase() === "z" && !inText) {
      if (event.shiftKey) this.redo();
      else this.undo();
      return true;
    }
    if (inText) return false;
    const views = { order: [this.order, this.panels], derivation: [this.derivation], check: [this.check] }[this.tab];
    if (views.some((view) => view.keydown?.(event))) return true;
    if (command || event.altKey) return false;
    const tab = TABS[Number(event.key) - 1];
    if (tab) this.showTab(tab);
    else if (event.key === "s") this.takeHome();
    else if (event.key === "?") this.help();
    else if (event.key === "Escape" && this.toasts.lastChild) this.toasts.lastChild.remove();
    else return false;
    return true;
  }

  #fileDrag(event, over) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (event.type === "dragleave" && this.element.contains(event.relatedTarget)) return;
    this.element.classList.toggle("dropping", over);
    if (event.type === "drop" && event.dataTransfer.files[0]) this.openFile(event.dataTransfer.files[0]);
  }
}

function open(dialog) {
  if (dialog.open) dialog.open();
  else if (!dialog.element.open) dialog.element.showModal();
}

/** What went wrong and what to do, on one line. */
function sentence({ message, text, remedy }) {
  return [message ?? text, remedy].filter(Boolean).join(": ");
}

/** What to begin with: what Python was started with, or the example that shows at a glance what orders do. */
function first(programs) {
  const telling = programs.find((each) => each.name.startsWith("two_orders"));
  return programs.find((each) => each.opened) ?? telling ?? programs[0];
}
