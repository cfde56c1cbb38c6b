// The page of the server: connects the explorer with POST /evaluate, and says so where the server is lost.

const STYLES = ["explorer.css", "views.css"];
// Where matplotlib's fonts have the characters of Unicode; elsewhere in them stand other signs.
const FONTS = [
  ["fg-math", "/fonts/cmmi10.ttf", "U+41-5A, U+61-7A"],
  ["fg-math-roman", "/fonts/cmr10.ttf", "U+28-29, U+2B-2C, U+2E-3B, U+3D, U+41-5B, U+5D, U+61-7A"],
];
const RETRY_MILLISECONDS = 1500;
const MOST_ATTEMPTS = 3;

/** The server went away before it answered. */
class Lost extends Error {}

/** A bar at the foot of the page that says that the server is lost, and tries again. */
class Banner {
  constructor() {
    this.waiting = null;
    this.element = document.createElement("div");
    this.element.id = "lost";
    this.element.setAttribute("role", "alert");
    this.element.hidden = true;
    Object.assign(this.element.style, {
      position: "fixed", inset: "auto 0 0 0", zIndex: "1000", padding: "0.6rem 1rem", boxSizing: "border-box",
      background: "#8a1c1c", color: "#ffffff", font: "1rem/1.4 system-ui, sans-serif",
    });
    const words = document.createElement("span");
    words.textContent = "The flowgraph server does not answer. Your work is kept on this page. "
      + `Start the server again: flowgraph explore --port ${location.port} --no-browser `;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.addEventListener("click", () => this.wake?.());
    this.element.append(words, button);
    document.body.prepend(this.element);
  }

  /** Resolves when the server answers again. All requests that were lost wait for the same thing. */
  untilBack() {
    this.waiting ??= this.#wait().finally(() => {
      this.waiting = null;
      this.element.hidden = true;
    });
    return this.waiting;
  }

  async #wait() {
    while (!(await isThere())) {
      this.element.hidden = false;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, RETRY_MILLISECONDS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

async function isThere() {
  try {
    return (await fetch("/", { method: "HEAD", cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function errorReply(seq, name, message, remedy) {
  const none = { where: null, got: null, expected: null, line: null, column: null };
  return { seq, error: { error: name, message, remedy, ...none } };
}

/** The objects of an answer in NDJSON, one after the other. */
async function* objects(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      yield JSON.parse(line);
    }
  }
}

/** Sends one request. Throws Lost where the answer breaks off, and TypeError where there is no server. */
async function ask(request, onProgress, signal) {
  const response = await fetch("/evaluate", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    cache: "no-store",
    signal,
  });
  if (!response.ok) {
    return errorReply(request.seq ?? null, `HTTP ${response.status}`, (await response.text()).trim(), null);
  }
  for await (const object of objects(response.body)) {
    if (!object.progress) {
      return object;
    }
    onProgress?.(object.progress);
  }
  throw new Lost();
}

/** The connection of `mount`: {request, kind}. */
class Connection {
  constructor(banner) {
    this.kind = "server";
    this.banner = banner;
  }

  /**
   * Asks the server, and asks again when it was lost and is back: it keeps nothing, so nothing is done twice.
   * @param {object} request one request of the protocol
   * @param {(progress: {what: string, done: number, total: number}) => void} [onProgress]
   * @param {AbortSignal} [signal] drops the request, and rejects with an AbortError
   * @returns {Promise<object>} the reply, which may be an error
   */
  async request(request, onProgress, signal) {
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      try {
        const reply = await ask(request, onProgress, signal);
        if (reply.error?.error !== "Stopping") {
          return reply;
        }
      } catch (error) {
        if (!(error instanceof Lost || error instanceof TypeError)) {
          throw error;
        }
      }
      await this.banner.untilBack();
    }
    return errorReply(request.seq ?? null, "ServerLost", "the server ended while it worked on this",
      "undo the last change; the terminal of the server may say more");
  }
}

async function styles() {
  const texts = await Promise.all(STYLES.map(async (name) => {
    const response = await fetch(`/static/${name}`);
    if (!response.ok) {
      throw new Error(`${name} cannot be loaded (${response.status})`);
    }
    return response.text();
  }));
  return texts.join("\n");
}

/** Load the fonts of the mathematics; without them it is set in the system's own. */
async function fonts() {
  const loads = FONTS.map(([name, address, unicodeRange]) =>
    new FontFace(name, `url(${address})`, { unicodeRange, display: "swap" }).load());
  // One after the other, whichever came first.
  for (const { value } of await Promise.allSettled(loads)) if (value) document.fonts.add(value);
}

async function main() {
  const status = document.getElementById("status");
  try {
    const [{ mount }, css] = await Promise.all([import("./explorer.js"), styles(), fonts()]);
    document.body.style.margin = "0";
    await mount(document.getElementById("explorer"), new Connection(new Banner()), { css });
    status.remove();
  } catch (error) {
    status.setAttribute("role", "alert");
    status.textContent = `The explorer cannot start: ${error.message}. Reload the page; if this stays, install flowgraph anew.`;
    throw error;
  }
}

main();
