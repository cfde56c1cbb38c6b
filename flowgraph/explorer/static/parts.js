/** Small pieces of HTML that several views share: elements, buttons, names as mathematics, messages, copying. */

/**
 * An HTML element.
 * @param {string} name
 * @param {Object<string, string|number|boolean|Function|null>} [attributes] `on…` are listeners; true sets an empty
 *   attribute, false and null none.
 * @param {...(Node|string)} children
 */
export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** A button that is no submit button. */
export function button(label, attributes, ...children) {
  return h("button", {type: "button", ...attributes}, label, ...children);
}

/** Put children into an element in place of what it has. */
export function fill(node, ...children) {
  node.replaceChildren(...children);
  return node;
}

/**
 * Names within a text as mathematics: a letter with a number gets a subscript, and @3 (the row of a copy) is small.
 * @param {string} text
 */
export function maths(text) {
  const span = h("span", {class: "maths"});
  let rest = 0;
  for (const match of text.matchAll(/(?<![\p{L}\d_])(\p{L})_?(\d+)(?![\p{L}\d_])|@(\d+)/gu)) {
    span.append(text.slice(rest, match.index));
    if (match[3] === undefined) span.append(match[1], h("sub", {}, match[2]));
    else span.append(h("span", {class: "row-of-copy"}, `@${match[3]}`));
    rest = match.index + match[0].length;
  }
  span.append(text.slice(rest));
  return span;
}

/** A reference, with its arXiv number as a link. Nothing is sent along with it but the click. */
export function reference(text) {
  const span = h("span", {class: "reference"});
  const match = /arXiv:(\d{4}\.\d{4,5})/.exec(text);
  if (!match) {
    span.append(text);
    return span;
  }
  const link = h("a", {
    href: `https://arxiv.org/abs/${match[1]}`,
    rel: "noreferrer noopener",
    target: "_blank",
  });
  link.append(match[0]);
  span.append(text.slice(0, match.index), link, text.slice(match.index + match[0].length));
  return span;
}

/**
 * An error as a message: what, where, got, expected, remedy.
 * @param {{message?: string, where?: string, got?: string, expected?: string, remedy?: string}} error
 */
export function problem(error) {
  const box = h("div", {class: "problem", role: "alert"}, h("strong", {}, error.message ?? String(error)));
  for (const [key, word] of [["where", "Where"], ["got", "Got"], ["expected", "Expected"], ["remedy", "Remedy"]]) {
    if (error[key]) box.append(h("p", {}, h("span", {class: "term"}, `${word} `), String(error[key])));
  }
  return box;
}

/**
 * Ask, and take a refusal for an answer.
 * @returns {Promise<object>} the reply, with `error` where something went wrong; null where a newer one took its place.
 */
export async function ask(app, kind, fields, onProgress) {
  try {
    return (await app.request(kind, fields, onProgress)) ?? null;
  } catch (error) {
    if (error?.name === "AbortError") return null;
    return {error: error?.error && typeof error.error === "object" ? error.error : {message: String(error?.message ?? error)}};
  }
}

/**
 * Copy a text. Where there is no clipboard (an address without https, a frame without leave) the field with the text is
 * selected, so that Ctrl+C does it.
 * @param {string} text
 * @param {HTMLElement} field input, textarea or any element that shows the text
 * @returns {Promise<boolean>} whether it is on the clipboard
 */
export async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
    selectAll(field);
    return false;
  }
}

function selectAll(field) {
  if (typeof field.select === "function") {
    field.focus();
    field.select();
    return;
  }
  const range = document.createRange();
  range.selectNodeContents(field);
  const selection = window.getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}

/** A number as people read it. */
export function number(x) {
  if (typeof x !== "number" || !Number.isFinite(x)) return String(x);
  if (x === 0) return "0";
  const short = Number(x.toPrecision(6));
  const size = Math.abs(short);
  const text = size >= 1e6 || size < 1e-4 ? short.toExponential() : String(short);
  return text.replace("-", "−").replace("e+", "e").replace("e-", "e−");
}

/** "1 edge", "2 edges" */
export function count(n, word) {
  return `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
}
