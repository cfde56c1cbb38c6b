/** The line at the top: programs, files, undo and redo, tabs, and what opens over the page. */

import { fill, h, icon, set } from "./dom.js";

const TABS = [["order", "Order"], ["derivation", "Derivation"], ["check", "Check"]];
const THEMES = ["auto", "light", "dark"];
const OPEN = "open a .fg file (or drop one on the page)";

export class Header {
  #programs = null;
  #tabs = new Map();

  /** @param {import("./explorer.js").App} app */
  constructor(app) {
    this.app = app;
    this.name = h("span", { class: "program-name" });
    this.menuButton = h("button", {
      type: "button", class: "button program-button", "data-testid": "program-menu", "aria-haspopup": "dialog",
      "aria-expanded": "false", on: { click: () => this.toggleMenu() },
    }, this.name, icon("down"));
    this.search = h("input", {
      type: "search", class: "menu-search", placeholder: "find a program", "aria-label": "find a program",
      on: { input: () => this.#list() },
    });
    this.list = h("div", { class: "menu-list", role: "list" });
    this.menu = h("div", { class: "menu", role: "dialog", "aria-label": "programs", hidden: true,
      on: { keydown: (event) => this.#menuKey(event) } }, this.search, this.list);
    this.file = h("input", {
      type: "file", accept: ".fg,.txt,text/plain", class: "file", "data-testid": "open-file",
      "aria-label": "open a .fg file", title: OPEN, on: { change: () => this.#file() },
    });
    this.undo = this.#button("undo", "undo", () => app.undo());
    this.redo = this.#button("redo", "redo", () => app.redo());
    this.theme = this.#button("theme", "auto", () => this.#nextTheme());
    const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "views",
      on: { keydown: (event) => this.#tabKey(event) } }, ...TABS.map(([name, title]) => this.#tab(name, title)));
    const home = h("button", {
      type: "button", class: "button", "data-testid": "take-home", title: "take home: figures, data, command lines (s)",
      on: { click: () => app.takeHome() },
    }, icon("home"), h("span", { class: "wide-only", text: "Take home" }));
    set(home, "aria-label", "take home");
    const help = h("button", { type: "button", class: "button square", "data-testid": "help", "aria-label": "help",
      title: "help (?)", text: "?", on: { click: () => app.help() } });
    this.theme.hidden = app.connection.kind === "widget";
    this.progress = h("div", { class: "progress", "aria-hidden": "true" });
    this.work = h("span", { class: "work quiet" });
    this.element = h("header", { class: "header" },
      // In a notebook the headings of the notebook are above this one.
      h(app.connection.kind === "server" ? "h1" : "p", { class: "brand", text: "flowgraph" }),
      h("div", { class: "menu-place" }, this.menuButton, this.menu),
      h("label", { class: "button square open-file", title: OPEN }, icon("open"), this.file),
      h("div", { class: "pair" }, this.undo, this.redo), tabs,
      this.work, h("div", { class: "tools" }, home, this.theme, help), this.progress);
  }

  #button(name, image, click) {
    const props = { type: "button", class: "button square", "data-testid": name, "aria-label": name, on: { click } };
    return h("button", props, icon(image));
  }

  #tab(name, title) {
    const tab = h("button", {
      type: "button", role: "tab", id: `tab-${name}`, class: "tab", "data-testid": `tab-${name}`,
      "aria-controls": `panel-${name}`, text: title, on: { click: (event) => this.#choose(name, event) },
    });
    this.#tabs.set(name, tab);
    return tab;
  }

  /** After a click the arrows are for what is shown, not for the tabs; a keyboard stays where it is. */
  #choose(name, event) {
    this.app.showTab(name);
    if (event.detail > 0) this.app.tabPanels[name].focus({ preventScroll: true });
  }

  update() {
    const { state, view } = this.app;
    this.name.textContent = state.name || "untitled";
    this.menuButton.title = state.source ? `from ${state.source}` : "programs and examples";
    for (const [name, tab] of this.#tabs) {
      const chosen = this.app.tab === name;
      set(tab, "aria-selected", String(chosen));
      set(tab, "tabindex", chosen ? 0 : -1);
    }
    const { undo, redo } = view?.history ?? {};
    this.#history(this.undo, "undo", "Ctrl+Z", undo);
    this.#history(this.redo, "redo", "Ctrl+Shift+Z", redo);
  }

  #history(button, name, keys, label) {
    // A disabled button would lose the focus that a keyboard has on it.
    set(button, "aria-disabled", label ? "false" : "true");
    button.title = label ? `${name}: ${label} (${keys})` : `nothing to ${name}`;
    set(button, "aria-label", label ? `${name} ${label}` : name);
  }

  /** Show how far long work is; nothing is said of what is over at once. */
  working(what, done, total) {
    this.progress.style.transform = total ? `scaleX(${done / total})` : "";
    // How far a sample of orders is, its panel tells.
    const told = what === "orders" ? "" : what;
    this.work.textContent = told && total > 1 ? `${told}: ${done} of ${total}` : told;
  }

  /** Say which theme is on. */
  showTheme(theme) {
    fill(this.theme, icon(theme));
    this.theme.title = `theme: ${theme}`;
    set(this.theme, "aria-label", `theme: ${theme}`);
  }

  #nextTheme() {
    const next = THEMES[(THEMES.indexOf(this.app.theme) + 1) % THEMES.length];
    this.app.setTheme(next);
    this.app.announce(`theme: ${next}`);
  }

  #tabKey(event) {
    const delta = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!delta) return;
    event.preventDefault();
    event.stopPropagation();
    const names = TABS.map(([name]) => name);
    const next = names[(names.indexOf(this.app.tab) + delta + names.length) % names.length];
    this.app.showTab(next);
    this.#tabs.get(next).focus();
  }

