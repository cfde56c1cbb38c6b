/** Small helpers for elements, names and numbers. Text only ever becomes a text node, so data cannot become markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Attributes that are read as what they are: `on` holds listeners, `style` properties, `text` the content. */
function assign(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "style") for (const [key, entry] of Object.entries(value)) element.style.setProperty(key, entry);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * An HTML element.
 * @param {string} tag
 * @param {Object} [props] attributes; `text`, `on: {click}` and `style: {"--x": "1"}` are special
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  return assign(document.createElement(tag), props, children);
}

/**
 * An SVG element; otherwise as `h`.
 * @returns {SVGElement}
 */
export function s(tag, props = {}, ...children) {
  return assign(document.createElementNS(SVG, tag), props, children);
}

/** Set an attribute only where it differs: writes cost layout, reads of strings do not. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Put exactly these children into an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Paths on a 16 × 16 grid, drawn with a stroke. */
const ICONS = {
  undo: "M6 3 2.5 6.5 6 10M2.5 6.5H10a3.5 3.5 0 0 1 0 7H7",
  redo: "M10 3l3.5 3.5L10 10M13.5 6.5H6a3.5 3.5 0 0 0 0 7h3",
  open: "M1.5 13V3.5h4.5l1.5 2h7V13zM1.5 7.5h13",
  down: "M4 6.5 8 10.5 12 6.5",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  dark: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5h4.8M8 8h6M8 11h4.8",
  home: "M8 2v7.5M4.8 6.5 8 9.7l3.2-3.2M2.5 11v2.5h11V11",
  close: "M4 4l8 8M12 4l-8 8",
  save: "M3 8.5 6.5 12 13 4.5",
};

/**
 * An icon that says nothing to screen readers: the button around it has the label.
 * @param {keyof ICONS} name
 */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    s("path", { d: ICONS[name] }));
}

const GREEK = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", zeta: "ζ", eta: "η", theta: "θ", iota: "ι", kappa: "κ",
  lambda: "λ", mu: "μ", nu: "ν", xi: "ξ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", upsilon: "υ", phi: "φ", chi: "χ",
  psi: "ψ", omega: "ω", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Xi: "Ξ", Pi: "Π", Sigma: "Σ", Phi: "Φ",
  Psi: "Ψ", Omega: "Ω",
};

/**
 * A name of a program as mathematics: what stands on the line and what is below it.
 * @param {string} name such as "x12", "alpha_1" or "x1_2"
 * @returns {{base: string, sub: string, word: boolean}} `word`: more than one letter
 */
export function nameParts(name) {
  const match = /^(\p{L}+)_?(\d*)((?:_[\p{L}\d]+)*)$/u.exec(name.normalize("NFKC"));
  if (!match) return { base: name, sub: "", word: true };
  const letter = (part) => (Object.hasOwn(GREEK, part) ? GREEK[part] : part);
  const base = letter(match[1]);
  const sub = [match[2], ...match[3].split("_")].filter(Boolean).map(letter).join(",");
  return { base, sub, word: [...base].length > 1 };
}

/** A name as HTML. */
export function mathName(name) {
  const { base, sub } = nameParts(name);
  return h("span", { class: "math" }, base, sub ? h("sub", { text: sub }) : null);
}

/** The content of an SVG text element that shows a name. */
export function nameSpans(name, longest = 14) {
  const { base, sub } = nameParts(name);
  const short = [...base].length > longest ? `${[...base].slice(0, longest - 1).join("")}…` : base;
  return [s("tspan", { text: short }), ...(sub ? [s("tspan", { class: "sub", dy: "0.28em", text: sub })] : [])];
}

/** About how wide a name is at 16 px, in px. Exact enough to keep columns apart, and needs no layout. */
export function nameWidth(name, longest = 14) {
  const { base, sub } = nameParts(name);
  return Math.min([...base].length, longest) * 8.2 + [...sub].length * 5.6;
}

/** A whole number with thin spaces between thousands. */
export function count(number) {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** "1 lump", "2 lumps". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A ratio with three digits at most. */
export function ratio(number) {
  return number >= 100 ? count(number) : number.toPrecision(3).replace(/\.?0+$/, "");
}

/**
 * Runs a function some time after the last call. `flush` runs it at once if it waits, `cancel` forgets it.
 * @param {function(...*): void} run
 * @param {number} delay in ms
 */
export function debounce(run, delay) {
  let timer = null;
  let held = [];
  const fire = () => {
    timer = null;
    run(...held);
  };
  const call = (...values) => {
    held = values;
    clearTimeout(timer);
    timer = setTimeout(fire, delay);
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = null;
  };
  call.flush = () => {
    if (timer === null) return;
    clearTimeout(timer);
    fire();
  };
  return call;
}

/** Whether keys typed now go into text. */
export function isTextField(element) {
  const others = ["checkbox", "radio", "range", "file"].map((type) => `:not([type=${type}])`).join("");
  return Boolean(element?.closest?.(`textarea, select, input${others}`));
}
