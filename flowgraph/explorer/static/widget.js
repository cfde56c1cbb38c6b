/**
 * The explorer in a notebook: an anywidget module around the front end that the server's page uses too.
 *
 * The kernel sends the texts of the front end's modules as traits of the model. A notebook has no address from which
 * they could be imported, so each becomes a blob URL, leaf first, with its imports of "./x.js" pointed at that of x.js.
 *
 * Every request is a custom message {id, request}; the kernel answers {id, progress}, any number of times, and then
 * {id, reply}. The trait `state` is what is shown: views write what they show, and follow what another view, or Python,
 * wrote.
 */

/** An import or re-export of a module that stands beside the importing one; front_end.py looks for the same. */
const BESIDE = /^(\s*(?:import|export)\b(?:[^;"']*?\bfrom)?\s*["'])\.\/([\w.-]+)(?=["'])/gm;

/** Milliseconds without a word from the kernel: after `quiet` the user is told, after `lost` the request ends. */
const PATIENCE = { quiet: 3_000, lost: 60_000 };

const BUSY = "waiting for Python: the kernel is busy with another cell, or it has stopped";

const GONE = {
  error: "KernelGone",
  message: "Python does not answer",
  where: "the kernel of this notebook",
  got: `no answer within ${PATIENCE.lost / 1_000} seconds`,
  expected: null,
  remedy: "if a cell is still running, wait for it and try again; else run the cell with fg.explore(...) again",
  line: null,
  column: null,
};

/**
 * The text of a module with its imports of modules beside it pointed elsewhere.
 * @param {string} text
 * @param {Map<string, string>} urls where each module is, by file name
 * @returns {string}
 */
export function redirected(text, urls) {
  return text.replace(BESIDE, (whole, before, name) => {
    if (!urls.has(name)) throw new Error(`${name} is imported before it is loaded`);
    return before + urls.get(name);
  });
}

/**
 * Load modules, each after those it imports, and return the last one.
 * @param {[string, string][]} modules file names and texts
 */
async function loaded(modules) {
  const urls = new Map();
  try {
    for (const [name, text] of modules) {
      const blob = new Blob([redirected(text, urls)], { type: "text/javascript" });
      urls.set(name, URL.createObjectURL(blob));
    }
    return await import([...urls.values()].at(-1));
  } finally {
    // What has been imported stays, so that nothing is left behind even where the notebook never says good-bye.
    for (const url of urls.values()) URL.revokeObjectURL(url);
  }
}

/** Give the page the font of the mathematics, once; without it the system's own is taken. */
function addFont(base64) {
  const family = "fg-math";
  if ([...document.fonts].some((face) => face.family === family)) return;
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  // Elsewhere than at the letters, the font has other signs than Unicode; its letters are slanted already.
  document.fonts.add(new FontFace(family, bytes, { style: "italic", unicodeRange: "U+41-5A, U+61-7A" }));
}

/** Requests over the messages of a model. Every view has its own, and hears the messages to all. */
export class Connection {
  kind = "widget";
  #model;
  #onState;
  #onQuiet;
  #patience;
  #waiting = new Map();
  #prefix = [...crypto.getRandomValues(new Uint32Array(2))].map((part) => part.toString(36)).join("");
  #sent = 0;
  #listener = (message) => this.#heard(message);

  /**
   * @param model the model of the widget
   * @param {{onState: (state: object) => void, onQuiet: (text: string) => void}} hooks are told what is shown, and that
   *   the kernel is quiet
   */
  constructor(model, { onState, onQuiet }, patience = PATIENCE) {
    this.#model = model;
    this.#onState = onState;
    this.#onQuiet = onQuiet;
    this.#patience = patience;
    model.on("msg:custom", this.#listener);
  }

  /**
   * @param {object} request
   * @param {(progress: {what: string, done: number, total: number}) => void} [onProgress]
   * @returns {Promise<object>} the reply; where none comes, one that says so
   */
  request(request, onProgress) {
    const id = `${this.#prefix}:${this.#sent++}`;
    return new Promise((resolve) => {
      this.#waiting.set(id, { seq: request.seq ?? null, resolve, onProgress, timers: [] });
      this.#wait(id);
      try {
        this.#model.send({ id, request });
      } catch (error) {
        this.#end(id, { error: { ...GONE, got: String(error) } });
      }
    });
  }

  /** @param {object} state what the front end shows */
  onState(state) {
    this.#onState(state);
  }

  /** Forget what is under way. */
  close() {
    this.#model.off("msg:custom", this.#listener);
    for (const { timers } of this.#waiting.values()) timers.forEach(clearTimeout);
    this.#waiting.clear();
  }

  #heard(message) {
    const entry = this.#waiting.get(message?.id);
    if (entry === undefined) return;
    if ("reply" in message) {
      this.#end(message.id, message.reply);
    } else {
      this.#wait(message.id);
      entry.onProgress?.(message.progress);
    }
  }

  #wait(id) {
    const { timers } = this.#waiting.get(id);
    timers.splice(0).forEach(clearTimeout);
    timers.push(
      setTimeout(() => this.#onQuiet(BUSY), this.#patience.quiet),
      setTimeout(() => this.#end(id, { error: GONE }), this.#patience.lost),
    );
  }

  #end(id, reply) {
    const { seq, resolve, timers } = this.#waiting.get(id);
    this.#waiting.delete(id);
    timers.forEach(clearTimeout);
    resolve({ ...reply, seq });
  }
}

/** Whether what stands behind an element is dark. Notebooks say it in different ways, but all of them paint it. */
function isDark(element) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  for (let node = element; node; node = node.parentElement ?? node.getRootNode().host) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = getComputedStyle(node).backgroundColor;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    if (alpha > 127) return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep an element's theme as the trait says; "auto" is like the notebook's, which need not be the browser's. */
function followTheme(model, host) {
  const update = () => {
    const theme = model.get("theme");
    host.dataset.theme = theme === "auto" ? (isDark(host.parentElement) ? "dark" : "light") : theme;
  };
  // A theme's style sheet may come after the attribute that names it, and may fade in.
  const soon = () => [0, 300, 1_000].forEach((delay) => setTimeout(update, delay));
  const page = new MutationObserver(soon);
  for (const element of [document.documentElement, document.body]) page.observe(element, { attributes: true });
  model.on("change:theme", update);
  update();
  soon();
  return () => {
    page.disconnect();
    model.off("change:theme", update);
  };
}

/** Keys stay inside: a notebook in command mode would take single letters, arrows and Ctrl+Z for itself. */
function keepKeys(el) {
  // Saving the notebook is the one thing that is wanted from everywhere.
  const isForNotebook = (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  const keep = (event) => {
    if (!isForNotebook(event)) event.stopPropagation();
  };
  for (const type of ["keydown", "keypress", "keyup"]) el.addEventListener(type, keep);
  return () => {
    for (const type of ["keydown", "keypress", "keyup"]) el.removeEventListener(type, keep);
  };
}

/** Keeps what a view shows and the trait `state` the same. */
class Shown {
  #model;
  #app = null;
  #text;
  #follow = () => {
    const state = this.#model.get("state");
    const text = JSON.stringify(state);
    if (text === this.#text || this.#app === null) return;
    this.#text = text;
    this.#app.adopt(state);
  };

  constructor(model) {
    this.#model = model;
    this.#text = JSON.stringify(model.get("state"));
    model.on("change:state", this.#follow);
  }

  /** The view is there; what has come in the meantime is shown. */
  begin(app) {
    this.#app = app;
    this.#follow();
  }

  /** The view shows this state. */
  publish(state) {
    const text = JSON.stringify(state);
    if (text === this.#text) return;
    this.#text = text;
    this.#model.set("state", state);
    this.#model.save_changes();
  }

  close() {
    this.#model.off("change:state", this.#follow);
  }
}

/** The element for the explorer, as high as the trait says. */
function framed(model, el) {
  const host = document.createElement("div");
  host.className = "flowgraph-explorer";
  Object.assign(host.style, {
    display: "block",
    boxSizing: "border-box",
    minHeight: "16rem",
    border: "1px solid color-mix(in srgb, currentcolor 22%, transparent)",
    borderRadius: "4px",
    overflow: "hidden",
    resize: "vertical",
  });
  const update = () => {
    host.style.height = model.get("height");
  };
  model.on("change:height", update);
  update();
  el.append(host);
  const end = () => {
    model.off("change:height", update);
    host.remove();
  };
  return [host, end];
}

async function render({ model, el }) {
  const [host, unframe] = framed(model, el);
  const shown = new Shown(model);
  let app = null;
  const connection = new Connection(model, {
    onState: (state) => shown.publish(state),
    onQuiet: (text) => app?.toast("info", text),
  });
  const ends = [followTheme(model, host), keepKeys(el), () => shown.close(), () => connection.close(), unframe];
  try {
    addFont(model.get("font"));
    const { mount } = await loaded(model.get("modules"));
    const state = model.get("state");
    // Without a program the explorer begins with an example, as the page does.
    app = mount(host, connection, { css: model.get("css"), state: state.text === "" ? undefined : state });
    shown.begin(app);
    ends.unshift(() => app.destroy());
  } catch (error) {
    host.textContent = `The explorer could not be shown: ${error}`;
    host.style.height = "auto";
    throw error;
  }
  return () => ends.forEach((end) => end());
}

export default { render };