  // -- programs -----------------------------------------------------------------------------------------------------

  /** @param {Object[]} programs as replied to the kind "programs" */
  setPrograms(programs) {
    this.#programs = programs;
    this.#list();
  }

  toggleMenu(open = this.menu.hidden) {
    this.menu.hidden = !open;
    set(this.menuButton, "aria-expanded", String(open));
    if (!open) return;
    this.search.value = "";
    this.#list();
    this.search.focus();
  }

  /** Close the menu where the focus or the pointer went elsewhere. */
  closeMenuUnless(inside) {
    const stays = inside.some((node) => node === this.menu || node === this.menuButton);
    if (!this.menu.hidden && !stays) this.toggleMenu(false);
  }

  #list() {
    if (!this.#programs) {
      fill(this.list, h("p", { class: "quiet menu-none", text: "the list is on its way …" }));
      return;
    }
    const wanted = this.search.value.trim().toLowerCase();
    const found = this.#programs.filter(({ name, summary }) => `${name} ${summary}`.toLowerCase().includes(wanted));
    const groups = [
      ["Opened", found.filter((each) => each.opened)], ["Examples", found.filter((each) => !each.opened)],
    ];
    fill(this.list, ...groups.filter(([, list]) => list.length).flatMap(([title, list]) => [
      h("p", { class: "menu-title", text: title }), ...list.map((program) => this.#item(program)),
    ]), found.length ? null : h("p", { class: "quiet menu-none", text: "no program of that name" }));
  }

  #item(program) {
    return h("button", {
      type: "button", class: "menu-item", "data-testid": "program", "data-name": program.name,
      on: {
        click: () => {
          this.toggleMenu(false);
          this.menuButton.focus();
          this.app.open(program);
        },
      },
    }, h("b", { text: program.name }), h("span", { class: "quiet", text: program.summary || program.source || "" }));
  }

  #menuKey(event) {
    const items = [...this.list.querySelectorAll(".menu-item")];
    const at = items.indexOf(this.menu.getRootNode().activeElement);
    const delta = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      this.toggleMenu(false);
      this.menuButton.focus();
    } else if (delta) {
      (at + delta < 0 ? this.search : items[Math.min(items.length - 1, at + delta)])?.focus();
    } else if (event.key === "Enter" && at < 0) {
      items[0]?.click();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  async #file() {
    const [file] = this.file.files;
    if (file) await this.app.openFile(file);
    // The same file again is a change again.
    this.file.value = "";
  }
}
